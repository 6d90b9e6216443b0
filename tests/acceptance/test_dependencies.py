"""Order of loading and unloading, and dependencies that cannot be met."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers import descendants, is_alive, wait_until

from acceptance.support import write_module
from logoscore import Core
from logoscore.errors import DependencyError, ModuleLoadError, ModuleNotLoadedError, StateError, UnknownModuleError

DIAMOND = ["d_base", "d_left", "d_right", "d_top"]
BUILTINS = {"core_manager", "capability_module"}
RAISES = """
from logoscore import PluginInterface

class Module(PluginInterface):
    def init_logos(self, api):
        raise RuntimeError("init exploded")
"""


@contextmanager
def deaths_of(pids: dict[str, int]) -> Iterator[list[str]]:
    """The names in the order in which their processes end, watched while the body runs.

    What ends between two looks counts as ended in the order of ``pids``: a tie is no proof of a wrong order.
    """
    order: list[str] = []
    over = threading.Event()

    def watch() -> None:
        waiting = dict(pids)
        while waiting and not over.wait(0.0005):
            for name in [name for name, pid in waiting.items() if not is_alive(pid)]:
                order.append(name)
                del waiting[name]

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield order
        wait_until(lambda: len(order) == len(pids), what=f"the end of all of {sorted(pids)}")
    finally:
        over.set()
        watcher.join()


def test_diamond_is_loaded_bottom_up_and_once(core: Core) -> None:
    top = core.load_plugin("d_top")
    assert top.call("ping") == "d_top"
    assert [core.get_client(name).call("ping") for name in DIAMOND] == DIAMOND
    assert set(core.get_loaded_plugins()) == {*DIAMOND, *BUILTINS}
    loaded_at = {name: core.get_plugin_info(name).loaded_at for name in DIAMOND}
    assert loaded_at["d_base"] <= min(loaded_at["d_left"], loaded_at["d_right"])
    assert max(loaded_at["d_left"], loaded_at["d_right"]) <= loaded_at["d_top"]
    assert sorted(core.get_plugin_info("d_base").dependents) == ["d_left", "d_right"]
    assert sorted(map(str, core.get_plugin_info("d_top").dependencies)) == ["d_left", "d_right"]


def test_loading_what_is_loaded_is_fine(core: Core) -> None:
    first = core.load_plugin("d_left")
    pids = {name: core.get_plugin_info(name).pid for name in ("d_left", "d_base")}
    second = core.load_plugin("d_left")
    assert first.call("ping") == second.call("ping") == "d_left"
    core.load_plugin("d_top")
    assert {name: core.get_plugin_info(name).pid for name in pids} == pids


def test_unloading_takes_dependents_first(core: Core) -> None:
    core.load_plugin("d_top")
    core.load_plugin("test_basic")
    pids = {name: core.get_plugin_info(name).pid for name in reversed(DIAMOND)}
    with deaths_of(pids) as order:
        core.unload_plugin("d_base")
    assert order[0] == "d_top"
    assert order[-1] == "d_base"
    assert set(core.get_loaded_plugins()) == {"test_basic", *BUILTINS}
    assert set(DIAMOND) <= set(core.get_known_plugins())
    with pytest.raises(ModuleNotLoadedError, match="d_top"):
        core.get_client("d_top").call("ping")
    assert core.load_plugin("d_top").call("ping") == "d_top"


def test_unloading_a_side_leaves_the_rest(core: Core) -> None:
    core.load_plugin("d_top")
    base = core.get_plugin_info("d_base").pid
    core.unload_plugin("d_left")
    assert set(core.get_loaded_plugins()) == {"d_base", "d_right", *BUILTINS}
    assert core.get_plugin_info("d_base").pid == base
    assert core.get_client("d_right").call("ping") == "d_right"


def test_cleanup_unloads_dependents_first(core: Core) -> None:
    core.load_plugin("d_top")
    pids = {name: core.get_plugin_info(name).pid for name in reversed(DIAMOND)}
    with deaths_of(pids) as order:
        core.cleanup()
    assert order.index("d_top") < order.index("d_base")


def test_without_dependencies(core: Core) -> None:
    with pytest.raises(DependencyError, match="d_base"):
        core.load_plugin("d_left", with_dependencies=False)
    assert set(core.get_loaded_plugins()) == BUILTINS
    core.load_plugin("d_base")
    assert core.load_plugin("d_left", with_dependencies=False).call("ping") == "d_left"


def test_without_dependents(core: Core) -> None:
    core.load_plugin("d_left")
    with pytest.raises((DependencyError, StateError), match="d_left"):
        core.unload_plugin("d_base", with_dependents=False)
    assert {"d_left", "d_base"} <= set(core.get_loaded_plugins())
    core.unload_plugin("d_left", with_dependents=False)
    core.unload_plugin("d_base", with_dependents=False)
    assert set(core.get_loaded_plugins()) == BUILTINS


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cycle_a", ["cycle", "cycle_a", "cycle_b"]),
        ("cycle_b", ["cycle", "cycle_a", "cycle_b"]),
        ("needs_missing", ["needs_missing", "not_there"]),
        ("needs_itself", ["needs_itself", "cycle"]),
        ("needs_newer_index", ["needs_newer_index", "index", ">=2", "1.4.0"]),
    ],
)
def test_dependencies_that_cannot_be_met(core: Core, name: str, words: list[str]) -> None:
    with pytest.raises(DependencyError) as caught:
        core.load_plugin(name)
    for word in words:
        assert word in str(caught.value)
    assert set(core.get_loaded_plugins()) == BUILTINS
    assert name in core.get_known_plugins()
    assert core.load_plugin("needs_index").call("ping") == "needs_index"
    assert "index" in core.get_loaded_plugins()


@pytest.mark.parametrize("wanted", ["broken", "claimed"])
def test_a_dependency_that_discovery_refused_says_why(plugins: Path, wanted: str) -> None:
    write_module(plugins, "needs", dependencies=[wanted])
    write_module(plugins, "folder", name="claimed")
    (write_module(plugins, "broken") / "metadata.json").write_text('{"name": "broken",}', encoding="utf-8")
    with Core(plugins_dir=plugins, entry_points=False) as core:
        errors = {failure.name: failure.error for failure in core.get_discovery_failures()}
        error = errors["broken" if wanted == "broken" else "folder"]
        with pytest.raises(DependencyError) as caught:
            core.load_plugin("needs")
        assert f"needs needs {wanted}; {wanted} cannot be used: {error}" in str(caught.value)
        assert caught.value.__cause__ is error


def test_version_is_checked_of_what_is_loaded_already(core: Core) -> None:
    core.load_plugin("index")
    with pytest.raises(DependencyError, match="index"):
        core.load_plugin("needs_newer_index")
    assert core.get_client("index").call("ping") == "index"


def test_failed_dependency_rolls_back_what_this_call_loaded(plugins: Path) -> None:
    write_module(plugins, "before")
    write_module(plugins, "good", dependencies=["before"])
    write_module(plugins, "bad", RAISES)
    write_module(plugins, "top", dependencies=["good", "bad"])
    with Core(plugins_dir=plugins, entry_points=False) as core:
        core.load_plugin("before")
        before = len(descendants())
        pid = core.get_plugin_info("before").pid
        with pytest.raises((ModuleLoadError, DependencyError), match="bad") as caught:
            core.load_plugin("top")
        assert "init exploded" in str(caught.value)
        assert set(core.get_loaded_plugins()) == {"before", *BUILTINS}
        assert core.get_plugin_info("before").pid == pid
        wait_until(lambda: len(descendants()) <= before, what="the end of what was rolled back")
        assert core.load_plugin("good").call("ping") == "good"


def test_unloading_what_is_not_there(core: Core) -> None:
    with pytest.raises(UnknownModuleError, match="no_such_module") as caught:
        core.unload_plugin("no_such_module")
    assert caught.type is UnknownModuleError
    with pytest.raises(ModuleNotLoadedError, match="d_base"):
        core.unload_plugin("d_base")
    with pytest.raises(UnknownModuleError, match="no_such_module"):
        core.reload_plugin("no_such_module")


def test_reload_brings_dependents_back(core: Core) -> None:
    core.load_plugin("d_top")
    pids = {name: core.get_plugin_info(name).pid for name in DIAMOND}
    left = core.get_client("d_left")
    core.reload_plugin("d_base")
    assert core.get_client("d_base").call("ping") == "d_base"
    assert core.get_plugin_info("d_base").pid != pids["d_base"]
    assert left.call("ping") == "d_left"
    assert set(DIAMOND) <= set(core.get_loaded_plugins())


def test_the_seeds_own_example_of_metadata_loads(plugins: Path) -> None:
    """Its files for an installer are not there, and nobody misses them."""
    write_module(
        plugins,
        "module_name",
        version="1.0.0",
        description="Module description",
        author="Author name",
        type="core",
        dependencies=["required_module_name"],
        capabilities=["capability_provided"],
        include=["external_lib.so", "resources/"],
    )
    write_module(plugins, "required_module_name")
    with Core(plugins_dir=plugins, entry_points=False) as core:
        assert core.load_plugin("module_name").call("ping") == "module_name"
        assert set(core.get_loaded_plugins()) >= {"module_name", "required_module_name"}
