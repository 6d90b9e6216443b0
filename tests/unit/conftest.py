"""Fixtures for tests of single parts."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from interrupts import raising_alarm


@pytest.fixture
def hectic() -> Iterator[None]:
    """Threads take turns after every few instructions."""
    former = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(former)


@pytest.fixture
def alarm() -> Iterator[None]:
    """SIGALRM raises ``Interrupted``."""
    with raising_alarm():
        yield
