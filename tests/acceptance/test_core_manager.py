"""The core manager as a module: the seed's list, from the app and from another module, in both spellings."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from helpers import is_alive, wait_until

from acceptance.support import MODULES, raises_remotely, write_module
from logoscore import Core
from logoscore.errors import (
    DependencyError,
    InvalidArgumentsError,
    LogosError,
    MetadataError,
    ModuleNotLoadedError,
    StateError,
    UnknownModuleError,
)

BUILTINS = ["capability_module", "core_manager"]
SNAKE = {
    "initialize": "initialize",
    "setPluginsDirectory": "set_plugins_directory",
    "start": "start",
    "cleanup": "cleanup",
    "getLoadedPlugins": "get_loaded_plugins",
    "getKnownPlugins": "get_known_plugins",
    "loadPlugin": "load_plugin",
    "unloadPlugin": "unload_plugin",
    "processPlugin": "process_plugin",
    "getPluginMethods": "get_plugin_methods",
}
Call = Callable[..., Any]


@pytest.fixture(params=["seed, app", "snake, app", "seed, module", "snake, module"])
def manager(core: Core, request: pytest.FixtureRequest) -> Call:
    """Calls a method of the core manager, by one of its names, from one of the places."""
    spelling, place = request.param.split(", ")
    relay = core.load_plugin("relay") if place == "module" else None

    def call(name: str, *args: Any) -> Any:
        name = name if spelling == "seed" else SNAKE[name]
        if relay is None:
            return core.get_client("core_manager").call(name, *args)
        return relay.call("call", "core_manager", name, list(args))

    return call


def method_name(method: Any) -> str:
    return method["name"] if isinstance(method, dict) else method.name


def test_loads_and_unloads(core: Core, manager: Call) -> None:
    assert "test_basic" not in manager("getLoadedPlugins")
    assert manager("loadPlugin", "test_basic")
    assert list(manager("getLoadedPlugins")) == core.get_loaded_plugins()
    assert "test_basic" in core.get_loaded_plugins()
    assert core.get_client("test_basic").call("return_int") == 42
    assert manager("loadPlugin", "test_basic")
    manager("unloadPlugin", "test_basic")
    assert "test_basic" not in core.get_loaded_plugins()
    assert "test_basic" not in manager("getLoadedPlugins")


def test_lists(core: Core, manager: Call) -> None:
    assert set(BUILTINS) <= set(manager("getLoadedPlugins"))
    assert list(manager("getKnownPlugins")) == core.get_known_plugins()


def test_introspects(core: Core, manager: Call) -> None:
    core.load_plugin("test_basic")
    names = {method_name(method) for method in manager("getPluginMethods", "test_basic")}
    assert names == {method.name for method in core.get_plugin_methods("test_basic")}
    assert "add_ints" in names
    own = {method_name(method) for method in manager("getPluginMethods", "core_manager")}
    assert {*SNAKE, *SNAKE.values()} <= own


def test_processes_a_module(core: Core, manager: Call, tmp_path: Path) -> None:
    folder = write_module(tmp_path, "elsewhere")
    assert manager("processPlugin", str(folder)) == "elsewhere"
    assert "elsewhere" in manager("getKnownPlugins")
    assert "elsewhere" not in manager("getLoadedPlugins")
    assert core.load_plugin("elsewhere").call("ping") == "elsewhere"


def test_start_again_changes_nothing(core: Core, manager: Call) -> None:
    before = core.get_loaded_plugins()
    manager("initialize", 0, [])
    manager("start")
    assert core.get_loaded_plugins() == before


def test_errors_arrive_as_their_own_class_in_the_app(core: Core, tmp_path: Path) -> None:
    manager = core.get_client("core_manager")
    with pytest.raises(UnknownModuleError, match="no_such_module") as caught:
        manager.call("loadPlugin", "no_such_module")
    assert caught.type is UnknownModuleError
    with pytest.raises(ModuleNotLoadedError, match="test_basic"):
        manager.call("unloadPlugin", "test_basic")
    with pytest.raises(DependencyError, match="not_there"):
        manager.call("loadPlugin", "needs_missing")
    with pytest.raises(StateError, match="start"):
        manager.call("setPluginsDirectory", str(tmp_path))
    with pytest.raises(MetadataError, match="nowhere"):
        manager.call("processPlugin", str(tmp_path / "nowhere"))
    with pytest.raises(InvalidArgumentsError, match="loadPlugin"):
        manager.call("loadPlugin")
    with pytest.raises(InvalidArgumentsError, match=r"args\[0\]"):
        manager.call("loadPlugin", 5)
    assert core.get_loaded_plugins() == BUILTINS


def test_errors_inside_a_module_are_the_same(core: Core) -> None:
    relay = core.load_plugin("relay")
    with raises_remotely("UnknownModuleError"):
        relay.call("call", "core_manager", "loadPlugin", ["no_such_module"])
    with raises_remotely("DependencyError"):
        relay.call("call", "core_manager", "loadPlugin", ["cycle_a"])
    assert relay.call("call", "core_manager", "getLoadedPlugins", []) == [*BUILTINS, "relay"]


def test_module_unloads_another_that_calls_nobody(core: Core) -> None:
    relay = core.load_plugin("relay")
    core.load_plugin("d_top")
    relay.call("call", "core_manager", "unloadPlugin", ["d_base"])
    assert core.get_loaded_plugins() == [*BUILTINS, "relay"]
    assert relay.call("call", "core_manager", "loadPlugin", ["d_top"])
    assert core.get_client("d_top").call("ping") == "d_top"


@pytest.mark.parametrize("name", BUILTINS)
def test_builtins_stay(core: Core, name: str) -> None:
    with pytest.raises(LogosError, match=name):
        core.unload_plugin(name)
    assert core.get_loaded_plugins() == BUILTINS
    assert core.load_plugin("test_basic").call("return_int") == 42


def test_cleanup_ends_everything() -> None:
    with Core(plugins_dir=MODULES, entry_points=False) as core:
        core.load_plugin("test_basic")
        pid = core.get_plugin_info("test_basic").pid
        # The reply may or may not make it out before its channel is gone.
        with suppress(LogosError):
            core.get_client("core_manager").call("cleanup")
        wait_until(lambda: not is_alive(pid), what="the end of the host")
        with pytest.raises(StateError):
            core.load_plugin("test_basic")
