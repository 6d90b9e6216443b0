"""Fifty reloads cost nothing that lasts: not in the app, and not in a module that keeps using the reloaded one."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from acceptance.support import write_module
from helpers import wait_until

from integration.support import add_method
from logoscore import Core, LogosAPIClient, ModuleCrashedError

ROUNDS = 50
WARM_UP = 3


def holdings(pid: int) -> Counter[str]:
    """What a process holds, seen from outside: descriptors by kind, threads, mappings of ours."""
    proc = Path("/proc") / str(pid)
    held: Counter[str] = Counter()
    for entry in (proc / "fd").iterdir():
        try:
            held[f"fd {str(entry.readlink()).partition(':')[0]}"] += 1
        except OSError:
            continue  # closed while we looked, the listing's own at least
    held["threads"] = len(list((proc / "task").iterdir()))
    for line in (proc / "maps").read_text(encoding="utf-8").splitlines():
        for kind in ("memfd:logoscore", "sem."):
            held[f"maps {kind}"] += kind in line
    return held


def settled(pid: int, expected: Counter[str]) -> None:
    """Wait until the process holds no more than ``expected``: threads and mappings of an old channel go a little later."""

    def more() -> Counter[str]:
        gc.collect()
        return holdings(pid) - expected

    try:
        wait_until(lambda: not more(), 20)
    except AssertionError:
        raise AssertionError(f"after {ROUNDS} rounds process {pid} holds more: {dict(more())}") from None


Step = Callable[[Core, LogosAPIClient, LogosAPIClient], None]


def use(worker: LogosAPIClient, user: LogosAPIClient, number: int) -> None:
    assert worker.call("echo", number) == number
    assert worker.submit("echo", number).result(20) == number
    assert list(worker.stream("count", 3)) == [0, 1, 2]
    assert user.call("call", "worker", "echo", number) == number
    worker.call("say", str(number))


@pytest.mark.parametrize("way", ["unload and load", "reload", "crash and load"])
def test_reloads(plugins: Path, way: str, capfd: pytest.CaptureFixture[str]) -> None:
    add_method(
        plugins,
        "listen(self)",
        "self.heard = []",
        "self.api.on_event('worker', 'said', lambda event: self.heard.append(event.data[0]))",
    )
    add_method(plugins, "last_heard(self)", "return self.heard[-1:]")
    source = (plugins / "worker" / "worker.py").read_text(encoding="utf-8")
    write_module(plugins, "user", source, calls=["worker"])
    with Core(plugins_dir=plugins, entry_points=False) as core:
        worker, user = core.load_plugin("worker"), core.load_plugin("user")
        user_pid = user.call("pid")
        user.call("listen")
        heard: list[str] = []
        worker.on_event("said", lambda event: heard.append(event.data[0]))

        def round_of(number: int) -> None:
            if way == "reload":
                core.reload_plugin("worker")
            elif way == "unload and load":
                core.unload_plugin("worker")
                core.load_plugin("worker")
            else:
                os.kill(core.get_plugin_info("worker").pid or 0, 9)
                wait_until(lambda: "worker" not in core.get_loaded_plugins(), what="the core noticing")
                core.load_plugin("worker")
            use(worker, user, number)
            wait_until(lambda: heard[-1:] == [str(number)], what="the app's subscription")
            wait_until(lambda: user.call("last_heard") == [str(number)], what="the module's subscription")

        for number in range(WARM_UP):
            round_of(number)
        gc.collect()
        before = {pid: holdings(pid) for pid in (os.getpid(), user_pid, core.get_plugin_info("capability_module").pid)}
        threads = threading.active_count()
        for number in range(WARM_UP, WARM_UP + ROUNDS):
            round_of(number)
        for pid, held in before.items():
            assert pid is not None
            settled(pid, held)
        wait_until(lambda: threading.active_count() <= threads, what="the end of threads")
    capfd.readouterr()


def test_cores_one_after_another(plugins: Path) -> None:
    """Whole Cores leave nothing in the app's process either."""

    def run() -> None:
        with Core(plugins_dir=plugins, entry_points=False) as core:
            assert core.load_plugin("worker").call("add", 40, 2) == 42

    run()
    gc.collect()
    before = holdings(os.getpid())
    for _ in range(8):
        run()
    settled(os.getpid(), before)


def test_clients_that_come_and_go(plugins: Path) -> None:
    """Subscriptions, streams and futures that were dropped cost nothing."""
    with Core(plugins_dir=plugins, entry_points=False) as core:
        worker = core.load_plugin("worker")

        def run() -> None:
            worker.subscribe().cancel()
            worker.on_event("said", print).cancel()
            with worker.stream("count", 1000) as stream:
                next(stream)
            worker.submit("echo", 1).cancel()
            worker.call("echo", b"x" * 200_000)

        for _ in range(5):
            run()
        before = {pid: holdings(pid) for pid in (os.getpid(), worker.call("pid"))}
        for _ in range(100):
            run()
        for pid, held in before.items():
            settled(pid, held)


def test_streams_that_failed_are_forgotten(plugins: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Core(plugins_dir=plugins, entry_points=False) as core:
        worker = core.load_plugin("worker")
        stream = worker.stream("count", 10**9)
        next(stream)
        with pytest.raises(ModuleCrashedError):
            worker.call("die")
        with pytest.raises(ModuleCrashedError):
            list(stream)
        gone = weakref.ref(stream)
        del stream
        wait_until(lambda: gc.collect() >= 0 and gone() is None, what="the end of the stream")
