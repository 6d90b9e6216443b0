"""Warm hosts: started ahead, taken by loads, and in nothing different from a host that is started for its module."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

import pytest
from acceptance.support import write_module
from helpers import descendants, is_alive, wait_until

from integration.support import is_running
from logoscore import Core, ModuleCrashedError, ModuleLoadError, PluginInterface, invokable

SPY = """
import os, resource, signal, sys, threading
from multiprocessing import process
from logoscore import PluginInterface, invokable

class Spy(PluginInterface):
    def init_logos(self, api):
        self.api = api
        umask = os.umask(0)
        os.umask(umask)
        self.seen = {
            "environment": dict(os.environ), "directory": os.getcwd(), "path": list(sys.path), "argv": list(sys.argv),
            "umask": umask, "limits": {n: list(resource.getrlimit(getattr(resource, n)))
                                       for n in dir(resource) if n.startswith("RLIMIT_")},
            "niceness": os.getpriority(os.PRIO_PROCESS, 0), "leads a session": os.getsid(0) == os.getpid(),
            "name": process.current_process().name, "main": sys.modules["__main__"].__dict__.get("__file__"),
            "threads": sorted(t.name for t in threading.enumerate()), "stdin": os.readlink("/proc/self/fd/0"),
            "stdout": os.readlink("/proc/self/fd/1"), "parent": os.getppid(),
            "parent process": getattr(process.parent_process(), "pid", None),
            "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])), "affinity": sorted(os.sched_getaffinity(0)),
            "loaded": sorted(set(sys.modules)),
        }

    @invokable
    def see(self) -> dict:
        return self.seen

    @invokable
    def evaluate(self, text: str) -> object:
        return eval(text, globals())

    @invokable
    def die(self):
        print("last words", file=sys.stderr)
        os._exit(9)
"""


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir()
    write_module(folder, "spy", SPY)
    return folder


class Apps:
    """Cores of one test, and the warm hosts of each."""

    def __init__(self, plugins: Path) -> None:
        self.plugins = plugins
        self._before = set(descendants())
        self._cores: list[Core] = []

    def core(self, warm_hosts: int = 1, **settings: Any) -> Core:
        core = Core(plugins_dir=self.plugins, entry_points=False, warm_hosts=warm_hosts, **settings)
        self._cores.append(core)
        return core

    def warm(self) -> set[int]:
        """Processes that are no module's. Only one core of a test has some."""
        hosts = {each.get_plugin_info(name).pid for each in self._cores for name in each.get_loaded_plugins()}
        return {pid for pid in descendants() if is_running(pid)} - self._before - hosts

    def wait_warm(self, count: int = 1, *, without: Set[int] = frozenset()) -> set[int]:
        def there() -> set[int] | None:
            warm = self.warm()
            return warm if len(warm) == count and not warm & without and all(map(is_up, warm)) else None

        found = wait_until(there, what=f"{count} warm hosts")
        assert found is not None
        return found


def is_up(pid: int) -> bool:
    """Whether the host has come as far as to lead a session and wait for its core."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        return state == "S" and b"poll" in Path(f"/proc/{pid}/wchan").read_bytes()
    except OSError:
        return False


@pytest.fixture
def apps(plugins: Path) -> Iterator[Apps]:
    directory = Path.cwd()
    umask = os.umask(0)
    os.umask(umask)
    yield Apps(plugins)
    os.chdir(directory)
    os.umask(umask)


def pid_of(core: Core, name: str = "spy") -> int:
    pid = core.get_plugin_info(name).pid
    assert pid is not None
    return pid


def test_a_load_takes_one_and_another_takes_its_place(apps: Apps) -> None:
    with apps.core(2) as core:
        warm = apps.wait_warm(2)
        assert core.get_loaded_plugins() == ["capability_module", "core_manager"]
        assert len(core.get_module_stats()) == 2
        assert core.load_plugin("spy").call("evaluate", "6 * 7") == 42
        assert pid_of(core) in warm
        left = warm - {pid_of(core)}
        assert apps.wait_warm(2) > left
    assert not any(map(is_alive, warm))


def test_none_by_default(apps: Apps) -> None:
    with apps.core(Core.__init__.__kwdefaults__["warm_hosts"]) as core:
        core.load_plugin("spy")
        assert not apps.warm()
        assert not [thread for thread in threading.enumerate() if thread.name == "logos-warm"]


@pytest.mark.parametrize("wrong", [-1, 1.0, True, "2", None])
def test_the_number_is_checked(wrong: Any) -> None:
    with pytest.raises(ValueError, match="warm_hosts is a whole number of at least 0"):
        Core(warm_hosts=wrong)


def test_one_that_is_still_on_its_way_is_taken(apps: Apps) -> None:
    with apps.core() as core:
        wait_until(lambda: apps.warm(), what="a warm host's process")
        core.load_plugin("spy")
        assert core.get_client("spy").call("evaluate", "os.getpid()") == pid_of(core)


def test_it_sees_what_a_fresh_one_would_see(apps: Apps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGOS_TEST_OLD", "old")
    monkeypatch.setenv("LOGOS_TEST_GONE", "gone")
    (tmp_path / "late").mkdir()
    with apps.core() as core, apps.core(0) as cold:
        warm = apps.wait_warm()
        monkeypatch.setenv("LOGOS_TEST_OLD", "new")
        monkeypatch.setenv("LOGOS_TEST_NEW", "ä\udcff")
        monkeypatch.delenv("LOGOS_TEST_GONE")
        monkeypatch.syspath_prepend(str(tmp_path / "late"))
        monkeypatch.chdir(tmp_path)
        (tmp_path / "late" / "latecomer.py").write_text("VALUE = 5", encoding="utf-8")
        one, other = core.load_plugin("spy"), cold.load_plugin("spy")
        assert pid_of(core) in warm
        seen = one.call("see")
        assert seen == other.call("see")
        assert seen["environment"]["LOGOS_TEST_OLD"] == "new"
        assert "LOGOS_TEST_GONE" not in seen["environment"]
        assert seen["directory"] == str(tmp_path)
        assert seen["leads a session"]
        assert one.call("evaluate", "__import__('latecomer').VALUE") == 5
        assert one.call("evaluate", "os.popen('echo $LOGOS_TEST_OLD').read()") == "new\n"


def lower_core_limit(_: pytest.MonkeyPatch) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    changed = (1 << 22) if soft != 1 << 22 else 1 << 21
    resource.setrlimit(resource.RLIMIT_STACK, (changed, hard))


FIXED = {
    "a variable that the interpreter reads at its start": lambda patch: patch.setenv("PYTHONOPTIMIZE", "1"),
    "the zone of its clocks": lambda patch: patch.setenv("TZ", "Asia/Tokyo"),
    "rights of new files": lambda _: os.umask(0o027),
    "a limit": lower_core_limit,
}


@pytest.mark.parametrize("change", FIXED.values(), ids=FIXED.keys())
def test_what_a_running_process_cannot_be_given_takes_a_fresh_one(
    apps: Apps, monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    stack = resource.getrlimit(resource.RLIMIT_STACK)
    try:
        with apps.core() as core, apps.core(0) as cold:
            warm = apps.wait_warm()
            change(monkeypatch)
            core.load_plugin("spy")
            assert pid_of(core) not in warm
            assert core.get_client("spy").call("see") == cold.load_plugin("spy").call("see")
            apps.wait_warm(without=warm)  # the one that nobody can use any more has gone
    finally:
        resource.setrlimit(resource.RLIMIT_STACK, stack)


def test_another_stdout_takes_a_fresh_one(apps: Apps, capfd: pytest.CaptureFixture[str]) -> None:
    with apps.core() as core:
        warm = apps.wait_warm()
        with capfd.disabled():
            core.load_plugin("spy")
            there = str(Path("/proc/self/fd/1").readlink())
        assert pid_of(core) not in warm
        assert core.get_client("spy").call("see")["stdout"] == there


def test_limits_hold(apps: Apps) -> None:
    limits = {"open_files": 200, "cpu_time": 50, "core_size": 0, "nice": 3, "address_space": 1 << 30}
    with apps.core(limits={"spy": limits}) as core, apps.core(0, limits={"spy": limits}) as cold:
        warm = apps.wait_warm()
        seen = core.load_plugin("spy").call("see")
        assert pid_of(core) in warm
        assert seen == cold.load_plugin("spy").call("see")
        assert seen["limits"]["RLIMIT_NOFILE"] == [200, 200]
        assert seen["niceness"] == os.getpriority(os.PRIO_PROCESS, 0) + 3


def test_a_limit_that_is_too_low_fails_the_load_by_its_name(apps: Apps) -> None:
    with apps.core(limits={"spy": {"address_space": 1 << 20}}) as core:
        warm = apps.wait_warm()
        with pytest.raises(ModuleLoadError, match="address_space"):
            core.load_plugin("spy")
        assert apps.wait_warm(without=warm)


def test_an_interpreter_of_its_own_is_a_fresh_one(apps: Apps, monkeypatch: pytest.MonkeyPatch) -> None:
    write_module(apps.plugins, "foreign", SPY, interpreter=sys.executable)
    with apps.core() as core:
        warm = apps.wait_warm()
        core.load_plugin("foreign")
        assert pid_of(core, "foreign") not in warm
        monkeypatch.setenv("LOGOS_HOST_PATH", sys.executable)
        core.load_plugin("spy")
        assert pid_of(core) not in warm
        assert apps.wait_warm() == warm


def test_a_class_of_the_app_gets_one(apps: Apps) -> None:
    class Ours(PluginInterface):
        @invokable
        def pid(self) -> int:
            return os.getpid()

    with apps.core() as core:
        warm = apps.wait_warm()
        assert core.load_plugin(Ours).call("pid") in warm


def test_reloads_and_restarts_take_them_too(apps: Apps) -> None:
    write_module(apps.plugins, "phoenix", SPY, restart="always")
    with apps.core() as core:
        warm = apps.wait_warm()
        client = core.load_plugin("phoenix")
        assert pid_of(core, "phoenix") in warm
        warm = apps.wait_warm()
        core.reload_plugin("phoenix")
        assert pid_of(core, "phoenix") in warm
        warm = apps.wait_warm()
        with core.api.get_client("core_manager").subscribe("module_restarted") as restarted:
            with pytest.raises(ModuleCrashedError, match="last words"):
                client.call("die")
            restarted.get(timeout=20)
        assert pid_of(core, "phoenix") in warm


def test_errors_of_a_load_and_stderr_are_the_module_s(apps: Apps) -> None:
    write_module(
        apps.plugins, "broken", "import sys; print('oh dear', file=sys.stderr, flush=True); raise OSError('broken')"
    )
    with apps.core() as core:
        warm = apps.wait_warm()
        with pytest.raises(ModuleLoadError, match=r"'broken' could not be loaded: OSError: broken[\s\S]*oh dear"):
            core.load_plugin("broken")
        apps.wait_warm(without=warm)


def test_one_that_dies_is_replaced(apps: Apps) -> None:
    with apps.core(2):
        warm = apps.wait_warm(2)
        victim = min(warm)
        os.kill(victim, signal.SIGKILL)
        again = apps.wait_warm(2, without={victim})
        assert len(warm & again) == 1


def test_those_that_keep_dying_are_given_up_and_loads_go_on(apps: Apps, caplog: pytest.LogCaptureFixture) -> None:
    with apps.core(restart_intensity=3, restart_period=3600) as core:
        seen: set[int] = set()
        for _ in range(3):
            warm = apps.wait_warm(without=seen)
            seen |= warm
            os.kill(min(warm), signal.SIGKILL)
        wait_until(lambda: "no more are started for now" in caplog.text, what="the warning")
        assert not apps.warm()
        core.load_plugin("spy")
        assert not apps.warm()
    assert [record.levelno for record in caplog.records if "warm hosts" in record.message] == [logging.WARNING]


def test_they_wait_without_waking(apps: Apps) -> None:
    def switches(pid: int) -> list[str]:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        return [line for line in status.splitlines() if "voluntary_ctxt" in line]

    with apps.core(2) as core:
        warm = apps.wait_warm(2)
        before = {pid: switches(pid) for pid in warm}
        core.load_plugin("spy")  # something to do, for a while, that is none of theirs
        left = min(warm - {pid_of(core)})
        assert switches(left) == before[left]


def test_cleanup_in_the_middle_of_starting_them(apps: Apps) -> None:
    for _ in range(3):
        with apps.core(8):
            pass  # conftest looks for what is left


APP = """
import os, sys, signal, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from logoscore import Core
core = Core(plugins_dir=sys.argv[1], entry_points=False, warm_hosts=2)
core.start()
print("started", flush=True)
if sys.argv[2] == "fork":
    child = os.fork()
    if child == 0:
        print(os.getpid(), flush=True)
        signal.pause()
signal.pause()
"""


@pytest.mark.parametrize("how", ["alone", "fork"])
def test_they_end_with_the_app_even_if_a_forked_child_lives_on(apps: Apps, tmp_path: Path, how: str) -> None:
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    app = subprocess.Popen([sys.executable, tmp_path / "app.py", apps.plugins, how], stdout=subprocess.PIPE, text=True)
    child = None
    try:
        assert app.stdout is not None
        assert app.stdout.readline() == "started\n"
        child = int(app.stdout.readline()) if how == "fork" else None
        hosts = wait_until(lambda: hosts if len(hosts := hosts_of(app.pid)) == 3 else None, timeout=60)
        app.kill()
        app.wait()
        wait_until(lambda: not any(map(is_running, hosts)), what="the end of the hosts")
    finally:
        app.kill()
        app.wait()
        if child is not None:
            os.kill(child, signal.SIGKILL)
        app.stdout.close()


def hosts_of(app: int) -> set[int]:
    """Its children that lead a session of their own: a forked child does not."""
    found = set()
    for pid in descendants():
        with contextlib.suppress(OSError):  # it ended while we looked
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(stat[1]) == app and os.getsid(pid) == pid:
                found.add(pid)
    return found
