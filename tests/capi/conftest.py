"""The library, built once, and the modules in the layouts that its clients look for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from integration.support import launch

from capi.support import HERE, build_library, compiler, nim, node_modules, required

__all__ = ["launch"]

# A machine without one of the tools leaves these out; scripts/setup_clients.sh, which `make test` runs, says which.
_NEEDS = {
    "test_c.py": compiler() is not None,
    "test_build.py": compiler() is not None,
    "test_valgrind.py": compiler() is not None and shutil.which("valgrind") is not None,
    "test_node.py": compiler() is not None and node_modules() is not None,
    "test_nim.py": compiler() is not None and nim() is not None,
}
collect_ignore = ["modules", *(file for file, there in _NEEDS.items() if not there and not required())]


@pytest.fixture(scope="package")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``lib``, ``include`` and ``bin``."""
    return build_library(tmp_path_factory.mktemp("capi"))


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """A plugins directory as clients of the seed's platform expect it: with placeholders for shared libraries."""
    folder = shutil.copytree(HERE / "modules", tmp_path / "modules", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("calc", "tally"):
        (folder / f"{name}_plugin.so").write_text("a placeholder\n", encoding="utf-8")
    return folder
