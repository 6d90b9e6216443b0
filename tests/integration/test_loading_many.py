"""Many modules at once: side by side along the graph of their dependencies, all of them or none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from acceptance.support import PING, write_module
from helpers import descendants, wait_until

from logoscore import Core, DependencyError, ModuleLoadError, PluginInterface, UnknownModuleError, invokable

#: Its init_logos is over when as many have come as ``{count}`` says: only side by side.
MEETING = """
import os, pathlib, threading
from logoscore import PluginInterface

class Meeting(PluginInterface):
    def init_logos(self, api):
        place = pathlib.Path({place!r})
        (place / api.name).touch()
        while len(list(place.iterdir())) < {count}:
            threading.Event().wait(0.01)
"""

HANGS = """
import threading
from logoscore import PluginInterface

class Hangs(PluginInterface):
    def init_logos(self, api):
        open({begun!r}, "w").close()
        threading.Event().wait()
"""

FAILS = """
import os, threading
from logoscore import PluginInterface

class Fails(PluginInterface):
    def init_logos(self, api):
        while not os.path.exists({begun!r}):
            threading.Event().wait(0.01)
        raise OSError("told to fail")
"""


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir()
    return folder


def meeting(plugins: Path, count: int, **dependencies: list[str]) -> None:
    place = plugins.parent / "meeting"
    place.mkdir()
    for name, needed in dependencies.items():
        write_module(plugins, name, MEETING.format(place=str(place), count=count), dependencies=needed)


def test_independent_modules_come_up_side_by_side(plugins: Path) -> None:
    meeting(plugins, 3, one=[], two=[], three=[])
    with Core(plugins_dir=plugins, entry_points=False) as core:
        clients = core.load_plugins(["three", "one", "two", "one"])
        assert [client.name for client in clients] == ["three", "one", "two", "one"]
        assert {"one", "two", "three"} <= set(core.get_loaded_plugins())


def test_so_do_the_dependencies_of_one(plugins: Path) -> None:
    meeting(plugins, 2, left=["base"], right=["base"])
    write_module(plugins, "base")
    write_module(plugins, "top", dependencies=["left", "right"])
    with Core(plugins_dir=plugins, entry_points=False) as core:
        core.load_plugin("top")
        times = {name: core.get_plugin_info(name).loaded_at or 0 for name in ("base", "left", "right", "top")}
    assert times["base"] < min(times["left"], times["right"])
    assert max(times["left"], times["right"]) < times["top"]


def test_more_modules_than_come_up_at_once(plugins: Path) -> None:
    names = [f"m{number}" for number in range(5 * (os.cpu_count() or 1) + 5)]
    for number, name in enumerate(names):
        write_module(plugins, name, PING, dependencies=[names[number // 2]] if number > 1 else [])
    with Core(plugins_dir=plugins, entry_points=False, warm_hosts=2) as core:
        for client in core.load_plugins(reversed(names)):
            assert client.call("ping") == client.name


@pytest.mark.parametrize("through", ["load_plugins", "load_plugin"])
def test_one_that_fails_takes_all_back_at_once(plugins: Path, through: str) -> None:
    begun = str(plugins.parent / "begun")
    write_module(plugins, "before")
    write_module(plugins, "hangs", HANGS.format(begun=begun), dependencies=["before"])
    write_module(plugins, "fails", FAILS.format(begun=begun), dependencies=["before"])
    write_module(plugins, "top", dependencies=["hangs", "fails"])
    write_module(plugins, "stays")
    with Core(plugins_dir=plugins, entry_points=False) as core:
        core.load_plugin("stays")
        hosts = set(descendants())
        with pytest.raises(ModuleLoadError, match="told to fail") as caught:
            core.load_plugin("top") if through == "load_plugin" else core.load_plugins(["stays", "hangs", "fails"])
        assert caught.value.module == "fails"
        assert ("because of its dependency" in str(caught.value)) == (through == "load_plugin")
        assert core.get_loaded_plugins() == ["capability_module", "core_manager", "stays"]
        wait_until(lambda: set(descendants()) == hosts, what="the end of what was taken back")


def test_another_s_load_is_not_called_off(plugins: Path) -> None:
    """Two chains share a dependency: when the one that waits for it fails, the other goes on loading it."""
    from concurrent.futures import ThreadPoolExecutor

    begun, gate = str(plugins.parent / "begun"), str(plugins.parent / "gate")
    slow = FAILS.format(begun=gate).replace('raise OSError("told to fail")', "pass")
    write_module(plugins, "slow", slow.replace("while not", f'open({begun!r}, "w").close()\n        while not'))
    failed = f'open({begun + ".failed"!r}, "w").close()'
    write_module(plugins, "fails", FAILS.format(begun=begun).replace("raise", f"{failed}\n        raise"))
    with Core(plugins_dir=plugins, entry_points=False) as core, ThreadPoolExecutor() as pool:
        first = pool.submit(core.load_plugin, "slow")
        wait_until(lambda: os.path.exists(begun), what="the beginning of slow")  # noqa: PTH110
        second = pool.submit(core.load_plugins, ["slow", "fails"])
        wait_until(lambda: os.path.exists(begun + ".failed") and core.get_plugin_info("fails").state == "known")  # noqa: PTH110
        open(gate, "w").close()  # noqa: PTH123
        assert first.result(20).name == "slow"
        with pytest.raises(ModuleLoadError, match="told to fail"):
            second.result(20)
        assert "slow" in core.get_loaded_plugins()


def test_classes_are_loaded_with_names(plugins: Path) -> None:
    class Ours(PluginInterface):
        @invokable
        def ping(self) -> str:
            return "ours"

    write_module(plugins, "theirs", PING)
    with Core(plugins_dir=plugins, entry_points=False) as core:
        ours, theirs = core.load_plugins((Ours, "theirs"))
        assert (ours.call("ping"), theirs.call("ping")) == ("ours", "theirs")
        assert core.load_plugins([]) == []


def test_what_cannot_be_loaded_is_said_before_anything_is(plugins: Path) -> None:
    write_module(plugins, "fine")
    write_module(plugins, "needy", dependencies=["fine"])
    with Core(plugins_dir=plugins, entry_points=False) as core:
        with pytest.raises(UnknownModuleError, match="nowhere"):
            core.load_plugins(["fine", "nowhere"])
        with pytest.raises(DependencyError, match="'needy' depends on 'fine'"):
            core.load_plugins(["needy"], with_dependencies=False)
        with pytest.raises(TypeError, match="load_plugin takes one"):
            core.load_plugins("fine")
        with pytest.raises(TypeError, match="load_plugins takes names"):
            core.load_plugins([1])  # type: ignore[list-item]
        assert core.get_loaded_plugins() == ["capability_module", "core_manager"]
        core.load_plugins(["needy", "fine"], with_dependencies=False)
        assert {"fine", "needy"} < set(core.get_loaded_plugins())
