"""Loads that meet: from many threads, from init_logos, with a dependency in common that one of them gives up."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from acceptance.support import PING, write_module
from helpers import Holdings, wait_until

from integration.support import WORKER
from logoscore import Core
from logoscore.errors import DependencyError, LogosError, ModuleLoadError, StateError

#: Its init_logos writes ``begun``, waits for a word in the pipe ``gate``, and raises if that is ``fail``.
GATED = """
import os, sys
from logoscore import PluginInterface, invokable

class Gated(PluginInterface):
    def init_logos(self, api):
        self.api = api
        open(os.path.join(sys.path[0], "begun"), "a").close()
        with open(os.path.join(sys.path[0], "gate")) as gate:
            if gate.read() == "fail":
                raise OSError("told to fail")

    @invokable
    def ping(self):
        return self.api.name
"""

LOADER = """
from logoscore import PluginInterface, invokable

class Loader(PluginInterface):
    def init_logos(self, api):
        self.api = api
        manager = api.get_client("core_manager")
        self.seen = [manager.call("getLoadedPlugins"), manager.call("loadPlugin", "{other}")]
        self.answer = api.get_client("{other}").call("ping")

    @invokable
    def report(self):
        return [*self.seen, self.answer]
"""


class Gate:
    """Holds the init_logos of a gated module."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        os.mkfifo(folder / "gate")

    def wait(self) -> None:
        wait_until((self._folder / "begun").exists, what="the beginning of init_logos")

    def open(self, word: str) -> None:
        (self._folder / "gate").write_text(word, encoding="utf-8")


@pytest.fixture
def gate(plugins: Path) -> Gate:
    """``gated`` depends on ``shared``, and so does ``innocent``."""
    write_module(plugins, "shared")
    write_module(plugins, "innocent", WORKER, dependencies=["shared"])
    return Gate(write_module(plugins, "gated", GATED, dependencies=["shared"]))


def dependencies_are_there(core: Core) -> None:
    """Whoever is loaded has what it depends on, unless that crashed."""
    loaded = set(core.get_loaded_plugins())
    for name in loaded:
        missing = set(core.get_plugin_info(name).dependencies) - loaded
        assert not missing, f"{name} is loaded without {missing}"


def test_the_same_module_from_many_threads(plugins: Path) -> None:
    with Core(plugins_dir=plugins, entry_points=False) as core, ThreadPoolExecutor(8) as pool:
        clients = [each.result(40) for each in [pool.submit(core.load_plugin, "worker") for _ in range(8)]]
        assert len({client.call("pid") for client in clients}) == 1
        assert len(set(map(id, clients))) == 1


def test_different_modules_from_many_threads(plugins: Path) -> None:
    write_module(plugins, "base")
    names = [f"module{number}" for number in range(8)]
    for name in names:
        write_module(plugins, name, WORKER, dependencies=["base"])
    with Core(plugins_dir=plugins, entry_points=False) as core, ThreadPoolExecutor(8) as pool:
        clients = [each.result(40) for each in [pool.submit(core.load_plugin, name) for name in names]]
        assert len({client.call("pid") for client in clients}) == len(names)
        assert [client.call("call", "base", "ping") for client in clients] == ["base"] * len(names)
        for each in [pool.submit(core.unload_plugin, name) for name in names]:
            each.result(40)
        assert core.get_loaded_plugins() == ["base", "capability_module", "core_manager"]


def test_failure_is_told_to_all_who_wait(plugins: Path, gate: Gate) -> None:
    with Core(plugins_dir=plugins, entry_points=False) as core, ThreadPoolExecutor(4) as pool:
        first = pool.submit(core.load_plugin, "gated")
        gate.wait()
        gate.open("fail")
        with pytest.raises(ModuleLoadError, match="told to fail"):
            first.result(40)
        dependencies_are_there(core)
        assert core.get_loaded_plugins() == ["capability_module", "core_manager"]


def test_what_another_load_needs_is_not_rolled_back(plugins: Path, gate: Gate) -> None:
    """The failed load brought ``shared`` up; by then ``innocent`` depends on it."""
    with Core(plugins_dir=plugins, entry_points=False) as core, ThreadPoolExecutor(1) as pool:
        failing = pool.submit(core.load_plugin, "gated")
        gate.wait()
        innocent = core.load_plugin("innocent")
        assert innocent.call("call", "shared", "ping") == "shared"
        gate.open("fail")
        with pytest.raises(ModuleLoadError):
            failing.result(40)
        dependencies_are_there(core)
        assert innocent.call("call", "shared", "ping") == "shared"


def test_dependency_unloaded_while_its_dependent_comes_up(plugins: Path, gate: Gate) -> None:
    """Refused, or the dependent goes too: whichever it is, nobody is left without what it needs."""
    with Core(plugins_dir=plugins, entry_points=False) as core, ThreadPoolExecutor(2) as pool:
        coming = pool.submit(core.load_plugin, "gated")
        gate.wait()
        going: Future[None] = pool.submit(core.unload_plugin, "shared")
        wait_until(lambda: going.done() or core.get_plugin_info("shared").state != "loaded" or going.running())
        gate.open("go")
        for each in (coming, going):
            try:
                each.result(40)
            except LogosError:
                pass  # a refusal, in words
        dependencies_are_there(core)


def test_unload_of_a_module_that_comes_up(plugins: Path, gate: Gate) -> None:
    with Core(plugins_dir=plugins, entry_points=False) as core, ThreadPoolExecutor(1) as pool:
        coming = pool.submit(core.load_plugin, "gated")
        gate.wait()
        with pytest.raises(LogosError, match=r"gated.*is being loaded"):
            core.unload_plugin("gated")
        gate.open("go")
        assert coming.result(40).call("ping") == "gated"


def test_call_to_a_module_that_comes_up(plugins: Path, gate: Gate) -> None:
    """It is not loaded yet: whoever calls is told so at once, or waits and is answered."""
    with Core(plugins_dir=plugins, entry_points=False) as core, ThreadPoolExecutor(2) as pool:
        coming = pool.submit(core.load_plugin, "gated")
        gate.wait()
        early = pool.submit(core.get_client("gated").call, "ping")
        gate.open("go")
        assert coming.result(40).call("ping") == "gated"
        try:
            assert early.result(40) == "gated"
        except LogosError as error:
            assert "gated" in str(error)  # noqa: PT017 - either is right


def test_cleanup_while_a_module_comes_up(plugins: Path, gate: Gate) -> None:
    before = Holdings.now()
    core = Core(plugins_dir=plugins, entry_points=False)
    core.start()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(core.load_plugin, "gated")
        gate.wait()
        core.cleanup()
        with pytest.raises((ModuleLoadError, StateError)):
            coming.result(40)
    before.assert_nothing_left()


def test_cleanup_while_a_chain_comes_up(plugins: Path, gate: Gate) -> None:
    """There would be more to load after the one that is under way: nothing of it is, and the loader is told."""
    for name, below in (("two", "gated"), ("three", "two"), ("four", "three")):
        write_module(plugins, name, dependencies=[below])
    before = Holdings.now()
    core = Core(plugins_dir=plugins, entry_points=False)
    core.start()
    with ThreadPoolExecutor(2) as pool:
        coming = pool.submit(core.load_plugin, "four")
        gate.wait()
        ending = pool.submit(core.cleanup)
        ending.result(40)
        with pytest.raises((ModuleLoadError, StateError)):
            coming.result(40)
    before.assert_nothing_left()


@pytest.mark.parametrize("moment", range(8))
def test_cleanup_at_some_moment_of_many_loads(plugins: Path, moment: int) -> None:
    names = [f"module{number}" for number in range(6)]
    for below, name in zip(["worker", *names], names, strict=False):
        write_module(plugins, name, PING, dependencies=[below])
    before = Holdings.now()
    core = Core(plugins_dir=plugins, entry_points=False)
    core.start()
    with ThreadPoolExecutor(3) as pool:
        loads = [pool.submit(core.load_plugin, name) for name in ("module5", "module2", "module4")]
        wait_until(lambda: len(core.get_loaded_plugins()) >= 2 + moment % 4, what="some loads")
        core.cleanup()
        for each in loads:
            try:
                each.result(40)
            except LogosError:
                pass  # cut short, and told so
    before.assert_nothing_left()


def test_load_from_init(plugins: Path) -> None:
    write_module(plugins, "loader", LOADER.replace("{other}", "other"), calls=["other"])
    write_module(plugins, "other")
    with Core(plugins_dir=plugins, entry_points=False) as core:
        seen, loaded, answer = core.load_plugin("loader").call("report")
        assert "loader" not in seen
        assert (loaded, answer) == (True, "other")
        assert "other" in core.get_loaded_plugins()
        core.unload_plugin("loader")
        assert core.get_client("other").call("ping") == "other"


@pytest.mark.parametrize("other", ["loader", "waits_for_loader"])
def test_load_from_init_of_what_waits_for_it(plugins: Path, other: str) -> None:
    """A circle that metadata cannot show: an error with names in it, for everybody, in bounded time."""
    write_module(plugins, "loader", LOADER.replace("{other}", other), calls=[other])
    write_module(plugins, "waits_for_loader", dependencies=["loader"])
    with Core(plugins_dir=plugins, entry_points=False, load_timeout=4.0, default_timeout=3.0) as core:
        with pytest.raises(ModuleLoadError, match="loader"):
            core.load_plugin("loader")
        wait_until(lambda: core.get_loaded_plugins() == ["capability_module", "core_manager"], what="the rollback")


def test_two_modules_that_load_each_other(plugins: Path) -> None:
    for name, other in (("one", "two"), ("two", "one")):
        write_module(plugins, name, LOADER.replace("{other}", other), calls=[other])
    with (
        Core(plugins_dir=plugins, entry_points=False, load_timeout=4.0, default_timeout=3.0) as core,
        ThreadPoolExecutor(2) as pool,
    ):
        for each in [pool.submit(core.load_plugin, name) for name in ("one", "two")]:
            with pytest.raises((ModuleLoadError, DependencyError)):
                each.result(40)


def test_load_by_an_event_callback(plugins: Path) -> None:
    write_module(plugins, "other")
    answers: list[str] = []
    done = threading.Event()
    with Core(plugins_dir=plugins, entry_points=False) as core:
        worker = core.load_plugin("worker")

        def load(_: object) -> None:
            answers.append(core.load_plugin("other").call("ping"))
            done.set()

        worker.on_event("said", load)
        worker.call("say", "load it")
        assert done.wait(40)
    assert answers == ["other"]
