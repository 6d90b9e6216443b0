"""Unload, reload, crash and clean-up while somebody is in the middle of using the module: a named error, never a hang."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from acceptance.support import take, write_module
from helpers import wait_until
from integration.support import WORKER

from logoscore import Core
from logoscore.errors import (
    ChannelClosedError,
    LogosError,
    ModuleCrashedError,
    ModuleNotLoadedError,
    RemoteError,
    StateError,
)

ENDS: dict[str, Callable[[Core], object]] = {
    "unload": lambda core: core.unload_plugin("worker"),
    "reload": lambda core: core.reload_plugin("worker"),
    "cleanup": lambda core: core.cleanup(),
    "crash": lambda core: os.kill(core.get_plugin_info("worker").pid or 0, signal.SIGKILL),
}


@pytest.fixture
def core(plugins: Path) -> Iterator[Core]:
    write_module(plugins, "user", WORKER, calls=["worker"])
    with Core(plugins_dir=plugins, entry_points=False) as core:
        yield core


@pytest.mark.parametrize("end", ENDS)
def test_calls_in_flight(core: Core, plugins: Path, end: str) -> None:
    """However one waits: a call, a future, a stream, and a call that another module has made. All of them run."""
    metadata = json.loads((plugins / "worker" / "metadata.json").read_text(encoding="utf-8"))
    many = {**metadata, "concurrency": "multi", "max_workers": 8}
    (plugins / "worker" / "metadata.json").write_text(json.dumps(many), encoding="utf-8")
    core.refresh_plugins()
    worker, user = core.load_plugin("worker"), core.load_plugin("user")
    stream = worker.stream("count", 10**9)
    assert next(stream) == 0
    ways: dict[str, Callable[[], Any]] = {
        "call": lambda: worker.call("hang", timeout=600),
        "future": lambda: worker.submit("hang", timeout=600).result(40),
        "stream": lambda: all(item >= 0 for item in stream),
        "module": lambda: user.call("call", "worker", "hang", timeout=600),
    }
    with worker.subscribe("hanging") as hanging, ThreadPoolExecutor(4) as pool:
        pending = {way: pool.submit(wait) for way, wait in ways.items()}
        assert len(take(hanging, 3)) == 3
        ENDS[end](core)
        errors = {way: wait.exception(40) for way, wait in pending.items()}
    expected = ModuleCrashedError if end == "crash" else ChannelClosedError
    for way, error in errors.items():
        if way != "module":
            assert isinstance(error, expected), (way, error)
            assert "worker" in str(error)
        elif end == "cleanup":
            assert isinstance(error, LogosError), error  # its own end, or the other's that it waits for
        else:
            assert isinstance(error, RemoteError), error
            assert error.type_name == expected.__name__, error
            assert "worker" in str(error)


@pytest.mark.parametrize("end", ENDS)
def test_many_callers(core: Core, end: str) -> None:
    """Each of eight threads ends with a named error, or goes on with the module that came back."""
    worker = core.load_plugin("worker")
    allowed = (ChannelClosedError, ModuleCrashedError, ModuleNotLoadedError, StateError)
    errors: list[BaseException] = []
    started = threading.Barrier(9)
    over = threading.Event()

    def work() -> None:
        started.wait(20)
        while not over.is_set():
            try:
                assert worker.call("add", 40, 2) == 42
                assert worker.submit("echo", "x").result(20) == "x"
                assert sum(worker.stream("count", 20)) == 190
            except allowed as error:
                errors.append(error)
                if not isinstance(error, ChannelClosedError) or "ended" not in str(error):
                    return
            except BaseException as error:  # noqa: BLE001 - reported below
                errors.append(error)
                return

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    started.wait(20)
    wait_until(lambda: next(row["calls"] for row in core.get_module_stats() if row["name"] == "worker") > 100)
    ENDS[end](core)
    if end == "reload":
        assert worker.call("add", 40, 2) == 42
    over.set()
    for thread in threads:
        thread.join(40)
        assert not thread.is_alive()
    assert all(isinstance(error, allowed) for error in errors), errors


@pytest.mark.parametrize("end", ["unload", "crash"])
def test_subscription_waits_for_the_module_to_come_back(core: Core, end: str) -> None:
    worker = core.load_plugin("worker")
    with worker.subscribe("said") as said, ThreadPoolExecutor(1) as pool:
        worker.call("say", "before")
        assert said.get(20).data == ("before",)
        waiting = pool.submit(next, said)
        ENDS[end](core)
        wait_until(lambda: "worker" not in core.get_loaded_plugins(), what="the core noticing")
        if end == "crash":  # which is told, once
            with pytest.raises(ModuleCrashedError):
                waiting.result(40)
            waiting = pool.submit(next, said)
        core.load_plugin("worker").call("say", "after")
        event = waiting.result(40)
        assert (event.data, event.gap) == (("after",), True)


def test_subscription_ends_with_the_core(core: Core) -> None:
    worker = core.load_plugin("worker")
    said = worker.subscribe("said")
    with ThreadPoolExecutor(2) as pool:
        iterating, waiting = pool.submit(list, said), pool.submit(said.get)
        core.cleanup()
        for each in (iterating, waiting):
            try:
                assert each.result(40) == []
            except LogosError:
                pass  # both ways say that nothing comes any more


def test_unload_by_a_callback_of_its_own_event(core: Core) -> None:
    worker = core.load_plugin("worker")
    outcome: list[BaseException | None] = []
    done = threading.Event()

    def unload(_: object) -> None:
        try:
            core.unload_plugin("worker")
            outcome.append(None)
        except BaseException as error:  # noqa: BLE001 - reported below
            outcome.append(error)
        done.set()

    worker.on_event("said", unload)
    worker.call("say", "unload yourself")
    assert done.wait(40)
    assert outcome[0] is None
    assert "worker" not in core.get_loaded_plugins()


def test_cleanup_by_a_callback(core: Core) -> None:
    worker = core.load_plugin("worker")
    done = threading.Event()
    worker.on_event("said", lambda _: (core.cleanup(), done.set()))
    worker.call("say", "clean up")
    assert done.wait(40)
    with pytest.raises(StateError):
        core.load_plugin("worker")


def test_cleanup_from_many_threads(core: Core) -> None:
    core.load_plugin("worker")
    with ThreadPoolExecutor(8) as pool:
        for each in [pool.submit(core.cleanup) for _ in range(8)]:
            each.result(40)
    with pytest.raises(StateError):
        core.load_plugin("worker")


def test_unload_from_many_threads(core: Core) -> None:
    """One of them unloads it; the others are told that there is nothing to unload, once that is true."""
    for _ in range(3):
        core.load_plugin("worker")

        def unload() -> str:
            try:
                core.unload_plugin("worker")
            except ModuleNotLoadedError:
                return "told"
            return "unloaded"

        with ThreadPoolExecutor(6) as pool:
            outcomes = [each.result(40) for each in [pool.submit(unload) for _ in range(6)]]
        assert "unloaded" in outcomes
        assert core.get_plugin_info("worker").state == "known"


def test_reload_from_many_threads(core: Core) -> None:
    core.load_plugin("worker")

    def reload() -> None:
        try:
            core.reload_plugin("worker")
        except ModuleNotLoadedError:
            pass  # somebody else had it unloaded at that moment

    with ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(reload) for _ in range(8)]:
            each.result(60)
    assert core.load_plugin("worker").call("add", 40, 2) == 42


def test_module_that_unloads_itself(core: Core) -> None:
    worker = core.load_plugin("worker")
    with pytest.raises(LogosError):
        worker.call("call", "core_manager", "unloadPlugin", "worker", timeout=40)
    wait_until(lambda: core.get_plugin_info("worker").state == "known", what="the unloading")
    assert core.load_plugin("worker").call("add", 40, 2) == 42


def test_module_that_ends_the_core(core: Core) -> None:
    worker = core.load_plugin("worker")
    try:
        worker.call("call", "core_manager", "cleanup", timeout=40)
    except LogosError:
        pass  # the end may come before the reply

    def ended() -> bool:
        try:
            core.load_plugin("worker")
        except LogosError:
            return True
        return False

    wait_until(ended, what="the end of the core")
    core.cleanup()
