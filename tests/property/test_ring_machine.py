"""The ring against a deque, and the ring against a peer that writes whatever it likes into the shared words."""

from __future__ import annotations

import gc
import itertools
import mmap
import shutil
import sysconfig
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from logoscore.errors import ProtocolViolationError
from logoscore.transport.ring import (
    COMPILED,
    FIRST,
    HEADER_SIZE,
    LENT,
    MORE,
    PureRingReader,
    PureRingWriter,
    RingReader,
    RingWriter,
    ring_size,
)

_CAPACITIES = [64, 128, 256, 1024]
_WRITERS = {"Python": PureRingWriter, "C": RingWriter}
_READERS = {"Python": PureRingReader, "C": RingReader}
_ENDS = sorted(itertools.product(_WRITERS, _READERS))
"""Who writes and who reads: one of another installation may have no C compiler."""
_GUARD = 64
_CANARY = b"\xa5" * _GUARD
_flags = st.sampled_from([0, FIRST, MORE, FIRST | MORE])


def record_size(payload: int) -> int:
    """Header and payload, up to the next multiple of 8."""
    return (8 + payload + 7) // 8 * 8


class _Memory:
    """A ring's memory with a guard on either side."""

    def __init__(self, capacity: int, ends: tuple[str, str] = ("C", "C")) -> None:
        self.capacity = capacity
        self._bytes = bytearray(_CANARY + bytes(ring_size(capacity)) + _CANARY)
        whole = memoryview(self._bytes)
        self.view = whole[_GUARD:-_GUARD]
        whole.release()
        self.writer = _WRITERS[ends[0]](self.view)
        self.reader = _READERS[ends[1]](self.view)

    def check(self) -> None:
        assert self._bytes[:_GUARD] == _CANARY, "something wrote before the ring"
        assert self._bytes[-_GUARD:] == _CANARY, "something wrote behind the ring"

    def end(self) -> None:
        self.check()
        self.writer.release()
        self.reader.release()
        self.view.release()
        self._bytes.clear()  # BufferError if an end still holds the memory


def _as_given(payload: bytes, kind: str) -> bytes | memoryview:
    if kind == "bytes":
        return payload
    # A view that does not begin where its object does.
    return memoryview(b"<" + payload + b">")[1:-1]


class RingMachine(RuleBasedStateMachine):
    """Writer and reader take turns as they like; the model is a deque of records."""

    memory: _Memory

    @initialize(capacity=st.sampled_from(_CAPACITIES), ends=st.sampled_from(_ENDS))
    def make(self, capacity: int, ends: tuple[str, str]) -> None:
        self.memory = _Memory(capacity, ends)
        self.model: deque[tuple[bytes, int]] = deque()

    def _used(self) -> int:
        return sum(record_size(len(payload)) for payload, _ in self.model)

    def _write(self, payload: bytes, flags: int, kind: str) -> bool:
        fits = record_size(len(payload)) <= self.memory.capacity - self._used()
        assert self.memory.writer.write(_as_given(payload, kind), flags) is fits
        if fits:
            self.model.append((payload, flags))
        return fits

    @rule(data=st.data(), flags=_flags, kind=st.sampled_from(["bytes", "view"]))
    def write(self, data: st.DataObject, flags: int, kind: str) -> None:
        self._write(data.draw(st.binary(max_size=self.memory.writer.max_payload)), flags, kind)

    @rule(flags=_flags, kind=st.sampled_from(["bytes", "view"]))
    def write_the_longest(self, flags: int, kind: str) -> None:
        self._write(bytes(range(256))[: self.memory.writer.max_payload], flags, kind)

    @rule(size=st.integers(0, 16), flags=_flags)
    def fill(self, size: int, flags: int) -> None:
        while self._write(b"f" * size, flags, "bytes"):
            pass

    @rule(data=st.data(), in_pieces=st.booleans())
    def write_whole(self, data: st.DataObject, in_pieces: bool) -> None:
        writer = self.memory.writer
        message = data.draw(st.binary(max_size=writer.max_payload + 10))
        fits = (
            not in_pieces
            and len(message) <= writer.max_payload
            and record_size(len(message)) <= self.memory.capacity - self._used()
        )
        writer.in_pieces = in_pieces
        assert writer.write_whole(message) is fits
        writer.in_pieces = False
        if fits:
            self.model.append((message, FIRST))

    @rule(excess=st.integers(1, 1000))
    def too_long_is_refused_and_changes_nothing(self, excess: int) -> None:
        with pytest.raises(ValueError, match="at most"):
            self.memory.writer.write(bytes(self.memory.writer.max_payload + excess), FIRST)

    def _read(self) -> None:
        expected = self.model.popleft() if self.model else None
        assert self.memory.reader.read() == expected

    @rule()
    def read(self) -> None:
        self._read()

    @rule(count=st.integers(2, 20))
    def read_some(self, count: int) -> None:
        for _ in range(count):
            self._read()

    @rule()
    def drain(self) -> None:
        while self.model:
            self._read()
        self._read()

    @rule(episode=st.integers(0, 2**64 - 1))
    def wait(self, episode: int) -> None:
        self.memory.writer.set_waiting(episode)
        assert self.memory.reader.waiting_episode() == episode

    @invariant()
    def readable_says_whether_there_is_a_record(self) -> None:
        assert self.memory.reader.readable() is bool(self.model)
        assert self.memory.reader.look(0) is bool(self.model)

    @invariant()
    def nothing_outside_was_touched(self) -> None:
        self.memory.check()

    def teardown(self) -> None:
        if hasattr(self, "memory"):
            self.drain()
            self.memory.end()


RingMachine.TestCase.settings = settings(deadline=None, max_examples=200, stateful_step_count=60)
TestRing = RingMachine.TestCase


def _hostile_words(memory: _Memory) -> st.SearchStrategy[int]:
    """Anything, but more often something that is nearly right."""
    near = st.sampled_from(
        [memory.writer.written, memory.reader.read_cursor, memory.capacity, 2**32, 2**63, 2**64, MORE << 32, 4 << 32]
    )
    offset = st.integers(-16, 16) | st.sampled_from([-memory.capacity, memory.capacity, 2 * memory.capacity])
    return st.integers(0, 2**64 - 1) | st.builds(lambda a, b: (a + b) % 2**64, near, offset)


class HostileMachine(RuleBasedStateMachine):
    """The other side writes anything anywhere, at any time. Either end fails with a violation or goes on."""

    memory: _Memory

    @initialize(capacity=st.sampled_from(_CAPACITIES), ends=st.sampled_from(_ENDS))
    def make(self, capacity: int, ends: tuple[str, str]) -> None:
        self.memory = _Memory(capacity, ends)
        self.words = self.memory.view.cast("Q")

    @rule(data=st.data())
    def scribble_over_a_shared_word(self, data: st.DataObject) -> None:
        place = data.draw(st.sampled_from([0, 8, 16]))
        self.words[place] = data.draw(_hostile_words(self.memory))

    @rule(data=st.data())
    def scribble_over_the_records(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(HEADER_SIZE // 8, len(self.words) - 1))
        self.words[place] = data.draw(_hostile_words(self.memory))

    @rule(data=st.data(), flags=_flags)
    def write(self, data: st.DataObject, flags: int) -> None:
        payload = data.draw(st.binary(max_size=self.memory.writer.max_payload))
        try:
            assert self.memory.writer.write(payload, flags) in {True, False}
        except ProtocolViolationError:
            pass  # the reader's cursor is impossible

    @rule(times=st.integers(1, 12))
    def read(self, times: int) -> None:
        for _ in range(times):
            try:
                record = self.memory.reader.read()
            except ProtocolViolationError:
                return
            if record is not None:
                payload, flags = record
                assert type(payload) is bytes
                assert len(payload) <= self.memory.capacity - 8
                assert 0 <= flags <= FIRST | MORE | LENT

    @rule()
    def ask(self) -> None:
        assert self.memory.reader.readable() in {True, False}
        assert self.memory.reader.half_empty() in {True, False}
        assert 0 <= self.memory.reader.waiting_episode() < 2**64

    @invariant()
    def nothing_outside_was_touched(self) -> None:
        self.memory.check()

    def teardown(self) -> None:
        if hasattr(self, "memory"):
            self.words.release()
            self.memory.end()


HostileMachine.TestCase.settings = settings(deadline=None, max_examples=400, stateful_step_count=40)
TestHostilePeer = HostileMachine.TestCase


@pytest.fixture(params=["Python", "C"])
def memory(request: pytest.FixtureRequest) -> Any:
    made = _Memory(256, (request.param, request.param))
    yield made
    made.end()


_each = st.sampled_from(["Python", "C"])


def test_the_ring_is_compiled_where_it_can_be() -> None:
    compiler = shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0])
    headers = Path(sysconfig.get_path("include"), "Python.h")
    assert (compiler is not None and headers.is_file()) is COMPILED
    assert (RingWriter is not PureRingWriter) is COMPILED
    assert (RingReader is not PureRingReader) is COMPILED


@given(cursor=st.integers(0, 2**64 - 1), capacity=st.sampled_from(_CAPACITIES), end=_each)
@settings(deadline=None)
def test_a_fresh_reader_accepts_only_a_possible_writers_cursor(cursor: int, capacity: int, end: str) -> None:
    memory = _Memory(capacity, (end, end))
    memory.view.cast("Q")[0] = cursor
    if cursor == 0:
        assert memory.reader.read() is None
    elif cursor <= capacity and cursor % 8 == 0:
        assert memory.reader.read() == (b"", 0)  # zeroed memory is an empty record
    else:
        with pytest.raises(ProtocolViolationError, match="the writer published"):
            memory.reader.read()
    memory.end()


@given(cursor=st.integers(0, 2**64 - 1), written=st.integers(0, 3), end=_each)
@settings(deadline=None)
def test_a_full_writer_accepts_only_a_possible_readers_cursor(cursor: int, written: int, end: str) -> None:
    memory = _Memory(64, (end, end))
    while memory.writer.write(b"12345678", FIRST):
        pass
    assert memory.writer.written == 64
    memory.view.cast("Q")[8] = cursor
    if cursor <= 64 and cursor % 8 == 0:
        assert memory.writer.write(b"12345678", FIRST) is (cursor >= 16)
    else:
        with pytest.raises(ProtocolViolationError, match="the reader published"):
            memory.writer.write(b"12345678", FIRST)
    memory.end()


@given(header=st.integers(0, 2**64 - 1), announced=st.integers(1, 32).map(lambda n: 8 * n), end=_each)
@settings(deadline=None)
def test_a_record_reaches_no_farther_than_what_was_published(header: int, announced: int, end: str) -> None:
    memory = _Memory(256, (end, end))
    words = memory.view.cast("Q")
    words[HEADER_SIZE // 8] = header
    words[0] = announced
    size, flags = header & 0xFFFFFFFF, header >> 32
    if record_size(size) <= announced and flags <= FIRST | MORE | LENT:
        assert memory.reader.read() == (bytes(size), flags)
    else:
        with pytest.raises(ProtocolViolationError, match="announced a record"):
            memory.reader.read()
    words.release()
    memory.end()


def test_the_readers_copy_does_not_change_when_the_writer_scribbles_afterwards(memory: _Memory) -> None:
    memory.writer.write(b"as it was", FIRST)
    record = memory.reader.read()
    memory.view[HEADER_SIZE:] = b"\xff" * memory.capacity
    assert record == (b"as it was", FIRST)


def test_half_empty_means_room_for_any_record(memory: _Memory) -> None:
    assert memory.writer.write(b"", FIRST)
    assert memory.reader.read() == (b"", FIRST)
    while memory.writer.write(b"", FIRST):
        pass
    assert not memory.reader.half_empty(), "a full ring has no room for any record"


@pytest.mark.parametrize("capacity", [-64, 0, 1, 8, 32, 63, 65, 96, 2**20 + 8])
def test_a_capacity_is_a_power_of_two_of_at_least_64(capacity: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        ring_size(capacity)
    if capacity >= 0:
        for reader in _READERS.values():
            with pytest.raises(ValueError, match="power of two"):
                reader(memoryview(bytearray(HEADER_SIZE + capacity)))


@pytest.mark.parametrize("end", ["Python", "C"])
def test_a_released_end_is_of_no_use(end: str) -> None:
    memory = _Memory(64, (end, end))
    memory.end()
    memory.reader.release()  # once more
    with pytest.raises(ValueError, match="released"):
        memory.reader.read()
    with pytest.raises(ValueError, match="released"):
        memory.writer.write(b"", FIRST)


def _read_all(reader: RingReader) -> None:
    while reader.read() is not None:
        pass


@pytest.mark.parametrize("kind", _READERS)
def test_a_finalizer_that_ends_the_ring_in_the_middle_of_a_read(kind: str) -> None:
    """Before Python 3.12 the collector may run wherever an object is made, and with it anybody's code."""
    memory = mmap.mmap(-1, ring_size(1 << 14))
    ends = PureRingWriter(memoryview(memory)), _READERS[kind](memoryview(memory))
    finalized = []

    class Ending:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            for end in ends:
                end.release()
            if kind == "C":  # in Python a slice may be in use just now
                memory.close()
            finalized.append(True)

    while ends[0].write(b"x", FIRST):
        pass
    gc.collect()
    Ending()
    former = gc.get_threshold()
    gc.set_threshold(1)
    try:
        with pytest.raises(ValueError, match="released"):
            _read_all(ends[1])
    finally:
        gc.set_threshold(*former)
    assert finalized == [True]
