"""The ring in Python and the ring in C: the same steps in two memories, and never a difference.

The input is a row of steps, as in ``ring``, but for words that change while one looks at them, which nobody can do to C
from here. Property: after each step both have returned or raised the same, with the same words; cursors and all of the memory
are alike; and nothing was written outside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fuzz.subjects.ring import seeds
from fuzz.target import Tape, Target
from logoscore.errors import ProtocolViolationError
from logoscore.transport.ring import (
    HEADER_SIZE,
    PureRingReader,
    PureRingWriter,
    RingReader,
    RingWriter,
    ring_size,
)

_CANARY = b"\xa5" * 64
_CAPACITIES = (64, 128, 256, 1024)
_WRITE, _READ, _WAITS, _DATA = 0, 8, 16, HEADER_SIZE // 8


class _Ring:
    """One of the two."""

    def __init__(self, capacity: int, writer: type[PureRingWriter], reader: type[PureRingReader]) -> None:
        self.memory = bytearray(_CANARY + bytes(ring_size(capacity)) + _CANARY)
        inside = memoryview(self.memory)[len(_CANARY) : -len(_CANARY)]
        self.writer, self.reader, self.raw = writer(inside), reader(inside), inside.cast("Q")
        inside.release()

    def state(self) -> tuple[object, ...]:
        writer, reader = self.writer, self.reader
        return writer.written, writer.room_until, reader.read_cursor, reader.limit, bytes(self.memory)

    def release(self) -> None:
        self.raw.release()
        self.reader.release()
        self.writer.release()


_Step = Callable[[_Ring], Any]


def _write(tape: Tape, _: _Ring) -> _Step:
    size, choice = tape.byte(), tape.byte()
    flags = choice & 7
    payload: Any = tape.take(size)
    if choice & 8:
        return lambda ring: _write_whole(ring, payload, bool(choice & 16))
    if flags & 4:
        payload = memoryview(b"<" + payload + b">")[1:-1]
    return lambda ring: ring.writer.write(payload, flags)


def _write_whole(ring: _Ring, message: bytes, in_pieces: bool) -> bool:
    ring.writer.in_pieces = in_pieces
    try:
        return ring.writer.write_whole(message)
    finally:
        ring.writer.in_pieces = False


def _read(_tape: Tape, _: _Ring) -> _Step:
    return lambda ring: ring.reader.read()


def _store(tape: Tape, like: _Ring) -> _Step:
    """A word is stored somewhere, or where it counts, and often it is nearly right."""
    place, how = tape.byte(), tape.byte()
    start = like.reader.read_cursor & like.reader.mask
    index = (_WRITE, _READ, _WAITS, _DATA + (start >> 3), place % len(like.raw))[place % 5]
    near = (0, like.reader.read_cursor, like.writer.written, like.reader.capacity, 1 << 64)[how % 5]
    value = (tape.word() if how >= 128 else near + (how >> 3) * 8 - 64 + (how % 3 == 2)) % (1 << 64)

    def store(ring: _Ring) -> None:
        ring.raw[index] = value

    return store


def _look(tape: Tape, _: _Ring) -> _Step:
    episode = tape.byte()

    def look(ring: _Ring) -> tuple[object, ...]:
        reader = ring.reader
        seen = reader.readable(), reader.look(0), reader.look(1), reader.half_empty(), reader.waiting_episode()
        ring.writer.set_waiting(episode)
        return seen

    return look


_STEPS = (_write, _read, _store, _store, _look)  # as many as there, so that its seeds mean the same here


def _outcome(step: _Step, ring: _Ring) -> object:
    try:
        return step(ring)
    except (ProtocolViolationError, ValueError) as error:
        return type(error), str(error)


def check(data: bytes) -> bool:
    tape = Tape(data)
    capacity = tape.choice(_CAPACITIES)
    pure, compiled = _Ring(capacity, PureRingWriter, PureRingReader), _Ring(capacity, RingWriter, RingReader)
    refused = False
    try:
        while tape.left:
            step = tape.choice(_STEPS)(tape, pure)
            first, second = _outcome(step, pure), _outcome(step, compiled)
            assert first == second, "one says what the other does not"
            assert pure.state() == compiled.state()
            assert pure.memory.startswith(_CANARY) and pure.memory.endswith(_CANARY), "written outside the ring"  # noqa: PT018
            refused = refused or (type(first) is tuple and first[0] is ProtocolViolationError)
        return not refused
    finally:
        pure.release()
        compiled.release()


TARGET = Target("ring_twins", check, seeds, max_length=512, bytes_per_byte=128)
