"""``os.fork()`` in the app: the child owns nothing of the Core, and breaks nothing of its parent's."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from helpers import wait_until
from integration.support import App, Launch, add_method, check_each, is_running

HEAD = """
import os, signal, sys, threading, warnings
from pathlib import Path
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 and later: the process has threads
from logoscore import Core, LogosError, PluginInterface, StateError, invokable

def in_child(work):
    # Runs work() in a forked child; the child's exit code: 0, or 1 for what it raised.
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    signal.alarm(20)  # a child that hangs is killed
    try:
        work()
        code = 0
    except BaseException as error:
        print("child:", type(error).__name__, error, flush=True)
    finally:
        os._exit(code)

core = Core(plugins_dir=sys.argv[1], entry_points=False)
core.start()
worker = core.load_plugin("worker")
assert worker.call("add", 40, 2) == 42
events = worker.subscribe("said")
"""

REFUSED = {
    "call": "worker.call('echo', 1)",
    "call with a deadline": "worker.call('echo', 1, timeout=5)",
    "submit": "worker.submit('echo', 1)",
    "stream": "worker.stream('count', 5)",
    "stream under way": "next(stream)",
    "subscribe": "worker.subscribe()",
    "on_event": "worker.on_event('said', print)",
    "methods": "worker.methods()",
    "wait_ready": "worker.wait_ready(5)",
    "get_client": "core.get_client('worker')",
    "load_plugin": "core.load_plugin('worker')",
    "unload_plugin": "core.unload_plugin('worker')",
    "reload_plugin": "core.reload_plugin('worker')",
    "trigger": "api.trigger('event', 1)",
    "start": "core.start()",
    "another client": "other.call('getLoadedPlugins')",
    "iteration": "next(events)",
    "get": "events.get(timeout=5)",
}


def test_child_is_told_at_once(script: Launch, plugins: Path) -> None:
    app = script(
        f"""{HEAD}
other = core.get_client("core_manager")
other.call("getLoadedPlugins")
api = core.api
stream = worker.stream("count", 10**9)
assert next(stream) == 0
def refused(use):
    def work():
        try:
            exec(use, globals())
        except StateError as error:
            assert "fork" in str(error), error
        else:
            raise AssertionError("it went through")
    return work
for name, use in {REFUSED!r}.items():
    if in_child(refused(use)):
        print("not refused:", name, flush=True)
assert worker.call("add", 40, 2) == 42
assert next(stream) == 1
worker.call("say", "after")
assert events.get(20).data == ("after",)
pending = worker.submit("hang", timeout=600)
if in_child(refused("pending.result(30)")):
    print("not refused: a call under way", flush=True)
""",
        plugins,
    )
    assert "not refused" not in app.finish(), repr(app)
    app.assert_quiet()


def test_childs_end_is_not_the_parents(script: Launch, plugins: Path) -> None:
    """However the child ends, also as an interpreter with its own clean-up of an app does."""
    app = script(
        f"""{HEAD}
ends = "os._exit(0)", "sys.exit(0)", "core.cleanup(); sys.exit(0)", "del core, worker, events; sys.exit(0)"
for end in ends:
    child = os.fork()
    if not child:
        exec(end)
        raise AssertionError("unreachable")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, end
    for number in range(100):
        assert worker.call("echo", number) == number
    assert core.reload_plugin("worker").call("add", 40, 2) == 42
    worker.call("say", end)
    assert events.get(20).data == (end,)
""",
        plugins,
    )
    app.finish()
    app.assert_quiet()


def test_fork_while_other_threads_call(script: Launch, plugins: Path) -> None:
    """Locks that were held at the moment of the fork stay held in the child for ever: it must need none of them."""
    app = script(
        f"""{HEAD}
def work():
    while True:
        worker.call("add", 1, 2)
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
def refused():
    for use in (lambda: worker.call("add", 1, 2), lambda: core.load_plugin("worker"), core.start):
        try:
            use()
        except StateError:
            continue
        raise AssertionError("it went through")
    core.cleanup()
assert [in_child(refused) for _ in range(20)] == [0] * 20
assert worker.call("add", 40, 2) == 42
os._exit(0)  # the threads above never stop
""",
        plugins,
    )
    app.finish()
    app.assert_quiet()


def test_child_may_have_a_core_of_its_own(script: Launch, plugins: Path) -> None:
    app = script(
        f"""{HEAD}
pid = core.get_plugin_info("worker").pid
def work():
    with Core(plugins_dir=sys.argv[1], entry_points=False) as mine:
        client = mine.load_plugin("worker")
        assert client.call("add", 40, 2) == 42
        assert mine.get_plugin_info("worker").pid != pid
busy = True
def use():
    while busy:
        worker.call("add", 1, 2)
threads = [threading.Thread(target=use) for _ in range(2)]
for thread in threads:
    thread.start()
assert [in_child(work) for _ in range(2)] == [0] * 2
busy = False
for thread in threads:
    thread.join()
assert worker.call("add", 40, 2) == 42
""",
        plugins,
    )
    app.finish()
    app.assert_quiet()


@pytest.mark.parametrize("how", ["os.fork", "multiprocessing"])
def test_fork_in_the_middle_of_a_start(script: Launch, plugins: Path, how: str) -> None:
    """The child, which lives on, must not keep that start, and every later one, from learning that the program runs."""
    app = script(
        f"""
        import multiprocessing, os, signal, subprocess, sys, threading, warnings
        from logoscore import Core
        warnings.simplefilter("ignore", DeprecationWarning)
        fork_exec, begun, forked = subprocess._fork_exec, threading.Event(), threading.Event()

        def fork_exec_slowly(*args):
            pid = fork_exec(*args)
            begun.set()
            forked.wait(0.5)
            return pid

        core = Core(plugins_dir=sys.argv[1], entry_points=False)
        core.start()
        subprocess._fork_exec = fork_exec_slowly
        loading = threading.Thread(target=core.load_plugin, args=("worker",))
        loading.start()
        begun.wait()
        if {how == "os.fork"}:
            child = os.fork()
            if not child:
                while True:
                    signal.pause()
        else:
            process = multiprocessing.get_context("fork").Process(target=signal.pause)
            process.start()
            child = process.pid
        forked.set()
        loading.join(20)
        print("loaded", *core.get_loaded_plugins(), flush=True)
        core.cleanup()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        """,
        plugins,
    )
    assert "worker" in app.finish().split(), repr(app)


def test_end_of_the_app_while_its_child_lives(script: Launch, plugins: Path) -> None:
    """The child holds copies of every descriptor of the core, so no pipe ends: the hosts notice nevertheless."""

    def check(_: str, app: App) -> None:
        child, *hosts = map(int, app.expect(r"child (\d+) (\d+) (\d+)").groups())
        app.wait(None)
        try:
            wait_until(lambda: not any(map(is_running, hosts)), what=f"the end of the hosts of {app!r}")
            assert is_running(child)
        finally:
            os.kill(child, signal.SIGKILL)
        app.finish(None)

    source = f"""{HEAD}
pids = [core.get_plugin_info(name).pid for name in ("worker", "capability_module")]
child = os.fork()
if not child:
    while True:
        signal.pause()
print("child", child, *pids, flush=True)
"""
    ways = "os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)", "core.cleanup()"
    check_each({way: script(f"{source}{way}\n", plugins) for way in ways}, check)


def test_end_of_the_app_while_a_host_starts_and_its_child_lives(script: Launch, plugins: Path, tmp_path: Path) -> None:
    """A host that comes up only when its core is dead already ends by itself."""
    host, gate = tmp_path / "slow_host", tmp_path / "gate"
    host.write_text(
        f'#!/bin/sh\necho host $$\nread line < {gate}\nexec {sys.executable} -m host_entry "$@"\n', encoding="utf-8"
    )
    host.chmod(0o755)
    os.mkfifo(gate)
    app = script(
        """
        import os, signal, sys, threading, warnings
        from logoscore import Core
        warnings.simplefilter("ignore", DeprecationWarning)
        core = Core(plugins_dir=sys.argv[1], entry_points=False)
        threading.Thread(target=core.start, daemon=True).start()
        assert input() == "host starts"
        child = os.fork()
        if not child:
            while True:
                signal.pause()
        print("child", child, flush=True)
        os._exit(0)
        """,
        plugins,
        stdin=-1,
        env={"LOGOS_HOST_PATH": str(host)},
    )
    pid = int(app.expect(r"host (\d+)").group(1))
    assert app.process.stdin is not None
    with app.process.stdin as stdin:
        stdin.write(b"host starts\n")
    child = int(app.expect(r"child (\d+)").group(1))
    app.process.wait(40)
    try:
        gate.write_text("go on\n", encoding="utf-8")
        wait_until(lambda: not is_running(pid), what="the end of a host whose core is dead")
    finally:
        os.kill(child, signal.SIGKILL)
    app.finish(None)


def test_host_whose_core_is_dead_before_it_runs(script: Launch) -> None:
    """A child of the core holds the other end of the pipe, so nothing but the core's absence tells the host."""
    app = script(
        """
        import os, socket, subprocess, sys, threading
        maker = os.getpid()
        ours, theirs = socket.socketpair()
        if os.fork():
            os._exit(0)
        while os.getppid() == maker:
            threading.Event().wait(0.001)
        command = [sys.executable, "-m", "host_entry", "--control-fd", str(theirs.fileno())]
        host = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        print("ended", host.wait(), flush=True)
        """
    )
    app.wait()
    wait_until(lambda: "ended 0" in app.out, what=f"the end of a host without a core {app!r}")
    app.finish()


def test_multiprocessing_pool_of_the_app(script: Launch, plugins: Path) -> None:
    """Apps use the standard library's pools, which fork: their workers end, the Core goes on."""
    app = script(
        f"""{HEAD}
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
    assert list(pool.map(abs, range(-20, 0))) == list(range(20, 0, -1))
assert worker.call("add", 40, 2) == 42
""",
        plugins,
    )
    app.finish()
    app.assert_quiet()


def test_fork_in_a_module(script: Launch, plugins: Path) -> None:
    """A module's forked child cannot speak in the module's name; the module goes on."""
    add_method(
        plugins,
        "fork_and_call(self)",
        "import warnings",
        "warnings.simplefilter('ignore', DeprecationWarning)",
        "manager = self.api.get_client('core_manager')",
        "manager.call('getLoadedPlugins')",
        "child = os.fork()",
        "if child:",
        "    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])",
        "code = 1",
        "try:",
        "    manager.call('getLoadedPlugins', timeout=10)",
        "except Exception as error:",
        "    code = 0 if type(error).__name__ == 'StateError' else 2",
        "finally:",
        "    os._exit(code)",
    )
    app = script(
        f"{HEAD}\nprint('code', worker.call('fork_and_call', timeout=60))\nassert worker.call('add', 40, 2) == 42\n",
        plugins,
    )
    assert "code 0" in app.finish()
    app.assert_quiet()
