"""Copies of buffers, large ones by ``_copy.c``: with huge pages and several threads, and without the GIL."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Final

__all__ = ["LARGE", "copy", "to_bytearray", "to_bytes"]

LARGE: Final = 4 << 20
"""Bytes from which on a copy is made so: one whole huge page (2 MiB) is in it, wherever it comes to lie."""
_PIECE: Final = 4 << 20  # bytes copied in one go without it: a third of a millisecond in which no other thread runs


@cache
def _compiled() -> ModuleType | None:
    try:
        from logoscore.transport import _copy
    except ImportError:  # it was installed without a C compiler
        return None
    return _copy


def to_bytes(view: memoryview) -> bytes:
    """A copy of a contiguous view. Raises MemoryError as ``bytes()`` does."""
    compiled = _compiled() if view.nbytes >= LARGE else None
    return bytes(view) if compiled is None else compiled.to_bytes(view)


def to_bytearray(view: memoryview) -> bytearray:
    """The same as a bytearray."""
    compiled = _compiled() if view.nbytes >= LARGE else None
    return bytearray(view) if compiled is None else compiled.to_bytearray(view)


def copy(target: memoryview, source: memoryview) -> None:
    """Fill ``target`` with ``source``, both of plain bytes; other threads get their turn meanwhile.

    Raises:
        ValueError: they differ in size.
    """
    if len(target) != len(source):
        raise ValueError(f"{len(source)} bytes do not fill {len(target)}")
    compiled = _compiled() if len(source) >= LARGE else None
    if compiled is not None:
        compiled.copy(target, source)
        return
    for place in range(0, len(source), _PIECE):
        target[place : place + _PIECE] = source[place : place + _PIECE]
