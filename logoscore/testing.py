"""For tests of apps and modules: a pytest plugin (installed with logoscore), and a mock mode without processes.

Fixtures:

``logos_core``
    a started Core, ended after the test. Mark the test with ``@pytest.mark.logos_core(plugins_dir=...)`` to pass
    arguments to ``Core``.
``logos_leak_check``
    fails the test if it leaves a process, a thread or a descriptor behind.
``logos_mock``
    a :class:`MockPlatform` for testing one module's class in this process::

        def test_greeting(logos_mock):
            logos_mock.when("storage", "get").then_return("Ada")
            greeter = logos_mock.start(Greeter)
            assert greeter.greet() == "Hello, Ada"
            assert logos_mock.calls == [("storage", "get", ("name",))]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from logoscore.core import Core
    from logoscore.mocking import MockPlatform, Stub

__all__ = ["logos_core", "logos_leak_check", "logos_mock", "when"]


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "logos_core(**arguments): arguments of Core for the logos_core fixture")


@pytest.fixture
def logos_core(request: pytest.FixtureRequest) -> Iterator[Core]:
    """A started Core of the test's own."""
    from logoscore.core import Core

    marker = request.node.get_closest_marker("logos_core")
    with Core(**(marker.kwargs if marker is not None else {})) as core:
        yield core


@pytest.fixture
def logos_leak_check() -> Iterator[None]:
    """Nothing may be left behind by the test."""
    from logoscore.leaks import Holdings

    before = Holdings.now()
    yield
    before.assert_nothing_left()


@pytest.fixture
def logos_mock() -> Iterator[MockPlatform]:
    """Mock mode for the length of the test; :func:`when` acts on it."""
    from logoscore.mocking import MockPlatform

    with MockPlatform() as platform:
        yield platform


def when(module: str, method: str) -> Stub:
    """``when("module", "method").then_return(value)``: say what a call gives in mock mode.

    Raises:
        StateError: mock mode is not on (no ``logos_mock`` fixture, no ``with MockPlatform()``).
    """
    from logoscore.mocking import MockPlatform

    return MockPlatform.active().when(module, method)
