"""The ring: ``PureRingReader`` and ``PureRingWriter`` over memory in which a hostile peer writes at any moment.

The input is a row of steps: honest ones of both ends, words stored anywhere (cursors, lengths, flags), and words that are
something else each time they are looked at. Property: only ProtocolViolationError comes out, and then nothing has moved; what
is read is no longer than the ring; private cursors stay in their bounds; nothing is written outside the ring's memory;
and as long as nobody was hostile, what is read is what was written.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from fuzz.target import Tape, Target
from logoscore.errors import ProtocolViolationError
from logoscore.transport.ring import FIRST, HEADER_SIZE, MORE, PureRingReader, PureRingWriter, ring_size

_CANARY = b"\xa5" * 64
_CAPACITIES = (64, 128, 256, 1024)
_WRITE, _READ, _WAITS, _DATA = 0, 8, 16, HEADER_SIZE // 8


class RestlessWords:
    """The ring's words as seen by an end whose peer changes them between any two looks."""

    def __init__(self, words: memoryview) -> None:
        self._words = words
        self.lies: deque[int] = deque()

    def __getitem__(self, index: int) -> int:
        return self.lies.popleft() if self.lies else int(self._words[index])

    def __setitem__(self, index: int, value: int) -> None:
        self._words[index] = value

    def release(self) -> None:
        self._words.release()


class WatchedWriter(PureRingWriter):
    """Remembers what it wrote."""

    __slots__ = ("records",)

    def __init__(self, memory: memoryview) -> None:
        super().__init__(memory)
        self.records: deque[tuple[bytes, int]] = deque()

    def write(self, payload: bytes | memoryview, flags: int) -> bool:
        done = super().write(payload, flags)
        if done:
            self.records.append((bytes(payload), flags))
        return done


class HostileRing:
    """Both ends of one ring, what is hostile about it, and what must hold after each step."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        capacity = tape.choice(_CAPACITIES)
        self._memory = bytearray(_CANARY + bytes(ring_size(capacity)) + _CANARY)
        inside = memoryview(self._memory)[len(_CANARY) : -len(_CANARY)]
        self.reader = PureRingReader(inside)
        self.writer = WatchedWriter(inside)
        self.raw = inside.cast("Q")
        restless: Any = RestlessWords(self.reader.words)  # in place of the memoryview that it stands for
        self.words: RestlessWords = restless
        self.reader.words = restless
        self.hostile = False
        inside.release()

    def store(self) -> None:
        """The peer stores a word: somewhere, or where it counts, and near what would be right."""
        self.hostile = True
        place, how = self.tape.byte(), self.tape.byte()
        start = self.reader.read_cursor & self.reader.mask
        index = (_WRITE, _READ, _WAITS, _DATA + (start >> 3), place % len(self.raw))[place % 5]
        near = (0, self.reader.read_cursor, self.writer.written, self.reader.capacity, 1 << 64)[how % 5]
        self.raw[index] = (self.tape.word() if how >= 128 else near + (how >> 3) * 8 - 64 + (how % 3 == 2)) % (1 << 64)

    def lie(self) -> None:
        """The reader's next looks see something else each time."""
        self.hostile = True
        near = self.reader.read_cursor
        self.words.lies.extend((near + self.tape.byte() * 8, self.tape.word())[each & 1] for each in self.tape.take(3))

    def settle(self) -> None:
        """Nothing was written where no ring is, and the private cursors are possible ones."""
        assert self._memory.startswith(_CANARY) and self._memory.endswith(_CANARY), "written outside the ring"  # noqa: PT018
        assert 0 <= self.writer.room_until - self.writer.written <= self.writer.capacity
        assert 0 <= self.reader.limit - self.reader.read_cursor <= self.reader.capacity

    def release(self) -> None:
        self.raw.release()
        self.reader.release()
        self.writer.release()


def _write(ring: HostileRing) -> None:
    writer, size = ring.writer, ring.tape.byte()
    flags = ring.tape.byte() & (FIRST | MORE)
    payload = ring.tape.take(size)
    before = writer.written
    try:
        done = writer.write(payload, flags)
    except ValueError:
        assert len(payload) > writer.max_payload
        done = False
    except ProtocolViolationError:
        assert ring.hostile, "nobody did anything wrong"
        done = False
    assert writer.written == before + done * ((len(payload) + 15) & ~7)


def _read(ring: HostileRing) -> None:
    reader = ring.reader
    before = reader.read_cursor
    try:
        record = reader.read()
    except ProtocolViolationError:
        assert ring.hostile, "nobody did anything wrong"
        assert reader.read_cursor == before, "the cursor moved over what was refused"
        return
    if not ring.hostile:
        assert record == (ring.writer.records.popleft() if ring.writer.records else None)
    if record is None:
        assert reader.read_cursor == before
        return
    payload, flags = record
    assert type(payload) is bytes, "a view on the ring would change under whoever looks at it"
    assert len(payload) <= reader.capacity - 8
    assert flags & ~(FIRST | MORE) == 0
    assert reader.read_cursor == before + ((len(payload) + 15) & ~7) == ring.raw[_READ]


def _look(ring: HostileRing) -> None:
    assert ring.reader.readable() in (True, False)
    assert ring.reader.half_empty() in (True, False)
    assert 0 <= ring.reader.waiting_episode() < 1 << 64
    ring.writer.set_waiting(ring.tape.byte())


_STEPS: tuple[Callable[[HostileRing], None], ...] = (_write, _read, HostileRing.store, HostileRing.lie, _look)


def check(data: bytes) -> bool:
    tape = Tape(data)
    ring = HostileRing(tape)
    try:
        while tape.left:
            tape.choice(_STEPS)(ring)
            ring.settle()
        return not ring.hostile
    finally:
        ring.release()


def seeds() -> list[bytes]:
    def write(payload: bytes, flags: int = FIRST) -> bytes:
        return bytes([0, len(payload), flags]) + payload

    read = b"\x01"
    fill = write(bytes(16)) + write(bytes(range(13)))
    return [
        b"\x00" + write(b"abc") + read * 2,
        b"\x00" + (fill + read * 3) * 6,
        b"\x01" + write(b"x" * 32, FIRST | MORE) * 5 + read * 3 + b"\x04\x01" + read * 3,
        b"\x02" + (write(bytes(range(60)), MORE) + write(b"") + read * 2) * 9,
        b"\x03" + write(b"y" * 200) * 3 + read * 4,
    ]


TARGET = Target("ring", check, seeds, max_length=512, bytes_per_byte=64)
