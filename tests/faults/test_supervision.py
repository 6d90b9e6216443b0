"""Modules whose process ended by itself are restarted as their metadata says, and everybody is told."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from acceptance.support import write_module
from helpers import wait_until

from logoscore import Core
from logoscore.errors import LogosError, ModuleCrashedError, ModuleNotLoadedError
from logoscore.session.subscription import Subscription

WORKER = """
import os, signal, sys
from logoscore import PluginInterface, invokable

class Worker(PluginInterface):
    def init_logos(self, api):
        self.api = api
        if os.path.exists(os.path.join(os.path.dirname(__file__), "broken")):
            raise RuntimeError("broken")

    @invokable
    def pid(self):
        return os.getpid()

    @invokable
    def end(self, how):
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif how == "exit 0":
            os._exit(0)
        else:
            os._exit(3)

    @invokable
    def reach(self, module):
        return self.api.get_client(module).call("pid")

    @invokable
    def say(self, text):
        self.api.trigger("said", text)
"""


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def core(plugins: Path) -> Iterator[Core]:
    with Core(plugins_dir=plugins, entry_points=False, restart_backoff=0.01) as core:
        yield core


@pytest.fixture
def notices(core: Core) -> Iterator[Subscription]:
    with core.get_client("core_manager").subscribe() as subscription:
        yield subscription


def end(core: Core, name: str, how: str = "kill") -> None:
    with pytest.raises(ModuleCrashedError):
        core.get_client(name).call("end", how)


def heard(notices: Subscription, *names: str) -> list[dict[str, Any]]:
    """The next events, which must be these, of the module "worker"."""
    events = [notices.get(30) for _ in names]
    assert [(event.name, event.data[0]) for event in events] == [(name, "worker") for name in names]
    return [event.data[1] for event in events]


@pytest.mark.parametrize(
    ("policy", "how", "restarts"),
    [
        ("never", "kill", False),
        ("on-failure", "kill", True),
        ("on-failure", "exit 3", True),
        ("on-failure", "exit 0", False),
        ("always", "exit 0", True),
        ("always", "kill", True),
    ],
)
def test_policies(plugins: Path, core: Core, notices: Subscription, policy: str, how: str, restarts: bool) -> None:
    write_module(plugins, "worker", WORKER, restart=policy)
    core.refresh_plugins()
    worker = core.load_plugin("worker")
    pid = worker.call("pid")
    end(core, "worker", how)
    [report] = heard(notices, "module_crashed")
    assert report["pid"] == pid
    assert report["signal_name"] == ("SIGKILL" if how == "kill" else None)
    if restarts:
        [report] = heard(notices, "module_restarted")
        assert worker.call("pid") == report["pid"] != pid
        assert core.get_plugin_info("worker").restarts == 1
    else:
        assert core.get_plugin_info("worker").state == "crashed"
        with pytest.raises(ModuleNotLoadedError):
            worker.call("pid")
        assert core.load_plugin("worker").call("pid") != pid


def test_given_up_after_too_many(plugins: Path) -> None:
    write_module(plugins, "worker", WORKER, restart="on-failure")
    with (
        Core(plugins_dir=plugins, entry_points=False, restart_intensity=3, restart_backoff=0.01) as core,
        core.get_client("core_manager").subscribe() as notices,
    ):
        core.load_plugin("worker")
        for _ in range(3):
            end(core, "worker")
            heard(notices, "module_crashed", "module_restarted")
        end(core, "worker")
        report = heard(notices, "module_crashed", "module_gave_up")[1]
        assert "3 restarts" in report["reason"]
        assert core.get_plugin_info("worker").state == "gave_up"
        with pytest.raises(ModuleNotLoadedError, match="was given up after too many restarts"):
            core.get_client("worker").call("pid")
        core.load_plugin("worker").call("pid")  # by hand it can be loaded all the same
        core.unload_plugin("worker")


def test_a_restart_that_fails_is_tried_again_until_given_up(plugins: Path) -> None:
    folder = write_module(plugins, "worker", WORKER, restart="always")
    with (
        Core(plugins_dir=plugins, entry_points=False, restart_intensity=2, restart_backoff=0.01) as core,
        core.get_client("core_manager").subscribe() as notices,
    ):
        core.load_plugin("worker")
        (folder / "broken").touch()
        end(core, "worker")
        report = heard(notices, "module_crashed", "module_gave_up")[1]
        assert "RuntimeError: broken" in report["last_exit"]
        core.unload_plugin("worker")
        assert core.get_plugin_info("worker").state == "known"


def test_a_waiting_restart_is_called_off_by_an_unload(plugins: Path) -> None:
    write_module(plugins, "worker", WORKER, restart="always")
    with Core(plugins_dir=plugins, entry_points=False, restart_backoff=1000) as core:
        core.load_plugin("worker")
        end(core, "worker")
        wait_until(lambda: core.get_plugin_info("worker").restarts == 1, what="the first restart")
        end(core, "worker")
        wait_until(lambda: core.get_plugin_info("worker").state == "restarting", what="the pause")
        core.unload_plugin("worker")
        assert core.get_plugin_info("worker").state == "known"


def test_a_waiting_restart_is_brought_forward_by_a_load_and_ends_with_the_core(plugins: Path) -> None:
    write_module(plugins, "worker", WORKER, restart="always")
    with Core(plugins_dir=plugins, entry_points=False, restart_backoff=1000) as core:
        core.load_plugin("worker")
        end(core, "worker")
        wait_until(lambda: core.get_plugin_info("worker").restarts == 1, what="the first restart")
        end(core, "worker")
        wait_until(lambda: core.get_plugin_info("worker").state == "restarting", what="the pause")
        core.load_plugin("worker")
        assert core.get_plugin_info("worker").restarts == 2
        end(core, "worker")
        wait_until(lambda: core.get_plugin_info("worker").state == "restarting", what="the pause")


def test_an_unload_is_no_reason_for_a_restart(plugins: Path, core: Core, notices: Subscription) -> None:
    write_module(plugins, "worker", WORKER, restart="always")
    core.refresh_plugins()
    core.load_plugin("worker")
    core.unload_plugin("worker")
    core.load_plugin("worker")
    core.reload_plugin("worker")
    assert notices.pending == 0


def test_subscriptions_go_on_with_a_gap(plugins: Path, core: Core, notices: Subscription) -> None:
    write_module(plugins, "worker", WORKER, restart="on-failure")
    core.refresh_plugins()
    worker = core.load_plugin("worker")
    with worker.subscribe("said") as said:
        worker.call("say", "before")
        end(core, "worker")
        heard(notices, "module_crashed", "module_restarted")
        worker.call("say", "after")
        assert [(event.data[0], event.gap) for event in (said.get(20), said.get(20))] == [
            ("before", False),
            ("after", True),
        ]


def test_dependencies_come_first_and_dependents_stay(plugins: Path, core: Core) -> None:
    write_module(plugins, "base", WORKER, restart="on-failure")
    write_module(plugins, "user", WORKER, dependencies=["base"])
    core.refresh_plugins()
    user = core.load_plugin("user")
    pid, base_pid = user.call("pid"), core.get_plugin_info("base").pid
    end(core, "base")
    wait_until(lambda: core.get_plugin_info("base").restarts == 1, what="the restart")
    assert user.call("reach", "base") != base_pid
    assert user.call("pid") == pid


def test_both_end_and_both_come_back(plugins: Path, core: Core) -> None:
    write_module(plugins, "base", WORKER, restart="on-failure")
    write_module(plugins, "user", WORKER, dependencies=["base"], restart="on-failure")
    core.refresh_plugins()
    user = core.load_plugin("user")
    pids = [core.get_plugin_info(name).pid for name in ("base", "user")]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: all(core.get_plugin_info(name).restarts == 1 for name in ("base", "user")), what="both restarts")
    assert user.call("reach", "base") not in pids


def test_dependents_that_ask_for_it_are_restarted_too(plugins: Path, core: Core, notices: Subscription) -> None:
    write_module(plugins, "worker", WORKER, restart="on-failure")
    write_module(plugins, "user", WORKER, dependencies=["worker"], restart_with_dependencies=True)
    write_module(plugins, "top", WORKER, dependencies=["user"], restart_with_dependencies=True)
    core.refresh_plugins()
    core.load_plugin("top")
    before = {name: core.get_plugin_info(name).pid for name in ("worker", "user", "top")}
    end(core, "worker")
    heard(notices, "module_crashed", "module_restarted")
    wait_until(lambda: "top" in core.get_loaded_plugins(), what="the dependents' return")
    after = {name: core.get_plugin_info(name).pid for name in before}
    assert not set(before.values()) & set(after.values())
    assert core.get_client("top").call("reach", "user") == after["user"]


def test_the_capability_modules_death_is_survived(plugins: Path, core: Core) -> None:
    for name in ("one", "two", "three"):
        write_module(plugins, name, WORKER, calls=["one", "two", "three"])
    core.refresh_plugins()
    clients = [core.load_plugin(name) for name in ("one", "two", "three")]
    assert clients[0].call("reach", "two") == core.get_plugin_info("two").pid
    for _ in range(3):
        pid = core.get_plugin_info("capability_module").pid
        os.kill(pid, signal.SIGKILL)
        # What was granted goes on; what was not is asked for as soon as the capability module is back.
        assert clients[0].call("reach", "two") == core.get_plugin_info("two").pid
        assert clients[1].call("reach", "three") == core.get_plugin_info("three").pid
        core.unload_plugin("three")
        core.load_plugin("three")
        assert clients[2].call("reach", "one") == core.get_plugin_info("one").pid
        wait_until(lambda pid=pid: core.get_plugin_info("capability_module").pid not in {None, pid}, what="its return")
    with pytest.raises(LogosError):
        clients[0].call("reach", "core")
