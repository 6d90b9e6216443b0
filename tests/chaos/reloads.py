"""Many reloads of a module that the app and another module use: descriptors, threads and memory stay what they were."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from helpers import wait_until

from chaos.holdings import held_by, resident_mb, threads_here
from chaos.stage import MODULES
from chaos.tally import Tally
from logoscore import Core

__all__ = ["run"]

_RELOADED: Final = ("herald", "relay_b")
_EACH: Final = len(_RELOADED)
_STAYING: Final = ("listener", "relay_a", "capability_module")
_WARM_UP: Final = 20
_SHOWN: Final = 10
_MEMORY_MB: Final = 8.0
"""By which a process that stays may grow over all reloads, whatever their number."""


class _Party:
    """A process that stays."""

    def __init__(self, name: str, pid: int) -> None:
        self.name, self.pid = name, pid
        self.held: Counter[str] = held_by(pid)
        self.memory = resident_mb(pid)

    def more(self) -> Counter[str]:
        return held_by(self.pid) - self.held

    def __str__(self) -> str:
        held = held_by(self.pid)
        descriptors = sum(count for what, count in held.items() if what.startswith("descriptor"))
        return f"{self.name}: {descriptors} descriptors, {held['thread']} threads, {resident_mb(self.pid):.1f} MiB"


def run(number: int, say: Callable[[str], None]) -> Tally:
    """Reload so often; print the figures on the way; what grew is a defect."""
    tally = Tally()
    with Core(MODULES, entry_points=False) as core:
        for name in ("herald", "listener", "relay_b", "relay_a"):
            core.load_plugin(name)
        heard = core.get_client("herald").on_event("news", lambda _: None)
        for _ in range(_WARM_UP):
            _reload(core)
        parties = [_Party("app", os.getpid())]
        parties += [_Party(name, core.get_plugin_info(name).pid or 0) for name in _STAYING]
        threads = threads_here()
        say("; ".join(map(str, parties)))
        began = time.monotonic()
        for done in range(_EACH, number + 1, _EACH):
            _reload(core)
            if done % max(number // _SHOWN // _EACH * _EACH, _EACH) == 0:
                say(f"{done} reloads: {'; '.join(map(str, parties))}")
        tally.count("reloads", f"done, at {1000 * (time.monotonic() - began) / number:.0f} ms each", number)
        for party in parties:
            _judge(tally, party)
        try:
            wait_until(lambda: not threads_here() - threads, 20)
        except AssertionError:
            tally.defect("leftovers", f"threads: {threads_here() - threads}")
        heard.cancel()
    return tally


def _reload(core: Core) -> None:
    """The publisher, and one of the chain: who uses them goes on."""
    for name in _RELOADED:
        core.reload_plugin(name)
    value = threading.get_ident()
    assert core.get_client("relay_a").call("relay", value) == ("relay_a", ("relay_b", ("relay_c", value)))
    core.get_client("listener").call("heard")
    core.get_client("herald").call("announce", value, 3)
    assert list(core.get_client("herald").stream("count", 1, 20)) == [(1, each) for each in range(20)]
    assert core.get_client("herald").submit("echo", value).result() == value
    wait_until(lambda: core.get_client("listener").call("heard")[0], what="the listener's subscription")


def _judge(tally: Tally, party: _Party) -> None:
    try:
        wait_until(lambda: not party.more(), 20)
    except AssertionError:
        tally.defect("leftovers", f"{party.name} holds more: {party.more()}")
    if (grown := resident_mb(party.pid) - party.memory) > _MEMORY_MB:
        tally.defect("leftovers", f"{party.name} grew by {grown:.1f} MiB")
