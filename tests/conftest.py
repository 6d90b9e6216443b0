"""Every test leaves the process as it found it: no process, thread, descriptor or shared memory more than before.

The check runs after each test function. Where a file shares one Core among its tests, through a module-scoped fixture
named ``shared_core``, it runs at the end of the file instead.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from multiprocessing import resource_tracker
from pathlib import Path

import pytest
from helpers import Holdings

import logoscore

SHARED = "shared_core"
sys.path.append(str(Path(__file__).parents[1]))  # the benchmarks are not installed; logoscore is, and comes first


def pytest_report_header() -> str:
    return f"logoscore of {Path(logoscore.__file__).parent}"


@pytest.fixture(scope="session", autouse=True)
def _standard_library_helpers() -> None:
    # The spawn context starts its resource tracker once and keeps it until the interpreter ends: not ours to reap.
    resource_tracker.ensure_running()


@pytest.fixture(scope="module", autouse=True)
def _file_leaves_nothing(_standard_library_helpers: None) -> Iterator[None]:
    before = Holdings.now()
    yield
    before.assert_nothing_left()


@pytest.fixture(autouse=True)
def _test_leaves_nothing(request: pytest.FixtureRequest) -> Iterator[None]:
    if SHARED in request.fixturenames:
        yield
        return
    before = Holdings.now()
    yield
    before.assert_nothing_left()
