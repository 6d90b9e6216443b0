"""Modules on disk whose code must never run, and discovery over them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from logoscore.errors import MetadataError
from logoscore.plugins.discovery import create_plugin_manager, discover
from logoscore.plugins.spec import ModuleSpec

BOMB = "raise SystemExit('module code was executed by discovery')\n"


def write_module(directory: Path, name: str, code: str | None = BOMB, **keys: Any) -> Path:
    """A module's folder whose code must never run."""
    folder = directory / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metadata.json").write_text(json.dumps({"name": name, "version": "1.0.0"} | keys))
    if code is not None:
        (folder / f"{name}.py").write_text(code)
    return folder


def find(*directories: Path, entry_points: bool = False) -> tuple[dict[str, ModuleSpec], dict[str, MetadataError]]:
    modules, failures = discover(create_plugin_manager(), directories, entry_points)
    assert all(type(failure.error) is MetadataError for failure in failures)
    by_name = {failure.name: failure.error for failure in failures}
    assert len(by_name) == len(failures), "one failure per mistake"
    return modules, by_name


def named(name: str, **keys: Any) -> str:
    return json.dumps({"name": name, "version": "1.0.0"} | keys)
