"""A Core over the sample modules: those in ``modules/`` and those of the distribution in ``dist/``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.support import DIST, MODULES, install
from logoscore import Core

# Sample modules are not tests, whatever their names (test_basic) look like.
collect_ignore = ["modules", "dist"]


@pytest.fixture(scope="package")
def _installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The distribution as pip would have installed it, on ``sys.path`` (which hosts inherit)."""
    site = tmp_path_factory.mktemp("site")
    install(DIST, site)
    sys.path.insert(0, str(site))
    importlib.invalidate_caches()
    yield
    sys.path.remove(str(site))
    for name in [name for name in sys.modules if name.partition(".")[0] == "logos_acceptance"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def shared_core(_installed: None) -> Iterator[Core]:
    """One Core for all tests of a file: for those that leave its modules as they found them."""
    with Core(plugins_dir=MODULES) as core:
        yield core


@pytest.fixture
def core(_installed: None) -> Iterator[Core]:
    """A Core of the test's own."""
    with Core(plugins_dir=MODULES) as core:
        yield core


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """An empty plugins directory, to be filled with ``support.write_module``."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    return folder
