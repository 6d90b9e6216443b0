"""Discovery through third-party hooks: added after our own, checked like our own, and none can break another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pluggy
import pytest
from discovery_support import write_module

from logoscore.errors import MetadataError
from logoscore.metadata import Metadata
from logoscore.plugins.discovery import create_plugin_manager, discover
from logoscore.plugins.hookspecs import hookimpl
from logoscore.plugins.spec import DiscoveryFailure, ModuleSpec

# --- hooks ------------------------------------------------------------------------------------------------------------


def manager(*plugins: object) -> pluggy.PluginManager:
    result = create_plugin_manager()
    for plugin in plugins:
        result.register(plugin, type(plugin).__name__)
    return result


def spec_of(name: str, path: Path, **fields: Any) -> ModuleSpec:
    return ModuleSpec(name, fields.pop("metadata", Metadata(name, "1.0.0")), fields.pop("source", "directory"), path)


class Remote:
    """Finds what it was made with."""

    def __init__(self, *results: Any) -> None:
        self.results = results
        self.asked: list[tuple[tuple[Path, ...], bool]] = []

    @hookimpl
    def logos_discover_modules(self, plugins_dirs: tuple[Path, ...], entry_points: bool) -> list[Any]:
        self.asked.append((plugins_dirs, entry_points))
        return list(self.results)


class Other(Remote):
    """Another one, to have two."""


class NastyError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even my text")


class Raises:
    @hookimpl
    def logos_discover_modules(self) -> list[Any]:
        raise NastyError


class RaisesLate:
    def __init__(self, first: ModuleSpec) -> None:
        self.first = first

    @hookimpl
    def logos_discover_modules(self) -> Iterator[Any]:
        yield self.first
        raise OSError("the network went away")


def test_a_third_partys_modules_are_added(tmp_path: Path) -> None:
    write_module(tmp_path, "chat")
    failure = DiscoveryFailure("b", tmp_path, MetadataError("b is bad", file="b"))
    remote = Remote(spec_of("a", tmp_path / "a"), failure)
    modules, failures = discover(manager(remote), [tmp_path], False)
    assert list(modules) == ["chat", "a"]
    assert failures == [failure]
    assert remote.asked == [((tmp_path,), False)]


def test_what_was_found_before_a_third_party_stays(tmp_path: Path) -> None:
    folder = write_module(tmp_path, "chat")
    modules, failures = discover(manager(Remote(spec_of("chat", tmp_path / "remote"))), [tmp_path], False)
    assert modules["chat"].path == folder
    assert failures[0].error.reason == f"duplicate name: also at {folder}, which is used"


def test_hooks_that_raise_harm_no_other(tmp_path: Path) -> None:
    write_module(tmp_path, "chat")
    early = spec_of("early", tmp_path / "early")
    pm = manager(Remote(spec_of("a", tmp_path / "a")), Raises(), RaisesLate(early), Other(spec_of("b", tmp_path / "b")))
    modules, failures = discover(pm, [tmp_path], False)
    assert set(modules) == {"chat", "a", "early", "b"}
    errors = {failure.name: (failure.path, type(failure.error), failure.error.reason) for failure in failures}
    assert set(errors) == {"Raises", "RaisesLate"}
    assert errors["RaisesLate"] == (
        None,
        MetadataError,
        "hook logos_discover_modules failed: OSError: the network went away",
    )
    assert "NastyError: <exception str() failed>" in str(errors["Raises"][2])


def test_a_hook_that_returns_something_else_is_one_failure(tmp_path: Path) -> None:
    pm = manager(Remote("chat", "index"), Other(spec_of("a", tmp_path)))
    modules, failures = discover(pm, [], False)
    assert list(modules) == ["a"]
    assert [(failure.name, failure.error.reason) for failure in failures] == [
        (
            "Remote",
            "hook logos_discover_modules failed: TypeError: neither a ModuleSpec nor a DiscoveryFailure: 'chat'",
        )
    ]


def test_a_third_partys_specs_are_checked_too(tmp_path: Path) -> None:
    wrong = spec_of("a", tmp_path / "a", metadata=Metadata("b", "1.0.0"))
    built_in = spec_of("capability_module", tmp_path / "own", source="builtin")
    modules, failures = discover(manager(Remote(spec_of("core_manager", tmp_path), wrong, built_in)), [], False)
    assert list(modules) == ["capability_module"]
    assert [(failure.name, failure.error.key, failure.error.reason) for failure in failures] == [
        ("core_manager", "name", "capability_module, core, core_manager are reserved for logoscore itself"),
        ("a", "name", "is 'b', but the module was found as 'a'"),
    ]


def test_specs_name_a_hook_that_no_plugin_may_misspell() -> None:
    class Misspelt:
        @hookimpl
        def logos_discover_moduls(self) -> None: ...

    with pytest.raises(pluggy.PluginValidationError, match="unknown hook 'logos_discover_moduls'"):
        manager(Misspelt()).check_pending()
