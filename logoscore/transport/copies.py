"""Copies of buffers, large ones by ``_copy.c``: with huge pages and several threads, and without the GIL.

Most of what a new large ``bytes`` costs is that its pages are fresh. :class:`Spares` therefore remembers those that it
handed out, and fills one again that nobody else has any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from types import ModuleType
from typing import Final

__all__ = ["LARGE", "LentBuffers", "Spares", "copy", "to_bytearray"]

LARGE: Final = 4 << 20
"""Bytes from which on a copy is made so: one whole huge page (2 MiB) is in it, wherever it comes to lie."""
_PIECE: Final = 4 << 20  # bytes copied in one go without it: a third of a millisecond in which no other thread runs
_MOST_SPARES: Final = 2  # who asks for the next while he still has the last one finds the one before that
_SPARE_BYTES: Final = 256 << 20  # of them together


@cache
def _compiled() -> ModuleType | None:
    try:
        from logoscore.transport import _copy
    except ImportError:  # it was installed without a C compiler
        return None
    return _copy


class Spares:
    """Makes ``bytes`` of buffers, and fills again those that it made itself and that nobody else has any more.

    It keeps the last two, of lengths that have come before, in as many bytes as :meth:`limit` allows (until then none)
    and 256 MiB at most; none where the process's memory is limited, where they would be missing. From any thread. What it
    keeps has one reference more than one might think, which is all that can be seen of it.
    """

    __slots__ = ("_kept", "_lengths", "_room")

    def __init__(self) -> None:
        self._kept: list[bytes] = []  # to nobody else, ever: a reference more, and one of them seems to be in use
        self._lengths = (0, 0)  # of the last two: what never comes again is nothing to keep
        self._room = 0

    def to_bytes(self, view: memoryview) -> bytes:
        """A copy of a contiguous view. Raises MemoryError as ``bytes()`` does."""
        compiled = _compiled() if view.nbytes >= LARGE else None
        if compiled is None:
            return bytes(view)
        try:
            made: bytes = compiled.to_bytes(view, self._kept)
        except MemoryError:
            self._kept.clear()
            made = compiled.to_bytes(view, self._kept)
        seen, self._lengths = self._lengths, (self._lengths[1], len(made))
        if len(made) in seen and len(made) <= self._room and not _limited():
            self._kept.append(made)
            self._trim()
        return made

    def limit(self, room: int) -> None:
        """Keep so many bytes at most from now on."""
        self._room = min(room, _SPARE_BYTES)
        self._trim()

    def _trim(self) -> None:
        # Another thread may do the same just now, or change the limit: whoever comes last looks at all of it.
        del self._kept[:-_MOST_SPARES]
        while sum(map(len, self._kept)) > self._room:
            del self._kept[:1]


def _limited() -> bool:
    import resource

    limits = (resource.getrlimit(which)[0] for which in (resource.RLIMIT_AS, resource.RLIMIT_DATA))
    return any(limit != resource.RLIM_INFINITY for limit in limits)


class LentBuffers(list[memoryview]):
    """The buffers of a message that has been lent memory, and what makes ``bytes`` of them."""

    def __init__(self, buffers: Iterable[memoryview], spares: Spares) -> None:
        super().__init__(buffers)
        self.spares = spares


def to_bytearray(view: memoryview) -> bytearray:
    """A copy of a contiguous view. Raises MemoryError as ``bytearray()`` does."""
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
