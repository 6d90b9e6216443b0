"""Fixtures for tests of single parts."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture
def hectic() -> Iterator[None]:
    """Threads take turns after every few instructions."""
    former = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(former)
