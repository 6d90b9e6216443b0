"""Between two rounds: everybody is there again and answers, and the app holds what it held at first."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final

from helpers import descendants

from chaos import model
from chaos.holdings import give_back, held_by, resident_mb, threads_here
from chaos.load import LOST
from chaos.stage import LIFECYCLE_SECONDS, NAMES, Stage
from logoscore.errors import DependencyError, LogosError, ModuleLoadError, ProtocolViolationError

__all__ = ["Figures", "figures", "look", "recover", "warm_up"]

_PATIENCE: Final = 30.0
_PASSING: Final = (*LOST, DependencyError, ModuleLoadError, ProtocolViolationError)
"""What is left of the storm for a while."""


@dataclass(frozen=True)
class Figures:
    """The app's, at rest."""

    held: Counter[str]
    threads: Counter[str]
    hosts: int
    others: frozenset[str]
    """Processes below this one that are no loaded module's host."""
    resident_mb: float
    objects: int
    """That the garbage collector knows of, when it has collected."""


def _works(stage: Stage, what: str, work: Callable[[], object], patience: float) -> bool:
    """Try until the last of the storm is over; False, and a defect, if it does not work in the end."""
    end = time.monotonic() + patience
    while True:
        try:
            with stage.watcher.watching(what, LIFECYCLE_SECONDS):
                work()
            return True
        except _PASSING as error:
            if time.monotonic() > end:
                stage.tally.defect("not recovered", f"{what}: {type(error).__name__}: {error}")
                return False
            threading.Event().wait(0.05)
        except (LogosError, AssertionError) as error:
            stage.tally.defect("not recovered", f"{what}: {type(error).__name__}: {error}")
            return False


def recover(stage: Stage, rng: Random, patience: float = _PATIENCE) -> bool:
    """Every module is loaded and answers, to the app and to each other; events arrive."""
    core = stage.core
    steps: list[tuple[str, Callable[[], object]]] = [
        *((f"load of {name}", partial(core.load_plugin, name)) for name in NAMES),
        ("reload of vandal", partial(core.reload_plugin, "vandal")),  # its channels may be full of garbage
        *((f"use of {name}", partial(_use, stage, rng, name)) for name in NAMES),
        ("use of the chain", partial(_chain, stage, rng)),
    ]
    return all(_works(stage, what, step, patience) for what, step in steps)


def _use(stage: Stage, rng: Random, name: str) -> None:
    client, value = stage.core.get_client(name), model.question(rng)
    assert client.call("echo", value) == value
    assert client.submit("echo", value).result() == value
    assert list(client.stream("count", 7, 3)) == [(7, 0), (7, 1), (7, 2)]


def _chain(stage: Stage, rng: Random) -> None:
    value = model.question(rng)
    assert stage.core.get_client("relay_a").call("relay", value) == model.through_chain(value)
    assert stage.core.get_client("vandal").call("pass_on", value) == value
    stage.core.get_client("listener").call("heard")
    end = time.monotonic() + _PATIENCE
    while not stage.core.get_client("listener").call("heard")[0]:
        stage.core.get_client("herald").call("announce", 1, 1)
        assert time.monotonic() < end, "the listener hears nothing"


def warm_up(stage: Stage, rng: Random) -> Figures:
    """Everything once, deaths included; what the app holds then is what it may hold later."""
    assert recover(stage, rng), stage.tally.report()
    for name in NAMES:
        try:
            stage.core.get_client(name).call("die", "SIGKILL")
        except LOST:
            pass  # as it should
    assert recover(stage, rng), stage.tally.report()
    manager = stage.core.get_client("core_manager")
    for call in [manager.submit("getModuleStats") for _ in range(20)]:  # so many that it gets its stand-by threads
        call.result()
    return figures(stage)


def figures(stage: Stage) -> Figures:
    """What this process holds now."""
    gc.collect()
    give_back()
    hosts = {stage.core.get_plugin_info(name).pid for name in stage.core.get_loaded_plugins()}
    below = descendants()
    others = frozenset(what for pid, what in below.items() if pid not in hosts)
    return Figures(
        held=held_by(os.getpid()),
        threads=threads_here(),
        hosts=len(below) - len(others),
        others=others,
        resident_mb=resident_mb(os.getpid()),
        objects=len(gc.get_objects()),
    )


def look(stage: Stage, first: Figures, patience: float = _PATIENCE) -> Figures:
    """What there is now; what is more than at first, and stays so, is a defect."""
    end = time.monotonic() + patience
    while True:
        now = figures(stage)
        more = _more(first, now)
        if not (more or now.others - first.others) or time.monotonic() > end:
            break
        threading.Event().wait(0.05)
    for what in more:
        stage.tally.defect("leftovers", f"at rest there is more than at first: {what}")
    for what in now.others - first.others:
        stage.tally.defect("orphans", f"{what} is no loaded module's host")
    return now


def _more(first: Figures, now: Figures) -> list[str]:
    more = [f"{count} x {what}" for what, count in (now.held - first.held).items()]
    return more + [f"{count} x thread {name}" for name, count in (now.threads - first.threads).items()]
