"""Ends that come at an odd moment: just after Ready, during an unload, by the garbage collector on a thread of ours."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from acceptance.support import write_module
from helpers import wait_until
from integration.support import WORKER, App, Launch, add_method, check_each

from logoscore import Core
from logoscore.errors import LogosError, ModuleCrashedError, ModuleLoadError

SHORT_LIVED = """
import os, sys, threading
from logoscore import PluginInterface, invokable

class ShortLived(PluginInterface):
    def init_logos(self, api):
        self.api = api
        seconds = float(open(os.path.join(sys.path[0], "seconds")).read())
        threading.Timer(seconds, os._exit, (3,)).start()

    @invokable
    def ping(self):
        return "pong"
"""


@contextmanager
def busy_threads(count: int) -> Iterator[None]:
    """The process's other threads get the GIL late: what happens together in the hosts is seen apart in the app."""
    over = threading.Event()

    def spin() -> None:
        while not over.is_set():
            sum(range(100))

    threads = [threading.Thread(target=spin) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("busy", [0, 1])
def test_module_that_dies_as_soon_as_it_is_up(plugins: Path, busy: int) -> None:
    """Whether the core saw it up or not: it is not loaded afterwards, and nobody waits for a dead process."""
    seconds = write_module(plugins, "short_lived", SHORT_LIVED) / "seconds"
    with Core(plugins_dir=plugins, entry_points=False) as core, busy_threads(busy):
        for step in range(0, 6, 1 + busy):
            seconds.write_text(str(step / 1000), encoding="utf-8")
            try:
                core.load_plugin("short_lived")
            except (ModuleLoadError, ModuleCrashedError):
                assert core.get_plugin_info("short_lived").state in {"known", "crashed"}
                continue
            wait_until(
                lambda: core.get_plugin_info("short_lived").state == "crashed",
                what=f"the core noticing, {step} ms after init_logos",
            )
            with pytest.raises(LogosError, match="short_lived"):
                core.get_client("short_lived").call("ping")


def test_what_is_known_of_a_crashed_module(plugins: Path) -> None:
    with Core(plugins_dir=plugins, entry_points=False) as core:
        worker = core.load_plugin("worker")
        with pytest.raises(LogosError):
            worker.call("die")
        wait_until(lambda: core.get_plugin_info("worker").state == "crashed", what="the core noticing")
        info = core.get_plugin_info("worker")
        assert (info.pid, info.loaded_at, info.last_exit) == (None, None, "exit code 7")
        assert [row["name"] for row in core.get_module_stats() if row["name"] == "worker"] == []
        with pytest.raises(LogosError, match="worker"):
            core.get_token("worker")


def test_unload_that_was_interrupted(script: Launch, plugins: Path) -> None:
    """Ctrl-C while a hanging module is being unloaded: it can be unloaded, or loaded, all the same."""
    app = script(
        """
        import os, signal, sys, threading
        from logoscore import Core, LogosError
        with Core(plugins_dir=sys.argv[1], entry_points=False) as core:
            worker = core.load_plugin("worker")
            with worker.subscribe("hanging") as hanging:
                pending = worker.submit("hang")
                hanging.get(20)
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
            try:
                core.unload_plugin("worker")
            except KeyboardInterrupt:
                print("interrupted", flush=True)
            assert core.load_plugin("worker").call("echo", 1, timeout=15) == 1
        print("works", flush=True)
        """,
        plugins,
    )
    assert app.finish().split() == ["interrupted", "works"], repr(app)
    app.assert_quiet()


def test_core_that_is_collected_on_any_thread(script: Launch, plugins: Path) -> None:
    """The collector runs where it likes, also on a thread that the clean-up waits for."""
    write_module(plugins, "listener", WORKER, calls=["worker"])
    code = plugins / "listener" / "listener.py"
    text = "    @invokable\n    def listen(self):\n        self.api.on_event('worker', 'said', print)\n"
    code.write_text(code.read_text(encoding="utf-8") + "\n" + text, encoding="utf-8")
    ways = {
        "policy": "collecting.set()\ntry: listener.call('listen', timeout=5)\nexcept Exception: pass",
        "event callback": "worker.on_event('said', lambda _: collect())\nworker.call('say', 'x')",
        "future callback": "worker.submit('echo', 1).add_done_callback(lambda _: collect())",
        "thread": "threading.Thread(target=collect).start()",
    }
    source = """
import gc, sys, threading
from logoscore import Core, LogosError
gc.disable()
collecting, collected = threading.Event(), threading.Event()

def collect():
    gc.collect()
    collected.set()

def policy(request):
    if collecting.is_set():
        collect()

core = Core(plugins_dir=sys.argv[1], entry_points=False, policy=policy)
core.start()
worker, listener = core.load_plugin("worker"), core.load_plugin("listener")
worker.call("echo", 1), listener.call("echo", 1)
ring = [core]
ring.append(ring)
del core, ring
"""

    def check(_: str, app: App) -> None:
        assert "works" in app.finish(), repr(app)
        app.assert_quiet()

    end = "assert collected.wait(30)\nprint('works', flush=True)\n"
    check_each({where: script(f"{source}{way}\n{end}", plugins) for where, way in ways.items()}, check)


def test_core_that_is_collected_where_threading_holds_a_lock(script: Launch, plugins: Path) -> None:
    """The collector runs where it likes, also where a thread starts or ends, or where all threads are listed."""
    source = """
import gc, sys, threading
from logoscore import Core
gc.disable()
core = Core(plugins_dir=sys.argv[1], entry_points=False)
core.start()
core.load_plugin("worker")
ring = [core]
ring.append(ring)
del core, ring
with threading.{lock}:
    gc.collect()
threading.Thread(target=print, args=("works",)).start()
"""
    locks = [name for name in ("_shutdown_locks_lock", "_active_limbo_lock") if hasattr(threading, name)]
    assert locks

    def check(_: str, app: App) -> None:
        assert app.finish().split() == ["works"], repr(app)
        app.assert_quiet()

    check_each({lock: script(source.format(lock=lock), plugins) for lock in locks}, check)


def test_slow_policy_holds_up_nobody_else(plugins: Path) -> None:
    """The app's policy takes its time over one request; the module that asked is answered otherwise meanwhile."""
    gate, asked = threading.Event(), threading.Event()

    def policy(request: object) -> None:
        if getattr(request, "requester", "") == "listener" and getattr(request, "target", "") == "worker":
            asked.set()
            gate.wait(20)

    write_module(plugins, "listener", WORKER, calls=["worker"])
    code = plugins / "listener" / "listener.py"
    text = "    @invokable\n    def listen(self):\n        self.api.on_event('worker', 'said', print)\n"
    code.write_text(code.read_text(encoding="utf-8") + "\n" + text, encoding="utf-8")
    add_method(plugins, "nothing(self)", "pass")
    with Core(plugins_dir=plugins, entry_points=False, policy=policy) as core:
        worker, listener = core.load_plugin("worker"), core.load_plugin("listener")
        pending = listener.submit("listen", timeout=40)
        assert asked.wait(20)
        try:
            assert worker.call("add", 40, 2) == 42
            answered = [row["name"] for row in core.get_module_stats()]
            assert "listener" in answered
            assert listener.call("call", "core_manager", "getLoadedPlugins", timeout=5) == core.get_loaded_plugins()
        finally:
            gate.set()
        pending.result(20)


def test_deep_recursion_at_the_end(script: Launch, plugins: Path) -> None:
    """An app that ends by RecursionError or MemoryError ends like any other."""
    app = script(
        "import sys\n"
        "from logoscore import Core\n"
        "core = Core(plugins_dir=sys.argv[1], entry_points=False)\n"
        "core.start()\n"
        "worker = core.load_plugin('worker')\n"
        "def dive():\n"
        "    worker.call('echo', 1)\n"
        "    dive()\n"
        "try:\n"
        "    dive()\n"
        "except RecursionError:\n"
        "    print('dived', flush=True)\n"
        "assert worker.call('echo', 2) == 2\n",
        plugins,
    )
    assert "dived" in app.finish(), repr(app)
    app.assert_quiet()


def test_event_right_after_subscribe(plugins: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """When ``subscribe`` has returned, the very next event is heard, also from a module whose threads are busy."""
    add_method(
        plugins,
        "spin(self)",
        "def run():",
        "    while True: sum(range(100))",
        "for _ in range(2): threading.Thread(target=run, daemon=True).start()",
    )
    with Core(plugins_dir=plugins, entry_points=False) as core:
        for _ in range(3):
            worker = core.load_plugin("worker")
            worker.call("spin")
            with worker.subscribe("said") as said:
                worker.call("say", "first")
                assert said.get(15).data == ("first",)
            core.unload_plugin("worker")
    capfd.readouterr()
