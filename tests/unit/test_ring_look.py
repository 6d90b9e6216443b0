"""Looking at a ring for a while: both kinds see what is written meanwhile, and other threads run."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from logoscore import Core
from logoscore.transport.ring import (
    COMPILED,
    FIRST,
    PureRingReader,
    PureRingWriter,
    RingReader,
    RingWriter,
    ring_size,
)
from logoscore.transport.spin import Spinner, SpinState

LONG = 10_000_000  # microseconds: no look lasts so long here
SOME = 1000


@pytest.fixture(params=["compiled", "python"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[RingReader, RingWriter]]:
    memory = memoryview(bytearray(ring_size(4096)))
    kinds = (RingReader, RingWriter) if request.param == "compiled" else (PureRingReader, PureRingWriter)
    reader, writer = kinds[0](memory), kinds[1](memory)
    yield reader, writer  # type: ignore[misc]
    reader.release()
    writer.release()


def test_nothing_comes(ends: tuple[RingReader, RingWriter]) -> None:
    reader, _ = ends
    assert not reader.look(0)
    assert not reader.look(50)


def test_what_is_there_is_seen_at_once(ends: tuple[RingReader, RingWriter]) -> None:
    reader, writer = ends
    assert writer.write(b"x", FIRST)
    for microseconds in (0, 1, LONG):
        assert reader.look(microseconds)
    assert reader.read() == (b"x", FIRST)
    assert not reader.look(0)


def test_what_comes_is_seen_and_its_writer_runs_meanwhile(ends: tuple[RingReader, RingWriter]) -> None:
    """The writer is a thread of the same process: it can write only if whoever looks lets it."""
    reader, writer = ends
    spinner = Spinner(LONG)
    spinner.longest = spinner.shortest = LONG  # also where only one CPU is allowed
    state = SpinState(spinner, reader, moves=False)
    begun = threading.Event()
    switch_interval = sys.getswitchinterval()

    def write() -> None:
        begun.wait()
        writer.write(b"x", FIRST)

    thread = threading.Thread(target=write)
    thread.start()
    sys.setswitchinterval(1000)  # nobody is made to give the GIL away
    try:
        begun.set()
        assert state.spin()
    finally:
        sys.setswitchinterval(switch_interval)
    thread.join()
    assert reader.read() == (b"x", FIRST)


@pytest.mark.parametrize("argument", [-1, "1", None])
def test_a_wrong_time_is_refused(ends: tuple[RingReader, RingWriter], argument: object) -> None:
    reader, _ = ends
    if isinstance(reader, PureRingReader):
        return  # plain Python, from nobody but us
    with pytest.raises((TypeError, OverflowError)):
        reader.look(argument)  # type: ignore[arg-type]


def test_the_memory_stays_while_a_thread_looks() -> None:
    """A look without the GIL is on memory that must not go meanwhile."""
    refused = False
    for _ in range(SOME):
        reader, writer, thread, seen = _looking()
        try:
            reader.release()
        except BufferError as error:
            assert str(error) == "a thread is looking at this ring"  # noqa: PT017 - it may also be too early for it
            refused = True
        writer.write(b"x", FIRST)
        thread.join()
        if refused:
            assert seen == [True]
            reader.release()
        writer.release()
        if refused or not COMPILED:
            break
    assert refused == COMPILED


def _looking() -> tuple[RingReader, RingWriter, threading.Thread, list[object]]:
    """A ring at which a thread looks, or is just about to."""
    memory = memoryview(bytearray(ring_size(4096)))
    reader, writer = RingReader(memory), RingWriter(memory)
    seen: list[object] = []
    begun = threading.Event()

    def look() -> None:
        begun.set()
        try:
            seen.append(reader.look(LONG if COMPILED else 1))
        except ValueError as error:  # it was released before
            seen.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    begun.wait()
    return reader, writer, thread, seen


@pytest.mark.parametrize("wrong", [-1, 1.5, True, "200"])
def test_a_time_to_look_that_is_none_is_refused_before_anything_starts(wrong: object) -> None:
    with pytest.raises(ValueError, match="spin_microseconds is a whole number of at least 0"):
        Core(spin_microseconds=wrong)  # type: ignore[arg-type]
