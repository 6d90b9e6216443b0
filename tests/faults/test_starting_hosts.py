"""A host that is started just when the system has no thread left, or when the user has had enough."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from acceptance.support import write_module
from helpers import descendants, wait_until

from logoscore import Core, supervisor
from logoscore.errors import ModuleLoadError

PONG = """
from logoscore import PluginInterface, invokable


class Pong(PluginInterface):
    @invokable
    def ping(self):
        return "pong"
"""


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    write_module(tmp_path, "pong", PONG)
    write_module(tmp_path, "watched", PONG, limits={"hang_timeout": 20})
    return tmp_path


def no_threads(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """From now on the system has none for these."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith(names):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.mark.parametrize(
    ("name", "thread", "said"),
    [
        ("pong", "logos-watch-pong", "module 'pong' could not be loaded: .*no thread can be had to watch its process"),
        ("watched", "logos-watchdog", "module 'watched' cannot be watched as its limits.hang_timeout asks for"),
    ],
)
def test_one_that_nobody_can_watch_is_not_kept(modules: Path, name: str, thread: str, said: str) -> None:
    with Core(plugins_dir=modules, entry_points=False) as core:
        hosts = set(descendants())
        with pytest.MonkeyPatch.context() as monkeypatch:
            no_threads(monkeypatch, thread)
            with pytest.raises(ModuleLoadError, match=said):
                core.load_plugin(name)
        assert set(descendants()) == hosts, "reaped, before the error came"
        assert core.get_plugin_info(name).state == "known"
        assert core.load_plugin(name).call("ping") == "pong"


def test_one_whose_load_was_interrupted_while_it_was_started(modules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start, may_start = supervisor.start_host, threading.Event()

    def start_late(*args: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        may_start.wait(20)
        return start(*args)

    with Core(plugins_dir=modules, entry_points=False) as core:
        hosts = set(descendants())
        with monkeypatch.context() as patched:
            patched.setattr(supervisor, "start_host", start_late)
            with pytest.raises(KeyboardInterrupt):
                core.load_plugin("pong")
        assert core.get_plugin_info("pong").state == "known"
        may_start.set()
        # Its host is started by the same thread, after the other.
        assert core.load_plugin("pong").call("ping") == "pong"
        wait_until(lambda: len(set(descendants()) - hosts) == 1)
        core.unload_plugin("pong")
        wait_until(lambda: set(descendants()) == hosts)
