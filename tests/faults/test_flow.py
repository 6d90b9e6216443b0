"""Too much of everything: what is bounded stays bounded, nothing is lost, and nobody waits for ever.

(Threads and calls of one channel: ``test_flow_calls.py``; who is held up by whom among subscribers: ``test_flow_events.py``.)
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from acceptance.support import write_module
from helpers import wait_until

from logoscore import Core
from logoscore.errors import ModuleCrashedError

MIB = 1 << 20
GENEROUS = 96 * MIB
"""More memory than anything here may keep for good, and far less than what passes through."""

BUSY = '''
import os, sys
from logoscore import PluginInterface, invokable

class Busy(PluginInterface):
    def init_logos(self, api):
        self.api = api
        self.heard = []

    @invokable
    def echo(self, value):
        return value

    @invokable
    def pid(self):
        return os.getpid()

    @invokable
    def block(self, gate: str):
        """Until somebody writes into that pipe."""
        self.api.trigger("blocked")
        with open(gate) as stream:
            return stream.read()

    @invokable
    def swap(self, other, value, depth):
        """Large values to and fro between two modules."""
        client = self.api.get_client(other)
        return client.call("swap", self.name, value, depth - 1) if depth else value

    @invokable
    def say(self, count, size):
        for number in range(count):
            self.api.trigger("said", number, bytes(size))
        return count

    @invokable
    def listen(self, module):
        self.api.on_event(module, "said", lambda event: self.heard.append(event.data[0]))

    @invokable
    def what_was_heard(self):
        return self.heard

    @invokable
    def flood(self, size):
        line = b"x" * 99 + b"\\n"
        block = line * 1000
        for _ in range(size // len(block)):
            os.write(2, block)
        return size

    @invokable
    def die(self):
        print("last words", file=sys.stderr, flush=True)
        os._exit(3)
'''


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    write_module(tmp_path, "single", BUSY, calls=["multi"])
    write_module(tmp_path, "multi", BUSY, calls=["single"], concurrency="multi", max_workers=8)
    with Core(plugins_dir=tmp_path, entry_points=False, default_timeout=60) as core:
        core.load_plugin("single")
        core.load_plugin("multi")
        yield core


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


def resident(pid: int | None) -> int:
    """Bytes of memory that a process uses now."""
    pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


class Memory:
    """What the app and the hosts use, before and after."""

    def __init__(self, core: Core) -> None:
        self._pids = [os.getpid(), *(core.get_plugin_info(name).pid for name in ("single", "multi"))]
        self._before = [resident(pid) for pid in self._pids]

    def assert_bounded(self) -> None:
        grown = [resident(pid) - before for pid, before in zip(self._pids, self._before, strict=True)]
        assert max(grown) < GENEROUS, grown


# --- calls ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["single", "multi"])
def test_more_callers_than_threads(core: Core, name: str) -> None:
    """Each gets its own replies, in its own order."""
    memory, client = Memory(core), core.get_client(name)
    callers, calls = 64, 30
    at_once = threading.Barrier(callers)

    def work(caller: int) -> list[Any]:
        at_once.wait(60)
        return [client.call("echo", [caller, number, "x" * (number * 100)]) for number in range(calls)]

    with ThreadPoolExecutor(callers) as pool:
        answers = list(pool.map(work, range(callers)))
    expected = [[[caller, number, "x" * (number * 100)] for number in range(calls)] for caller in range(callers)]
    assert answers == expected
    memory.assert_bounded()


def test_ten_thousand_outstanding_while_the_module_is_blocked(core: Core, gate: Path) -> None:
    """The ring is full long before: the rest of them waits in ``submit``, and all of them get their replies."""
    memory, single = Memory(core), core.get_client("single")

    def submit(first: int) -> list[Any]:
        return [call.result(300) for call in [single.submit("echo", n, timeout=300) for n in range(first, 10_000, 16)]]

    with single.subscribe("blocked") as blocked, ThreadPoolExecutor(16) as pool:
        first = single.submit("block", str(gate), timeout=300)
        blocked.get(30)
        batches = [pool.submit(submit, start) for start in range(16)]
        assert core.get_client("multi").call("echo", "meanwhile") == "meanwhile", "other modules are not affected"
        memory.assert_bounded()
        gate.write_text("go on", encoding="utf-8")
        assert first.result(60) == "go on"
        assert [batch.result(300) for batch in batches] == [list(range(start, 10_000, 16)) for start in range(16)]
    memory.assert_bounded()


def test_ten_thousand_awaited(core: Core) -> None:
    memory, multi = Memory(core), core.get_client("multi")

    async def gather() -> list[Any]:
        return await asyncio.gather(*(multi.submit("echo", number, timeout=300) for number in range(10_000)))

    assert asyncio.run(gather()) == list(range(10_000))
    memory.assert_bounded()


def test_rings_that_are_full_in_both_directions(core: Core) -> None:
    """Values of many times a ring's size, to and fro between two modules that call each other, from many threads."""
    memory, single = Memory(core), core.get_client("single")
    values = [bytes([number]) * MIB for number in range(6)]
    with ThreadPoolExecutor(len(values)) as pool:
        swapped = pool.map(lambda value: single.call("swap", "multi", value, 5, timeout=300), values)
        assert list(swapped) == values
    memory.assert_bounded()


# --- events ---------------------------------------------------------------------------------------------------------


def test_subscribers_that_take_their_time(core: Core) -> None:
    """Megabytes of events against room for four: ``trigger`` waits, and everybody gets all of them in order."""
    memory, single, multi = Memory(core), core.get_client("single"), core.get_client("multi")
    single.call("listen", "multi")
    count, size = 2000, 2000
    with multi.subscribe("said", maxsize=4) as said:
        saying = multi.submit("say", count, size, timeout=300)
        assert [multi.call("echo", number) for number in range(20)] == list(range(20)), "a reply passes a full ring"
        assert [said.get(60).data[0] for _ in range(count)] == list(range(count))
        assert saying.result(60) == count
        assert said.pending == said.dropped == 0
    wait_until(lambda: len(single.call("what_was_heard")) == count, what="the module's events")
    assert single.call("what_was_heard") == list(range(count))
    memory.assert_bounded()


# --- output ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def quiet() -> Iterator[None]:
    """What goes to stderr goes nowhere."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    yield
    os.dup2(kept, 2)
    os.close(kept)


@pytest.mark.usefixtures("quiet")
def test_a_hundred_megabytes_of_output(core: Core) -> None:
    memory, multi, single = Memory(core), core.get_client("multi"), core.get_client("single")
    flooding = multi.submit("flood", 100_000_000, timeout=300)
    assert [single.call("echo", number) for number in range(100)] == list(range(100))
    assert [multi.call("echo", number) for number in range(100)] == list(range(100))
    assert flooding.result(300) == 100_000_000
    memory.assert_bounded()
    with pytest.raises(ModuleCrashedError) as caught:
        multi.call("die")
    tail = str(caught.value.stderr)
    assert len(tail) <= 16 << 10, "the tail is bounded"
    assert tail.endswith("x" * 99 + "\nlast words")
    assert core.load_plugin("multi").call("echo", 1) == 1
