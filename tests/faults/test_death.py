"""A module's process ends, and everybody who waits for anything of it is told at once: who, how, and its last words.

Who called it directly, from the app or from a module, gets ModuleCrashedError. One hop further it is a RemoteError: there
the module in between has failed to catch it, and only a channel's own peer speaks for the platform; its message and its
traceback have all that is known of the end. A subscriber is told once, unless the module is being restarted, and stays
subscribed.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from acceptance.support import write_module
from helpers import wait_until

from logoscore import Core
from logoscore.errors import CallTimeoutError, ModuleCrashedError, ModuleLoadError, ModuleNotLoadedError, RemoteError

MORTAL = """
import ctypes, os, signal, sys, threading, time
from logoscore import PluginInterface, invokable

ENDS = {
    "SIGSEGV": lambda: ctypes.string_at(0),
    "SIGABRT": os.abort,
    "stack": lambda: ctypes.CDLL(None).regcomp(ctypes.create_string_buffer(256), b"(" * 1_000_000, 1),
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGTERM": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "os._exit": lambda: os._exit(7),
    "os._exit(0)": lambda: os._exit(0),
    "sys.exit": lambda: sys.exit(4),
}

class Mortal(PluginInterface):
    def init_logos(self, api):
        self.api = api
        self.waiting = 0

    @invokable
    def hold(self):
        self.waiting += 1
        threading.Event().wait()

    @invokable
    def items(self):
        yield 1
        self.hold()

    @invokable
    def held(self):
        return self.waiting

    @invokable
    def end(self, how: str):
        print(f"last words before {how}", file=sys.stderr, flush=True)
        ENDS[how]()

    @invokable
    def say(self, what):
        self.api.trigger("said", what)

    @invokable
    def pid(self):
        return os.getpid()
"""

USER = """
import os
from logoscore import PluginInterface, invokable

class User(PluginInterface):
    def init_logos(self, api):
        self.api = api
        if self.name == "dependent":
            api.get_client("mortal").call("hold")

    @invokable
    def reach(self, module, method, *args):
        return self.api.get_client(module).call(method, *args)

    @invokable
    def listen(self):
        with self.api.get_client("mortal").subscribe("said") as said:
            self.api.trigger("listens")
            return said.get().data

    @invokable
    def follow(self):
        with self.api.get_client("mortal").stream("items") as items:
            return list(items)

    @invokable
    def pid(self):
        return os.getpid()
"""

FATAL = ("Fatal Python error", "most recent call first", "in end")
#: how it ends → exit code, signal, words of its stderr
ENDS: dict[str, tuple[int | None, str | None, tuple[str, ...]]] = {
    "SIGSEGV": (None, "SIGSEGV", FATAL),
    "SIGABRT": (None, "SIGABRT", FATAL),
    "stack": (None, "SIGSEGV", FATAL),
    "SIGKILL": (None, "SIGKILL", ()),
    "SIGTERM": (None, "SIGTERM", ()),
    "os._exit": (7, None, ()),
    "os._exit(0)": (0, None, ()),
    "sys.exit": (4, None, ()),
}


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    for name in ("one", "two", "listener"):
        write_module(tmp_path, name, USER, calls=["mortal", "one", "two"], concurrency="multi")
    write_module(tmp_path, "dependent", USER, dependencies=["mortal"])
    return tmp_path


def start(plugins: Path, **metadata: Any) -> Core:
    write_module(plugins, "mortal", MORTAL, concurrency="multi", max_workers=64, **metadata)
    return Core(plugins_dir=plugins, entry_points=False, restart_intensity=1, restart_backoff=0.01)


@pytest.fixture
def core(plugins: Path) -> Iterator[Core]:
    with start(plugins) as core:
        yield core


async def under_asyncio(core: Core) -> list[Any]:
    """What a call, a stream and a subscription raise that are awaited."""
    mortal = core.get_client("mortal")

    async def stream() -> None:
        async for _ in mortal.stream("items"):
            pass

    async def listen() -> None:
        with mortal.subscribe() as events:
            async for _ in events:
                pass

    async def call() -> None:
        await mortal.submit("hold")

    return await asyncio.gather(call(), stream(), listen(), return_exceptions=True)


@pytest.mark.parametrize("how", ENDS)
def test_everybody_who_waits_is_told(core: Core, how: str) -> None:
    mortal = core.load_plugin("mortal")
    one, two, listener = (core.load_plugin(name) for name in ("one", "two", "listener"))
    pids = {each.name: each.call("pid") for each in (mortal, one, two, listener)}
    said, everything = mortal.subscribe("said"), mortal.subscribe()
    listens = listener.subscribe("listens")
    direct: dict[str, Callable[[], Any]] = {
        "call": lambda: mortal.call("hold"),
        "another call": lambda: mortal.call("hold"),
        "stream": lambda: list(mortal.stream("items")),
        "get": said.get,
        "get in time": lambda: said.get(600),
        "iteration": lambda: list(everything),
    }
    nested: dict[str, tuple[str, Callable[[], Any]]] = {
        "a module's call": ("one", lambda: one.call("reach", "mortal", "hold")),
        "a module's stream": ("one", lambda: one.call("follow")),
        "a module's subscription": ("listener", lambda: listener.call("listen")),
        "a chain": ("two", lambda: two.call("reach", "one", "reach", "mortal", "hold")),
    }
    with said, everything, listens, ThreadPoolExecutor(16) as pool:
        submitted = [mortal.submit("hold") for _ in range(20)]
        awaited = pool.submit(asyncio.run, under_asyncio(core))
        waiting = {name: pool.submit(wait) for name, wait in direct.items()}
        waiting |= {name: pool.submit(wait) for name, (_, wait) in nested.items()}
        listens.get(30)
        wait_until(lambda: mortal.call("held") == 20 + 3 + 2 + 3, what="everybody's waiting")
        errors = {"who ended it": pool.submit(mortal.call, "end", how).exception(40)}
        errors |= {f"submit {number}": each.exception(40) for number, each in enumerate(submitted)}
        errors |= {name: each.exception(40) for name, each in waiting.items()}
        errors |= {f"asyncio {number}": error for number, error in enumerate(awaited.result(40))}
    for name, error in errors.items():
        if name in nested:
            assert type(error) is RemoteError, (name, error)
            assert error.module == nested[name][0]
            assert error.type_name == ("RemoteError" if name == "a chain" else "ModuleCrashedError")
            assert_describes(str(error), pids["mortal"], how)
            assert "ModuleCrashedError: module 'mortal'" in str(error.remote_traceback)
        else:
            assert type(error) is ModuleCrashedError, (name, error)
            assert (error.module, error.pid) == ("mortal", pids["mortal"])
            assert (error.exit_code, error.signal_name) == ENDS[how][:2]
            assert_describes(str(error), pids["mortal"], how)
            assert str(error.stderr) in str(error)
    assert [each.call("pid") for each in (one, two, listener)] == [pids[name] for name in ("one", "two", "listener")]
    assert core.load_plugin("mortal").call("pid") != pids["mortal"]
    assert one.call("reach", "mortal", "held") == 0


def assert_describes(text: str, pid: int, how: str) -> None:
    exit_code, signal_name, words = ENDS[how]
    ended = f"killed by {signal_name}" if signal_name else f"exit code {exit_code}"
    for expected in (f"module 'mortal' (pid {pid}) ended: {ended}", f"last words before {how}", *words):
        assert expected in text


# --- subscriptions --------------------------------------------------------------------------------------------------


def test_a_subscriber_is_told_once_after_what_waits(core: Core) -> None:
    mortal = core.load_plugin("mortal")
    with mortal.subscribe("said") as said:
        mortal.call("say", "before")
        with pytest.raises(ModuleCrashedError):
            mortal.call("end", "SIGKILL")
        assert said.get(30).data == ("before",)
        with pytest.raises(ModuleCrashedError, match=r"mortal.*SIGKILL"):
            said.get(30)
        with pytest.raises(TimeoutError):
            said.get(0)
        core.load_plugin("mortal").call("say", "after")
        event = said.get(30)
        assert (event.data, event.gap, said.gaps) == (("after",), True, 1)
        with pytest.raises(ModuleCrashedError):
            mortal.call("end", "os._exit")
        with pytest.raises(ModuleCrashedError, match="exit code 7"):
            next(said)


def test_a_module_that_is_back_is_not_mourned(core: Core) -> None:
    mortal = core.load_plugin("mortal")
    with mortal.subscribe("said") as said:
        with pytest.raises(ModuleCrashedError):
            mortal.call("end", "SIGKILL")
        core.load_plugin("mortal").call("say", "after")
        event = said.get(30)
        assert (event.data, event.gap) == (("after",), True)


def test_a_subscriber_waits_for_a_restart_and_is_told_when_it_is_given_up(plugins: Path) -> None:
    with start(plugins, restart="on-failure") as core, core.get_client("core_manager").subscribe() as notices:
        mortal = core.load_plugin("mortal")
        with mortal.subscribe("said") as said, ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(next, said)
            with pytest.raises(ModuleCrashedError):
                mortal.call("end", "SIGKILL")
            assert [notices.get(30).name for _ in range(2)] == ["module_crashed", "module_restarted"]
            mortal.call("say", "again")
            event = waiting.result(30)
            assert (event.data, event.gap) == (("again",), True)
            waiting = pool.submit(next, said)
            with pytest.raises(ModuleCrashedError):
                mortal.call("end", "os._exit")
            with pytest.raises(ModuleCrashedError, match="exit code 7"):
                waiting.result(30)
            assert [notices.get(30).name for _ in range(2)] == ["module_crashed", "module_gave_up"]


def test_a_callback_is_called_again_when_the_module_is_back(core: Core, caplog: pytest.LogCaptureFixture) -> None:
    mortal = core.load_plugin("mortal")
    heard: list[Any] = []
    with mortal.on_event("said", heard.append):
        with pytest.raises(ModuleCrashedError):
            mortal.call("end", "SIGKILL")
        wait_until(lambda: "waits until its module is loaded again" in caplog.text, what="the log")
        core.load_plugin("mortal").call("say", "after")
        wait_until(lambda: heard, what="the event")
        assert heard[0].gap


# --- other waits ----------------------------------------------------------------------------------------------------


def test_wait_ready_waits_over_a_crash(core: Core) -> None:
    mortal = core.load_plugin("mortal")
    with pytest.raises(ModuleCrashedError):
        mortal.call("end", "SIGKILL")
    wait_until(lambda: "mortal" not in core.get_loaded_plugins(), what="the core noticing")
    with pytest.raises(CallTimeoutError, match="mortal was not loaded in time"):
        mortal.wait_ready(0.05)
    with ThreadPoolExecutor(1) as pool:
        ready = pool.submit(mortal.wait_ready, 30)
        core.load_plugin("mortal")
        assert ready.result(30) is None


def test_a_dependent_that_is_being_loaded(core: Core) -> None:
    """Its ``init_logos`` waits for the module that dies."""
    mortal = core.load_plugin("mortal")
    pid = core.get_plugin_info("mortal").pid
    assert pid is not None
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(core.load_plugin, "dependent")
        wait_until(lambda: mortal.call("held") == 1, what="its init_logos")
        os.kill(pid, signal.SIGKILL)
        error = loading.exception(30)
    assert type(error) is ModuleLoadError
    assert (error.module, error.type_name) == ("dependent", "ModuleCrashedError")
    assert f"module 'mortal' (pid {pid}) ended: killed by SIGKILL" in str(error)
    assert {name: core.get_plugin_info(name).state for name in ("mortal", "dependent")} == {
        "mortal": "crashed",
        "dependent": "known",
    }


def test_who_comes_after_the_crash_is_told_that_it_is_not_loaded(core: Core) -> None:
    mortal, one = core.load_plugin("mortal"), core.load_plugin("one")
    waiting = one.submit("reach", "mortal", "hold")
    wait_until(lambda: mortal.call("held") == 1, what="the other module's waiting")
    with pytest.raises(ModuleCrashedError):
        mortal.call("end", "SIGKILL")
    with pytest.raises(RemoteError, match="ModuleCrashedError"):
        waiting.result(30)
    wait_until(lambda: "mortal" not in core.get_loaded_plugins(), what="the core noticing")
    for attempt in (lambda: mortal.call("held"), lambda: mortal.submit("held"), lambda: mortal.stream("items")):
        with pytest.raises(ModuleNotLoadedError, match=r"mortal.*crashed.*SIGKILL"):
            attempt()
    with pytest.raises(RemoteError, match="ModuleNotLoadedError") as caught:
        one.call("reach", "mortal", "held")
    assert caught.value.type_name == "ModuleNotLoadedError"


LINGERING = """
import atexit, sys, threading
from pathlib import Path
from logoscore import PluginInterface, invokable

def linger():
    Path(__file__).with_name("ends").touch()
    while any(thread.name == "logos-control" for thread in threading.enumerate()):
        threading.Event().wait(0.001)

class Lingering(PluginInterface):
    @invokable
    def leave(self):
        atexit.register(linger)
        sys.exit(4)
"""


def test_what_the_core_says_to_a_process_that_ends_does_not_change_its_exit_code(core: Core, plugins: Path) -> None:
    folder = write_module(plugins, "lingering", LINGERING)
    core.refresh_plugins()
    lingering = core.load_plugin("lingering")
    with ThreadPoolExecutor(1) as pool:
        leaving = lingering.submit("leave")
        wait_until((folder / "ends").exists, what="its last moments")
        subscribing = pool.submit(lingering.subscribe)
        with pytest.raises(ModuleCrashedError, match="exit code 4"):
            leaving.result(30)
        subscribing.result(30).cancel()
