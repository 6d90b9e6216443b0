"""Modules that start processes and threads of their own: these keep neither host nor core from seeing an end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from acceptance.support import write_module
from helpers import wait_until
from integration.support import END_SECONDS, WORKER, App, Launch, add_method, check_each, is_running

from faults.hostile import stop
from logoscore import Core
from logoscore.errors import ModuleCrashedError

CHILDREN = {
    "program": ("start_program", "sleep", "1000"),
    "program that ignores signals": ("start_program", "sh", "-c", "trap '' TERM HUP INT; exec sleep 1000"),
    "program that writes": ("start_program", "sh", "-c", "while :; do echo noise >&2; done"),
    "fork": ("fork",),
}

LEAVES = "module 'worker' leaves processes running that its code has started: "

ENDS: dict[str, Callable[[Core, int], None]] = {
    "unload": lambda core, _: core.unload_plugin("worker"),
    "reload": lambda core, _: core.reload_plugin("worker") and None,
    "SIGKILL": lambda core, pid: os.kill(pid, signal.SIGKILL),
    "SIGTERM": lambda core, pid: os.kill(pid, signal.SIGTERM),
}


@pytest.mark.parametrize("end", ENDS)
def test_children_that_outlive_their_module(plugins: Path, end: str, capfd: pytest.CaptureFixture[str]) -> None:
    """They hold copies of the host's descriptors, its stderr among them; the core goes by the process."""
    with Core(plugins_dir=plugins, entry_points=False) as core:
        worker = core.load_plugin("worker")
        pid = worker.call("pid")
        children = {kind: worker.call(*how) for kind, how in CHILDREN.items()}
        try:
            assert all(map(is_running, children.values()))
            ENDS[end](core, pid)
            wait_until(lambda: core.get_plugin_info("worker").pid != pid, what="the core noticing")
            wait_until(lambda: not is_running(pid), what="the end of the host")
            core.load_plugin("worker")
            assert worker.call("add", 40, 2) == 42
            core.cleanup()
            assert is_running(children["program that ignores signals"])
        finally:
            kill(*children.values())
    capfd.readouterr()


@pytest.mark.parametrize("end", ENDS)
def test_children_that_live_on_are_named(plugins: Path, end: str, capfd: pytest.CaptureFixture[str]) -> None:
    """But by one that fills the pipe of its stderr meanwhile: see below."""
    with Core(plugins_dir=plugins, entry_points=False) as core:
        worker = core.load_plugin("worker")
        pid = worker.call("pid")
        quiet = [kind for kind in CHILDREN if kind != "program that writes"]
        children = {kind: worker.call(*CHILDREN[kind]) for kind in quiet}
        try:
            ENDS[end](core, pid)
            wait_until(lambda: core.get_plugin_info("worker").pid != pid, what="the core noticing")
        finally:
            kill(*children.values())
    said = [line for line in capfd.readouterr().err.splitlines() if LEAVES in line]
    if end.startswith("SIG"):  # whoever is killed cannot say anything
        assert not said
    else:
        assert len(said) == 1
        assert set(re.findall(r"(\d+) \(", said[0])) == {str(child) for child in children.values()}
        assert f"{children['program']} (sleep)" in said[0]


def test_children_that_have_ended_or_will_are_not_named(plugins: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One ended by the module's own exit handler, a zombie, and what the standard library starts beside its pools."""
    add_method(
        plugins,
        "start_tracker_and_child(self)",
        "import atexit, multiprocessing",
        "self.event = multiprocessing.get_context('spawn').Event()",
        "child = subprocess.Popen(['sleep', '1000'])",
        "atexit.register(lambda: (child.kill(), child.wait()))",
    )
    with Core(plugins_dir=plugins, entry_points=False) as core:
        worker = core.load_plugin("worker")
        worker.call("start_tracker_and_child")
        kill(worker.call("start_program", "sleep", "1000"))
        core.unload_plugin("worker")
        assert core.get_plugin_info("worker").last_exit == "exit code 0"
    assert LEAVES not in capfd.readouterr().err


def kill(*pids: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # one that writes ends when nobody reads
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_running(pid), what=f"the end of {pid}")  # noqa: B023 - asked before the next


def test_app_that_ends_before_its_modules_children(script: Launch, plugins: Path) -> None:
    def check(_: str, app: App) -> None:
        host, *children = map(int, app.expect("pids (.*)").group(1).split())
        try:
            app.wait(None)
            wait_until(lambda: not is_running(host), what=f"the end of the host of {app!r}")
            assert is_running(children[1]), "the program that ignores signals"
        finally:
            kill(*children)
        app.finish(None)
        app.assert_quiet("noise")

    source = f"""
        import glob, os, signal, sys, threading
        from logoscore import Core
        core = Core(plugins_dir=sys.argv[1], entry_points=False)
        core.start()
        worker = core.load_plugin("worker")
        children = [worker.call(*how) for how in {[*CHILDREN.values()]!r}]
        print("pids", core.get_plugin_info("worker").pid, *children, flush=True)
        while glob.glob(f"/dev/shm/*logos.{{os.getpid():x}}.*"):  # until both ends hold their semaphores
            threading.Event().wait(0.001)
        """
    ways = "", "os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)"
    check_each({way: script(f"{source}{way}\n", plugins) for way in ways}, check)


def test_module_with_a_process_pool(plugins: Path) -> None:
    """The standard library's pools work inside a module; other files of its folder are found in their processes too."""
    (plugins / "worker" / "arithmetic.py").write_text("def double(number):\n    return 2 * number\n", encoding="utf-8")
    add_method(
        plugins,
        "pool(self, method: str) -> list[int]",
        "import arithmetic, multiprocessing, warnings",
        "from concurrent.futures import ProcessPoolExecutor",
        "warnings.simplefilter('ignore', DeprecationWarning)",
        "with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:",
        "    return [*pool.map(abs, [-1, -2]), *pool.map(arithmetic.double, [3])]",
    )
    with Core(plugins_dir=plugins, entry_points=False) as core:
        worker = core.load_plugin("worker")
        for method in ("fork", "spawn", "forkserver"):
            assert worker.call("pool", method, timeout=40) == [1, 2, 6], method


def test_module_that_leaves_its_pool_open(plugins: Path) -> None:
    """Its interpreter would wait for the pool at its end; the core does not wait for ever."""
    add_method(
        plugins,
        "open_pool(self)",
        "import multiprocessing",
        "self.process = multiprocessing.get_context('spawn').Process(target=os.read, args=(os.pipe()[0], 1))",
        "self.process.start()",
        "return self.process.pid",
    )
    with Core(plugins_dir=plugins, entry_points=False, unload_timeout=1.0) as core:
        child = core.load_plugin("worker").call("open_pool")
        try:
            core.unload_plugin("worker")
            assert core.load_plugin("worker").call("add", 40, 2) == 42
        finally:
            if is_running(child):
                os.kill(child, signal.SIGKILL)
            wait_until(lambda: not is_running(child), what="the end of the child")


FAREWELLS = {
    "as it comes": "",
    # As its end of the pipe is seen, or not, when the main thread closes it while the control thread reads.
    "pipe ends first": """
    def about_to_unload(self):
        import gc, socket
        from logoscore.transport.control import ControlPipe
        [pipe] = [each for each in gc.get_objects() if type(each) is ControlPipe]
        pipe._socket.shutdown(socket.SHUT_WR)
""",
}


def test_a_child_that_fills_stderr_does_not_hold_up_the_end(plugins: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Nobody reads it between the end of the control pipe and that of the process, and this is when children are named."""
    slow = ("import atexit", "atexit.register(threading.Event().wait, 1)")  # so it is full by then
    add_method(plugins, "end_slowly(self)", *slow)
    with (plugins / "worker" / "worker.py").open("a", encoding="utf-8") as stream:
        stream.write(FAREWELLS["pipe ends first"])
    with Core(plugins_dir=plugins, entry_points=False) as core:
        worker = core.load_plugin("worker")
        worker.call("end_slowly")
        child = worker.call("start_program", "sh", "-c", "exec yes noise >&2")
        try:
            core.unload_plugin("worker")
            assert core.get_plugin_info("worker").last_exit == "exit code 0"
        finally:
            kill(child)
    capfd.readouterr()


@pytest.mark.parametrize("farewell", FAREWELLS)
def test_a_module_that_does_not_end_when_asked_gets_sigterm(plugins: Path, farewell: str) -> None:
    with (plugins / "worker" / "worker.py").open("a", encoding="utf-8") as stream:
        stream.write(FAREWELLS[farewell])
    # SIGTERM ends it at once, but SIGKILL follows: the time between them must be enough for a busy machine.
    with Core(plugins_dir=plugins, entry_points=False, unload_timeout=5.0) as core:
        core.load_plugin("worker").call("stay")
        core.unload_plugin("worker")
        assert core.get_plugin_info("worker").last_exit == "killed by SIGTERM"
        assert core.load_plugin("worker").call("add", 40, 2) == 42


def test_a_module_that_sigterm_does_not_end_is_killed(plugins: Path) -> None:
    """One ignores it, the other is stopped: signals but SIGKILL wait for it to go on."""
    write_module(plugins, "ignores", "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WORKER)
    with Core(plugins_dir=plugins, entry_points=False, unload_timeout=0.2) as core:
        core.load_plugin("ignores").call("stay")
        core.load_plugin("worker")
        stop(core, "worker")
        for name in ("ignores", "worker"):
            core.unload_plugin(name)
            assert core.get_plugin_info(name).last_exit == "killed by SIGKILL", name
            assert core.load_plugin(name).call("add", 40, 2) == 42


def test_a_module_that_does_not_end_holds_up_no_other(plugins: Path) -> None:
    write_module(plugins, "stuck", WORKER)
    with Core(plugins_dir=plugins, entry_points=False, unload_timeout=1000.0) as core, ThreadPoolExecutor(1) as pool:
        core.load_plugin("stuck")
        pid = stop(core, "stuck")
        try:
            unloading = pool.submit(core.unload_plugin, "stuck")
            wait_until(lambda: core.get_plugin_info("stuck").state == "unloading", what="the unload's beginning")
            core.load_plugin("worker")
            core.unload_plugin("worker")
            assert core.get_plugin_info("worker").last_exit == "exit code 0"
            assert core.load_plugin("worker").call("add", 40, 2) == 42
            assert core.get_plugin_info("stuck").state == "unloading"
        finally:
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(ModuleCrashedError, match="killed by SIGKILL"):
            unloading.result(END_SECONDS)


def test_child_that_is_told_apart_from_its_module(plugins: Path) -> None:
    """A module whose subprocess dies is not a crashed module."""
    with Core(plugins_dir=plugins, entry_points=False) as core:
        worker = core.load_plugin("worker")
        for _ in range(5):
            child = worker.call("start_program", "sleep", "1000")
            os.kill(child, signal.SIGKILL)
        assert worker.call("add", 40, 2) == 42
        with pytest.raises(ModuleCrashedError, match="exit code 7"):
            worker.call("die")
