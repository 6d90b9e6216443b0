"""A single-producer, single-consumer ring of records over a piece of memory. Pure: no os, no threads, no clock.

    0        64       128      192                                  192 + capacity
    ┌────────┬────────┬────────┬──────────────────────────────────────┐
    │ write  │ read   │ writer │ data: records one after the other    │
    │ cursor │ cursor │ waits  │ [length u32 | flags u32 | payload …] │
    └────────┴────────┴────────┴──────────────────────────────────────┘

Rules:

* Cursors count bytes since the ring was made and never wrap (64 bits); a position is ``cursor & (capacity - 1)``.
* Each cursor has one owner, who keeps the true value privately and only *publishes* it here. What the other side
  published is read once, checked against what is possible, and only then used: a hostile peer can make its own ring
  fail with ProtocolViolationError and do nothing else.
* Records begin at multiples of 8, so a record's 8-byte header never wraps; a payload may, and is copied in two pieces.
* The reader copies a payload out before anybody looks at it, so it cannot change under a check.
* Each word lies on a cache line of its own, so that the two sides do not fight over one.
* The order in which the other side sees these stores is made by the semaphore that the channel posts after each
  record (see ``channel.py``); the ring itself only promises single stores of aligned 64-bit words.

Both ends are there twice: here, to be read, and for machines without a C compiler; and in ``_ring.c``, which is used
where it could be built, since writing and reading a record in Python takes a third of a whole call. The tests hold both
against one model, and each against the other in the same memory.
"""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Final

from logoscore.errors import ProtocolViolationError

__all__ = [
    "COMPILED",
    "FIRST",
    "HEADER_SIZE",
    "LENT",
    "MORE",
    "WRITE",
    "PureRingReader",
    "PureRingWriter",
    "RingReader",
    "RingWriter",
    "record_size",
    "ring_size",
]

HEADER_SIZE: Final = 192
# Indices into the ring's 64-bit words.
WRITE: Final = 0
"""Of the word in which the writer publishes its cursor."""
_READ: Final = 8
_WAITS: Final = 16
_RECORD_HEADER: Final = 8

FIRST: Final = 1
"""Flag: a message begins with this record; whatever was unfinished before it was given up by the writer."""
MORE: Final = 2
"""Flag: the message goes on in the next record."""
LENT: Final = 4
"""Flag, beside FIRST: the message begins with what says which memory it has been lent (see ``buffers.py``)."""
_LOOKS_PER_MICROSECOND: Final = 20  # measured: 40-60 ns a look; so no clock is read
_HIGHEST: Final = (FIRST | MORE | LENT) << 32 | 0xFFFFFFFF  # of what may stand before a record


def ring_size(capacity: int) -> int:
    """The bytes of memory that a ring of ``capacity`` data bytes needs.

    Raises:
        ValueError: ``capacity`` is not a power of two, or less than 64.
    """
    if capacity < 64 or capacity & (capacity - 1):
        raise ValueError(f"a ring's capacity is a power of two of at least 64 bytes, not {capacity}")
    return HEADER_SIZE + capacity


def record_size(length: int) -> int:
    """The bytes that a record takes whose payload has ``length``: its header, and up to the next multiple of 8."""
    return (length + _RECORD_HEADER + 7) & ~7


class _End:
    """What both ends share: the views of the memory."""

    __slots__ = ("capacity", "data", "headers", "mask", "words")

    def __init__(self, memory: memoryview) -> None:
        self.capacity = len(memory) - HEADER_SIZE
        ring_size(self.capacity)
        self.mask = self.capacity - 1
        self.words = memory.cast("Q")
        self.data = memory[HEADER_SIZE:]
        self.headers = self.data.cast("Q")

    def release(self) -> None:
        """Let go of the memory. Later use raises ValueError (from the released memoryview)."""
        self.headers.release()
        self.data.release()
        self.words.release()


class PureRingWriter(_End):
    """The producer's end. The memory must be zeroed when the first end is made, and have one writer only."""

    __slots__ = ("in_pieces", "max_payload", "room_until", "written")

    def __init__(self, memory: memoryview) -> None:
        super().__init__(memory)
        self.written = 0
        self.room_until = self.capacity  # beyond the reader's cursor as last checked
        # Larger payloads travel as several records, so that reader and writer work at the same time.
        self.max_payload = self.capacity // 4
        self.in_pieces = False

    def write(self, payload: bytes | memoryview, flags: int) -> bool:
        """Append one record. False if there is no room for it now.

        Raises:
            ValueError: ``payload`` is longer than ``max_payload``.
            ProtocolViolationError: the reader published an impossible cursor.
        """
        size = len(payload)
        if size > self.max_payload:
            raise ValueError(f"a record of this ring carries at most {self.max_payload} bytes, not {size}")
        written = self.written
        after = written + ((size + 15) & ~7)  # record_size, written out
        if after > self.room_until and after > self._look_for_room():
            return False
        start = written & self.mask
        self.headers[start >> 3] = size | flags << 32
        start += _RECORD_HEADER
        end = start + size
        if end <= self.capacity:
            self.data[start:end] = payload
        else:
            self._write_wrapped(start, payload)
        self.written = self.words[WRITE] = after
        return True

    def write_whole(self, message: bytes) -> bool:
        """Append a message as a record of its own: FIRST, and nothing else.

        False if there is no room for it now, if it is too long for that, or while ``in_pieces`` is set: a thread writes
        a message in several records, and this one must not come between them. In the compiled ring this is a single step,
        so any thread may come with a whole message, and needs no lock for it.

        Raises:
            ProtocolViolationError: the reader published an impossible cursor.
        """
        return not self.in_pieces and len(message) <= self.max_payload and self.write(message, FIRST)

    def _write_wrapped(self, start: int, payload: bytes | memoryview) -> None:
        head = max(self.capacity - start, 0)
        view = memoryview(payload)
        self.data[start : start + head] = view[:head]
        start = 0 if head else start - self.capacity
        self.data[start : start + len(view) - head] = view[head:]

    def _look_for_room(self) -> int:
        """Ask the reader's published cursor up to where there is room, after checking it."""
        read = self.words[_READ]
        seen = self.room_until - self.capacity
        if not seen <= read <= self.written or read & 7:
            raise ProtocolViolationError(f"the reader published cursor {read}; possible were {seen} to {self.written}")
        self.room_until = read + self.capacity
        return self.room_until

    def set_waiting(self, episode: int) -> None:
        """Tell the reader that the writer waits for room (a number, new for each wait) or no longer does (0)."""
        self.words[_WAITS] = episode


class PureRingReader(_End):
    """The consumer's end. One reader only."""

    __slots__ = ("limit", "read_cursor")

    def __init__(self, memory: memoryview) -> None:
        super().__init__(memory)
        self.read_cursor = 0
        self.limit = 0  # the writer's cursor as last checked

    def readable(self) -> bool:
        """Whether the writer has published something that was not read yet. Not checked: ``read`` does that."""
        return self.words[WRITE] != self.read_cursor

    def look(self, microseconds: int) -> bool:
        """:meth:`readable`, looked at again and again for about so long. Nobody else runs in this process meanwhile.

        (The compiled one lets other threads run after the first moments, and refuses :meth:`release` until it has ended.)
        """
        words, cursor = self.words, self.read_cursor
        for _ in repeat(None, microseconds * _LOOKS_PER_MICROSECOND):
            if words[WRITE] != cursor:
                return True
        return words[WRITE] != cursor

    def read(self) -> tuple[bytes, int] | None:
        """Take the oldest record as (payload, flags), or None if there is none.

        Raises:
            ProtocolViolationError: the writer published an impossible cursor or record.
        """
        read = self.read_cursor
        limit = self.limit
        if read == limit:
            limit = self.words[WRITE]
            if limit == read:
                return None
            if limit - read > self.capacity or limit < read or limit & 7:
                raise ProtocolViolationError(f"the writer published cursor {limit}; the reader is at {read}")
            self.limit = limit
        start = read & self.mask
        header = self.headers[start >> 3]
        size = header & 0xFFFFFFFF
        after = read + ((size + 15) & ~7)  # record_size, written out
        if after > limit or header > _HIGHEST:
            raise ProtocolViolationError(
                f"the writer announced a record of {size} bytes with flags {header >> 32:#x}; "
                f"{limit - read} bytes are in the ring"
            )
        start += _RECORD_HEADER
        end = start + size
        if end <= self.capacity:
            payload = self.data[start:end].tobytes()
        elif start < self.capacity:
            payload = bytes(self.data[start:]) + bytes(self.data[: end - self.capacity])
        else:
            payload = bytes(self.data[:size])
        self.read_cursor = self.words[_READ] = after
        return payload, header >> 32

    def waiting_episode(self) -> int:
        """The number of the writer's present wait for room, 0 if it does not wait."""
        return self.words[_WAITS]

    def half_empty(self) -> bool:
        """Whether there is room for any record: time to wake a writer that waits. (Only a hint, so not checked.)"""
        return self.words[WRITE] - self.read_cursor <= self.capacity >> 1


if TYPE_CHECKING:
    RingReader = PureRingReader
    RingWriter = PureRingWriter
    COMPILED: bool
else:
    try:
        from logoscore.transport._ring import RingReader, RingWriter
    except ImportError:  # it was installed without a C compiler
        RingReader, RingWriter, COMPILED = PureRingReader, PureRingWriter, False
    else:
        COMPILED = True
