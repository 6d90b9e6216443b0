"""``limits.hang_timeout``: a module that hangs is found and ended, and one that waits or works in pieces is not."""

from __future__ import annotations

import os
import queue
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from acceptance.support import write_module
from helpers import wait_until

from logoscore import Core
from logoscore.errors import ModuleCrashedError
from logoscore.watchdog import Watchdog

SLEEPER = """
import asyncio, hashlib, os, threading
from logoscore import PluginInterface, invokable

class Sleeper(PluginInterface):
    def init_logos(self, api):
        self.api = api
        api.on_event(api.name, "go", lambda event: threading.Event().wait())

    @invokable
    def hang(self):
        threading.Event().wait()

    @invokable
    def loop(self):
        while True:
            pass

    @invokable
    def native(self):
        import re
        re.match(r"(a*)*b", "a" * 100)  # the regular expression engine keeps the interpreter to itself

    @invokable
    def trigger_hanging_callback(self):
        self.api.trigger("go")

    @invokable
    def items(self):
        yield 1
        threading.Event().wait()

    @invokable
    def slow_items(self, n):
        for i in range(n):
            threading.Event().wait(0.1)
            yield i

    @invokable
    async def block_the_loop(self):
        threading.Event().wait()

    @invokable
    async def wait_politely(self, seconds):
        await asyncio.sleep(seconds)
        return "slept"

    @invokable
    def ask(self, times):
        other = self.api.get_client("sleeper2")
        return [other.call("ping") for _ in range(times)][-1]

    @invokable
    def ask_slow(self, seconds):
        return self.api.get_client("sleeper2").call("wait", seconds)

    @invokable
    def wait(self, seconds):
        threading.Event().wait(seconds)
        return "waited"

    @invokable
    def ping(self):
        return "pong"
"""


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    # Less than what takes its time below, and more than a busy machine keeps a process waiting.
    limits = {"hang_timeout": 1.0}
    write_module(tmp_path, "sleeper", SLEEPER, limits=limits, restart="on-failure", calls=["sleeper2"])
    write_module(tmp_path, "multi", SLEEPER, limits=limits, concurrency="multi", calls=["sleeper2"])
    write_module(tmp_path, "sleeper2", SLEEPER)
    with Core(plugins_dir=tmp_path, entry_points=False, unload_timeout=0.3) as core:
        yield core


#: What the error says of where the code is. Nobody can be asked where native code keeps the interpreter to itself.
PLACES = {
    "hang": r"Sleeper\.(hang|init_logos\.<locals>\.<lambda>) \((sleeper|multi)\.py:\d+\) > .*Event\.wait \(",
    "loop": r"Sleeper\.loop \((sleeper|multi)\.py:\d+\)",
    "block_the_loop": r"Sleeper\.block_the_loop \((sleeper|multi)\.py:\d+\) > ",
}


@pytest.mark.parametrize("name", ["sleeper", "multi"])
@pytest.mark.parametrize("how", ["hang", "loop", "native", "block_the_loop", "trigger_hanging_callback"])
def test_what_hangs_is_ended_and_says_why(core: Core, name: str, how: str) -> None:
    client = core.load_plugin(name)
    if how == "trigger_hanging_callback":
        client.call(how)
        how = "hang"
    with pytest.raises(ModuleCrashedError, match=r"watchdog found it hanging \(limits.hang_timeout 1 s\)") as caught:
        client.call(how, timeout=60)
    assert "exit code 0" not in str(caught.value)
    if how in PLACES:
        assert re.search(rf"for [\d.]+ s, in {PLACES[how]}", str(caught.value)), caught.value
    wait_until(lambda: core.get_plugin_info(name).state != "loaded" or core.get_plugin_info(name).restarts)
    assert "watchdog" in str(core.get_plugin_info(name).last_exit)
    if name == "sleeper":
        wait_until(lambda: core.get_plugin_info(name).restarts == 1, what="the restart")
        assert client.call("ping") == "pong"


def test_a_generator_that_hangs_is_ended_and_one_that_goes_on_is_not(core: Core) -> None:
    client = core.load_plugin("multi")
    assert list(client.stream("slow_items", 15)) == list(range(15))
    with pytest.raises(ModuleCrashedError, match=r"watchdog.*Sleeper\.items"):
        list(client.stream("items"))


def test_a_stopped_process_is_ended(core: Core) -> None:
    core.load_plugin("multi")
    os.kill(core.get_plugin_info("multi").pid or 0, signal.SIGSTOP)
    wait_until(lambda: core.get_plugin_info("multi").state == "crashed", what="its end")
    assert "does not answer" in str(core.get_plugin_info("multi").last_exit)


@pytest.mark.parametrize("name", ["sleeper", "multi"])
def test_what_waits_for_others_does_not_hang(core: Core, name: str) -> None:
    core.load_plugin("sleeper2")
    client = core.load_plugin(name)
    pid = core.get_plugin_info(name).pid
    assert client.call("ask_slow", 1.5) == "waited"
    assert client.call("wait_politely", 1.5) == "slept"
    assert client.call("ask", 3000) == "pong"
    assert core.get_plugin_info(name).pid == pid


def test_a_long_queue_is_no_hang(core: Core) -> None:
    client = core.load_plugin("sleeper")
    pid = core.get_plugin_info("sleeper").pid
    pending = [client.submit("wait", 0.1, timeout=60) for _ in range(20)]
    assert [each.result() for each in pending] == ["waited"] * 20
    assert core.get_plugin_info("sleeper").pid == pid


def test_without_it_nobody_looks(core: Core) -> None:
    core.load_plugin("sleeper2")
    assert not [thread for thread in threading.enumerate() if thread.name == "logos-watchdog"]
    core.load_plugin("multi")
    assert [thread for thread in threading.enumerate() if thread.name == "logos-watchdog"]


def test_who_waits_for_another_is_not_named(core: Core) -> None:
    """Beside the call that hangs there is one that waits for its own."""
    core.load_plugin("sleeper2")
    client = core.load_plugin("multi")
    waiting = client.submit("ask_slow", 60, timeout=60)
    with pytest.raises(ModuleCrashedError, match=r", in Sleeper\.hang [^;]*$"):
        client.call("hang", timeout=60)
    with pytest.raises(ModuleCrashedError):
        waiting.result(60)


@pytest.mark.parametrize("where", ["here", "", None, {"calls": 1}, [(1, 2, 3)]])
def test_what_a_host_says_of_places_never_keeps_it_from_being_found(where: object) -> None:
    """A host of another interpreter may be older, and not understand that question."""

    def ask(name: str, what: str, answer: Callable[[Any], None]) -> None:
        answer(where if what == "where" else [(1, 2, 3)])

    found: queue.SimpleQueue[str] = queue.SimpleQueue()
    watchdog = Watchdog(ask)
    try:
        watchdog.watch("it", 0.1, found.put)
        reason = found.get(timeout=30)
    finally:
        watchdog.close()
    assert "has not come to an end" in reason
    assert reason.endswith(" s, in here" if where == "here" else " s")
