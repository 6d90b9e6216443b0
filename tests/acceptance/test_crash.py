"""The sample module crash: its callers are told at once, and nobody else notices."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from helpers import is_alive, wait_until

from acceptance.support import raises_remotely
from logoscore import Core
from logoscore.errors import ModuleCrashedError, ModuleNotLoadedError

WAYS: list[tuple[str, int | None, set[str | None]]] = [
    ("segfault", None, {"SIGSEGV"}),
    ("sigkill", None, {"SIGKILL"}),
    ("exit", 3, {None}),
    ("abort", None, {"SIGABRT"}),
    ("stack_overflow", None, {"SIGSEGV", "SIGBUS"}),
    ("sys_exit", 5, {None}),
]


@pytest.mark.parametrize(("kind", "exit_code", "signals"), WAYS, ids=[way[0] for way in WAYS])
def test_crash_in_a_method(core: Core, kind: str, exit_code: int | None, signals: set[str | None]) -> None:
    basic = core.load_plugin("test_basic")
    crash = core.load_plugin("crash")
    pid = core.get_plugin_info("crash").pid
    other_pid = core.get_plugin_info("test_basic").pid

    with pytest.raises(ModuleCrashedError) as caught:
        crash.call("crash_on_demand", kind)
    assert_describes(caught.value, pid, exit_code, signals, f"last words before {kind}")

    wait_until(lambda: "crash" not in core.get_loaded_plugins(), what="the core noticing")
    assert "crash" in core.get_known_plugins()
    with pytest.raises(ModuleNotLoadedError, match="crashed"):
        crash.call("answer")
    assert basic.call("add_ints", 3, 4) == 7
    assert core.get_plugin_info("test_basic").pid == other_pid
    assert not is_alive(pid)

    again = core.load_plugin("crash")
    assert again.call("answer") == 42
    assert crash.call("answer") == 42, "a client from before the crash works again"
    assert core.get_plugin_info("crash").pid not in (pid, None)


def assert_describes(
    error: ModuleCrashedError, pid: int, exit_code: int | None, signals: set[str | None], words: str
) -> None:
    message = str(error)
    assert error.module == "crash"
    assert error.pid == pid
    assert error.exit_code == exit_code
    assert error.signal_name in signals
    assert words in str(error.stderr)
    assert "crash" in message
    assert str(pid) in message
    assert str(exit_code if exit_code is not None else error.signal_name) in message
    assert words in message


def test_everyone_who_waits_is_told(core: Core) -> None:
    crash = core.load_plugin("crash")
    waiting = [crash.submit("hold") for _ in range(3)]
    wait_until(lambda: crash.call("holding") == 3, what="three waiting calls")
    with pytest.raises(ModuleCrashedError):
        crash.call("crash_on_demand", "sigkill")
    for each in waiting:
        with pytest.raises(ModuleCrashedError, match="SIGKILL"):
            each.result(timeout=15)


def test_a_module_that_waits_is_told_and_lives_on(core: Core) -> None:
    crash, relay = core.load_plugin("crash"), core.load_plugin("relay")
    pending = relay.submit("call", "crash", "hold", [])
    wait_until(lambda: crash.call("holding") == 1, what="the waiting module")
    with pytest.raises(ModuleCrashedError):
        crash.call("crash_on_demand", "segfault")
    with raises_remotely("ModuleCrashedError") as caught:
        pending.result(timeout=15)
    assert "SIGSEGV" in str(caught.value)
    wait_until(lambda: "crash" not in core.get_loaded_plugins(), what="the core noticing")
    with raises_remotely("ModuleNotLoadedError"):
        relay.call("call", "crash", "answer", [])
    core.load_plugin("crash")
    assert relay.call("call", "crash", "answer", []) == 42


def test_killed_from_outside_while_idle(core: Core) -> None:
    crash = core.load_plugin("crash")
    assert crash.call("answer") == 42
    pid = core.get_plugin_info("crash").pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: "crash" not in core.get_loaded_plugins(), what="the core noticing")
    # Its channel to us may be closed a moment after the core has noticed: until then the call goes there.
    with pytest.raises((ModuleNotLoadedError, ModuleCrashedError), match=r"crashed|SIGKILL") as caught:
        crash.call("answer")
    assert caught.value.module == "crash"
    with pytest.raises(ModuleNotLoadedError, match="crashed"):
        crash.call("answer")
    info = core.get_plugin_info("crash")
    assert info.pid is None
    assert "SIGKILL" in str(info.last_exit)


def test_crash_again_and_again(core: Core) -> None:
    pids: set[int] = set()
    for _ in range(4):
        crash: Any = core.load_plugin("crash")
        pids.add(core.get_plugin_info("crash").pid)
        with pytest.raises(ModuleCrashedError):
            crash.call("crash_on_demand", "exit")
        wait_until(lambda: "crash" not in core.get_loaded_plugins(), what="the core noticing")
    assert len(pids) == 4


def test_cleanup_after_a_crash_is_quiet(core: Core) -> None:
    crash = core.load_plugin("crash")
    with pytest.raises(ModuleCrashedError):
        crash.call("crash_on_demand", "abort")
    core.cleanup()
    core.cleanup()
