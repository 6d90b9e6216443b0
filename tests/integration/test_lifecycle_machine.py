"""Any order of load, unload, reload, crash and call, against a model: a dependency and who needs it, and two others."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest
from acceptance.support import write_module
from helpers import Holdings, wait_until
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from integration.support import WORKER
from logoscore import Core, LogosAPIClient, Subscription
from logoscore.errors import DependencyError, ModuleCrashedError, ModuleNotLoadedError

DEPENDENCIES: dict[str, tuple[str, ...]] = {"base": (), "left": ("base",), "top": ("left", "base"), "alone": ()}
NAMES = st.sampled_from(sorted(DEPENDENCIES))
BUILTINS = {"capability_module", "core_manager"}


def needed_by(name: str) -> set[str]:
    """The module and all that it depends on."""
    return {name}.union(*(needed_by(each) for each in DEPENDENCIES[name]))


class Lifecycle(RuleBasedStateMachine):
    """``pids``: the model, who is loaded and in which process; ``crashed``: who ended by himself last."""

    plugins: Path

    @initialize()
    def begin(self) -> None:
        self.core = Core(plugins_dir=self.plugins, entry_points=False, unload_timeout=1.0)
        self.core.start()
        self.pids: dict[str, int] = {}
        self.crashed: set[str] = set()
        self.restarts = dict.fromkeys(DEPENDENCIES, 0)
        self.clients: dict[str, LogosAPIClient] = {name: self.core.get_client(name) for name in DEPENDENCIES}
        self.ears: dict[str, Subscription] = {name: each.subscribe("said") for name, each in self.clients.items()}
        self.said = 0

    def teardown(self) -> None:
        if hasattr(self, "core"):
            self.core.cleanup()

    # --- the model --------------------------------------------------------------------------------------------------

    def dependents(self, name: str) -> set[str]:
        """The loaded modules that must go before ``name`` does."""
        direct = {each for each in self.pids if name in DEPENDENCIES[each]}
        return direct.union(*(self.dependents(each) for each in direct))

    def now_loaded(self, names: set[str]) -> None:
        for name in names - set(self.pids):
            pid = self.core.get_plugin_info(name).pid
            assert pid is not None
            assert pid not in self.pids.values()
            self.pids[name] = pid
            if name in self.crashed:
                self.crashed.remove(name)
                self.restarts[name] += 1

    def now_unloaded(self, names: set[str]) -> None:
        for name in names:
            del self.pids[name]
            self.crashed.discard(name)

    def now_crashed(self, name: str) -> None:
        wait_until(lambda: name not in self.core.get_loaded_plugins(), what="the core noticing")
        with pytest.raises(ModuleCrashedError):
            self.ears[name].get(20)  # readers are told, once
        self.now_unloaded({name})
        self.crashed.add(name)

    # --- what happens -----------------------------------------------------------------------------------------------

    @rule(name=NAMES)
    def load(self, name: str) -> None:
        assert self.core.load_plugin(name) is self.clients[name]
        self.now_loaded(needed_by(name))

    @rule(name=NAMES)
    def load_alone(self, name: str) -> None:
        if name not in self.pids and set(DEPENDENCIES[name]) - set(self.pids):
            with pytest.raises(DependencyError):
                self.core.load_plugin(name, with_dependencies=False)
        else:
            self.core.load_plugin(name, with_dependencies=False)
            self.now_loaded({name})

    @rule(name=NAMES)
    def unload(self, name: str) -> None:
        if name not in self.pids:
            with pytest.raises(ModuleNotLoadedError, match=name):
                self.core.unload_plugin(name)
        else:
            gone = {name} | self.dependents(name)
            self.core.unload_plugin(name)
            self.now_unloaded(gone)

    @rule(name=NAMES)
    def unload_alone(self, name: str) -> None:
        if name in self.pids and self.dependents(name):
            with pytest.raises(DependencyError, match=name):
                self.core.unload_plugin(name, with_dependents=False)
        elif name in self.pids:
            self.core.unload_plugin(name, with_dependents=False)
            self.now_unloaded({name})

    @rule(name=NAMES)
    def reload(self, name: str) -> None:
        if name in self.crashed:
            self.load(name)  # there is nothing to unload
            return
        if name not in self.pids:
            with pytest.raises(ModuleNotLoadedError, match=name):
                self.core.reload_plugin(name)
            return
        gone = {name} | self.dependents(name)
        old = {each: self.pids[each] for each in gone}
        assert self.core.reload_plugin(name) is self.clients[name]
        self.now_unloaded(gone)
        for each in gone:
            self.restarts[each] += 1
            self.now_loaded(needed_by(each))
            assert self.pids[each] != old[each]

    @rule(name=NAMES)
    def crash(self, name: str) -> None:
        if name in self.pids:
            os.kill(self.pids[name], signal.SIGKILL)
            self.now_crashed(name)

    @rule(name=NAMES)
    def crash_in_a_call(self, name: str) -> None:
        if name in self.pids:
            with pytest.raises(ModuleCrashedError, match="exit code 7") as caught:
                self.clients[name].call("die")
            assert caught.value.pid == self.pids[name]
            self.now_crashed(name)

    @rule(name=NAMES, number=st.integers())
    def call(self, name: str, number: int) -> None:
        if name in self.pids:
            assert self.clients[name].call("echo", number) == number
            assert self.clients[name].call("pid") == self.pids[name]
        else:
            with pytest.raises(ModuleNotLoadedError, match="crashed" if name in self.crashed else name):
                self.clients[name].call("echo", number)

    @rule(name=NAMES)
    def hear(self, name: str) -> None:
        if name in self.pids:
            self.said += 1
            self.clients[name].call("say", str(self.said))
            assert self.ears[name].get(20).data == (str(self.said),)

    @rule(caller=NAMES, callee=NAMES)
    def call_between_modules(self, caller: str, callee: str) -> None:
        if {caller, callee} <= set(self.pids) and callee in DEPENDENCIES[caller]:
            assert self.clients[caller].call("call", callee, "pid") == self.pids[callee]

    @rule()
    def refresh(self) -> None:
        assert set(self.core.refresh_plugins()) == {*DEPENDENCIES, *BUILTINS}

    # --- what always holds ------------------------------------------------------------------------------------------

    @invariant()
    def agrees_with_the_model(self) -> None:
        if not hasattr(self, "core"):
            return
        assert set(self.core.get_loaded_plugins()) == {*self.pids, *BUILTINS}
        assert set(self.core.get_known_plugins()) == {*DEPENDENCIES, *BUILTINS}
        for name in DEPENDENCIES:
            info = self.core.get_plugin_info(name)
            state = "loaded" if name in self.pids else "crashed" if name in self.crashed else "known"
            assert (info.state, info.pid, info.restarts) == (state, self.pids.get(name), self.restarts[name])
            assert set(info.dependents) == {each for each in self.pids if name in DEPENDENCIES[each]}


@pytest.fixture
def quick_settings() -> settings:
    return settings(
        max_examples=6,
        stateful_step_count=14,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.timeout(400)  # some eighty lives, each with processes to start
def test_lifecycle(quick_settings: settings, capfd: pytest.CaptureFixture[str]) -> None:
    before = Holdings.now()
    with tempfile.TemporaryDirectory() as folder:
        for name, dependencies in DEPENDENCIES.items():
            write_module(Path(folder), name, WORKER, dependencies=list(dependencies))
        machine = type("Machine", (Lifecycle,), {"plugins": Path(folder)})
        run_state_machine_as_test(machine, settings=quick_settings)
    before.assert_nothing_left()
    capfd.readouterr()
