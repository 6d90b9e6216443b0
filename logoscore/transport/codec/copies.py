"""Bytes out of memory that the peer may still write to: a copy, made so that the system gives it huge pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

__all__ = ["HUGE", "to_bytes"]

HUGE: Final = 4 << 20
"""Bytes from which on huge pages pay: there is at least one whole one (2 MiB) wherever the bytes come to lie."""


@cache
def _compiled() -> Callable[[memoryview], bytes]:
    try:
        from logoscore.transport.codec._copy import to_bytes as compiled
    except ImportError:  # it was installed without a C compiler
        return bytes
    return compiled


def to_bytes(view: memoryview) -> bytes:
    """A copy of a contiguous view. Raises MemoryError as ``bytes()`` does."""
    return bytes(view) if view.nbytes < HUGE else _compiled()(view)
