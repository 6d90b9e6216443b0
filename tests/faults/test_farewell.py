"""The end of a module: its hook, and what it hands over to the instance after it at a reload."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from acceptance.support import write_module
from helpers import wait_until

from logoscore import Core
from logoscore.errors import LogosError, ModuleCrashedError, RemoteError, SerializationError

KEEPER = """
import os, signal, sys, threading
from pathlib import Path
from logoscore import PluginInterface, invokable

class Keeper(PluginInterface):
    def init_logos(self, api):
        self.api = api
        self.state = None
        self.restored = False
        self.how = "well"
        self.trace = Path(__file__).with_name("trace")

    def write(self, word):
        with self.trace.open("a") as stream:
            stream.write(word + " ")

    @invokable
    def keep(self, value):
        self.state = value

    @invokable
    def kept(self):
        return self.state

    @invokable
    def end(self, how):
        self.how = how

    @invokable
    def hang(self):
        self.api.trigger("hangs")
        threading.Event().wait()

    @invokable
    def ping(self):
        return self.api.name

    def save_state(self):
        self.write("save")
        if self.how == "save raises":
            raise ValueError("not now")
        if self.how == "unencodable":
            return {"lock": threading.Lock()}
        if self.how == "too large":
            return bytes(17 << 20)
        return self.state

    def about_to_unload(self):
        self.write("unload")
        if self.how == "calls":
            self.write(self.api.get_client("other").call("relay"))
        elif self.how == "raises":
            raise ValueError("in the hook")
        elif self.how == "unprintable":
            raise Unprintable()
        elif self.how == "exits":
            sys.exit(4)
        elif self.how == "dies":
            os._exit(5)
        elif self.how == "segfaults":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif self.how == "hangs":
            threading.Event().wait()

    def restore_state(self, state):
        if self.how == "restore raises" or (isinstance(state, str) and state == "poison"):
            raise ValueError("bad state")
        self.write("restore")
        self.state = state

class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError
    __repr__ = __str__
    def __reduce__(self):
        raise RuntimeError
"""

OTHER = """
from logoscore import PluginInterface, invokable

class Other(PluginInterface):
    @invokable
    def relay(self):
        return "back-to-" + self.api.get_client("keeper").call("ping")
"""

PLAIN = """
from logoscore import PluginInterface, invokable

class Plain(PluginInterface):
    def save_state(self):
        return "something"
"""


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    write_module(tmp_path, "keeper", KEEPER, calls=["other"])
    write_module(tmp_path, "other", OTHER, calls=["keeper"])
    write_module(tmp_path, "plain", PLAIN)
    write_module(tmp_path, "user", KEEPER.replace("Keeper", "User"), dependencies=["keeper"])
    # What a module does at its end must have the time for it on a busy machine, and so must the end by SIGTERM.
    with Core(plugins_dir=tmp_path, entry_points=False, unload_timeout=5.0) as core:
        yield core


def trace(tmp_path: Path) -> list[str]:
    return (tmp_path / "keeper" / "trace").read_text(encoding="utf-8").split()


@pytest.mark.parametrize(
    "state",
    [{"a": [1, 2.0, True, None], (1, 2): {3}}, "", bytes(range(256)), bytes(15 << 20), np.arange(12).reshape(3, 4)],
    ids=["nested", "empty", "bytes", "large", "array"],
)
def test_state_is_handed_over(core: Core, tmp_path: Path, state: Any) -> None:
    keeper = core.load_plugin("keeper")
    keeper.call("keep", state)
    core.reload_plugin("keeper")
    kept = keeper.call("kept")
    assert np.array_equal(kept, state) if isinstance(state, np.ndarray) else kept == state
    assert trace(tmp_path) == ["save", "unload", "restore"]


def test_dependents_hand_over_too(core: Core) -> None:
    user, keeper = core.load_plugin("user"), core.get_client("keeper")
    user.call("keep", "mine")
    keeper.call("keep", "yours")
    core.reload_plugin("keeper")
    assert (user.call("kept"), keeper.call("kept")) == ("mine", "yours")


def test_an_unload_saves_nothing(core: Core, tmp_path: Path) -> None:
    core.load_plugin("keeper").call("keep", 1)
    core.unload_plugin("keeper")
    assert core.load_plugin("keeper").call("kept") is None
    assert trace(tmp_path) == ["unload"]


def test_state_without_a_taker_is_dropped_with_a_word(core: Core, capfd: pytest.CaptureFixture[str]) -> None:
    core.load_plugin("plain")
    core.reload_plugin("plain")
    assert "plain" in core.get_loaded_plugins()
    core.unload_plugin("plain")
    assert "no restore_state" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("how", "error", "text"),
    [
        ("save raises", RemoteError, "keeper.save_state raised ValueError: not now"),
        ("unencodable", SerializationError, "state.*lock"),
        ("too large", SerializationError, "state has at most 16777216 bytes"),
    ],
)
def test_a_state_that_cannot_be_saved_keeps_everything_loaded(
    core: Core, how: str, error: type[LogosError], text: str
) -> None:
    user, keeper = core.load_plugin("user"), core.get_client("keeper")
    user.call("keep", "mine")
    keeper.call("keep", "precious")
    pid = core.get_plugin_info("keeper").pid
    keeper.call("end", how)
    with pytest.raises(error, match=text):
        core.reload_plugin("keeper")
    assert keeper.call("kept") == "precious"
    assert core.get_plugin_info("keeper").pid == pid
    assert user.call("kept") == "mine", "a dependent that was unloaded already is back, with its state"
    keeper.call("end", "well")
    core.reload_plugin("keeper")
    assert keeper.call("kept") == "precious"


def test_a_state_that_cannot_be_restored_fails_the_load(core: Core) -> None:
    keeper = core.load_plugin("keeper")
    keeper.call("keep", "poison")
    with pytest.raises(LogosError, match="ValueError: bad state"):
        core.reload_plugin("keeper")
    assert core.get_plugin_info("keeper").state == "known"
    assert core.load_plugin("keeper").call("kept") is None, "it was for the next instance only"


@pytest.mark.parametrize(
    ("how", "error", "text"),
    [
        ("raises", RemoteError, "keeper.about_to_unload raised ValueError: in the hook"),
        ("unprintable", RemoteError, "keeper.about_to_unload raised Unprintable"),
        ("exits", ModuleCrashedError, "exit code 4"),
        ("dies", ModuleCrashedError, "exit code 5"),
        ("segfaults", ModuleCrashedError, "SIGSEGV"),
    ],
)
def test_a_hook_that_fails_is_told_and_the_module_is_unloaded(
    core: Core, how: str, error: type[LogosError], text: str
) -> None:
    keeper = core.load_plugin("keeper")
    keeper.call("end", how)
    with pytest.raises(error, match=text):
        core.unload_plugin("keeper")
    assert core.get_plugin_info("keeper").state == "known"
    assert core.load_plugin("keeper").call("ping") == "keeper"
    keeper.call("end", how)
    core.reload_plugin("keeper")
    assert keeper.call("ping") == "keeper", "a reload goes on all the same"


def test_a_hook_that_hangs_is_ended(core: Core) -> None:
    keeper = core.load_plugin("keeper")
    keeper.call("end", "hangs")
    core.unload_plugin("keeper")
    assert "SIGTERM" in str(core.get_plugin_info("keeper").last_exit)


def test_a_hook_calls_others_which_call_back(core: Core, tmp_path: Path) -> None:
    core.load_plugin("other")
    core.load_plugin("keeper").call("end", "calls")
    core.unload_plugin("keeper")
    assert trace(tmp_path) == ["unload", "back-to-keeper"]


def test_a_call_that_hangs_costs_the_state_not_the_hook(core: Core, tmp_path: Path) -> None:
    keeper = core.load_plugin("keeper")
    keeper.call("keep", 1)
    with keeper.subscribe("hangs") as hangs:
        pending = keeper.submit("hang", timeout=600)
        hangs.get(30)
        core.reload_plugin("keeper")
    with pytest.raises(LogosError):
        pending.result(30)
    assert keeper.call("kept") is None
    assert trace(tmp_path) == ["unload"]


def test_calls_beside_a_reload_end_and_none_is_lost(core: Core) -> None:
    """What a call that was answered has changed is in the state that was handed over."""
    keeper = core.load_plugin("keeper")
    stop, answered = threading.Event(), [0]

    def count() -> None:
        value = 0
        while not stop.is_set():
            try:
                keeper.call("keep", value + 1)
                value += 1
                answered[0] = value
            except LogosError:
                with contextlib.suppress(LogosError):  # it is away for a moment
                    value = keeper.call("kept")

    thread = threading.Thread(target=count)
    keeper.call("keep", 0)
    thread.start()
    try:
        for _ in range(5):
            before = answered[0]
            wait_until(lambda: answered[0] > before, what="calls between two reloads")  # noqa: B023 - within this turn
            core.reload_plugin("keeper")
    finally:
        stop.set()
        thread.join()
    assert keeper.call("kept") >= answered[0] >= 5
