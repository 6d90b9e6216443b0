"""Writes modules and installs distributions, and reads what calls between modules report."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import pytest

from logoscore.errors import RemoteError

HERE = Path(__file__).parent
MODULES = HERE / "modules"
DIST = HERE / "dist"

_T = TypeVar("_T")

PING = """
from logoscore import PluginInterface, invokable

class Module(PluginInterface):
    @invokable
    def ping(self):
        return self.api.name
"""


def metadata_of(name: str, /, **keys: Any) -> dict[str, Any]:
    """The seed's eight fields, with ``keys`` over them."""
    return {
        "name": name,
        "version": "1.0.0",
        "description": "made by a test",
        "author": "logoscore",
        "type": "core",
        "dependencies": [],
        "capabilities": [],
        "include": [],
        **keys,
    }


def write_module(plugins: Path, name: str, source: str = PING, /, **keys: Any) -> Path:
    """A directory module; ``keys`` go into its metadata."""
    folder = plugins / name
    folder.mkdir()
    (folder / "metadata.json").write_text(json.dumps(metadata_of(name, **keys)), encoding="utf-8")
    (folder / f"{name}.py").write_text(source, encoding="utf-8")
    return folder


def install(project: Path, site: Path) -> None:
    """Put a project's packages and a ``.dist-info`` into ``site``, as pip would."""
    with (project / "pyproject.toml").open("rb") as stream:
        content = tomllib.load(stream)
    described = content["project"]
    for package in content["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        shutil.copytree(project / package, site / package, ignore=shutil.ignore_patterns("__pycache__"))
    write_dist_info(site, described["name"], described["version"], described["entry-points"]["logoscore.modules"])


def write_dist_info(site: Path, name: str, version: str, entry_points: dict[str, str]) -> None:
    """A hand-written ``.dist-info``; its RECORD lists all that is in ``site`` now."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    lines = [f"{key} = {value}" for key, value in entry_points.items()]
    (info / "entry_points.txt").write_text("[logoscore.modules]\n" + "\n".join(lines) + "\n", encoding="utf-8")
    (info / "INSTALLER").write_text("pip\n", encoding="utf-8")
    files = [each.relative_to(site) for each in site.rglob("*") if each.is_file()]
    files = [each for each in files if not each.parts[0].endswith(".dist-info") or each.parts[0] == info.name]
    record = [f"{each.as_posix()},," for each in files]
    (info / "RECORD").write_text("\n".join([*record, f"{info.name}/RECORD,,"]) + "\n", encoding="utf-8")


def take(source: Iterable[_T], count: int) -> list[_T]:
    """The next ``count`` items; waits for them."""
    return list(islice(iter(source), count))


@contextmanager
def raises_remotely(type_name: str) -> Iterator[pytest.ExceptionInfo[RemoteError]]:
    """The body must raise a RemoteError that stands for an exception of that class."""
    with pytest.raises(RemoteError) as caught:
        yield caught
    assert caught.value.type_name is not None
    assert caught.value.type_name.rpartition(".")[2] == type_name, str(caught.value)
