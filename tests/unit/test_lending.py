"""Lent memory that comes late: between a writer who has given up waiting and the reader, who has it by then."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from transport_support import Pair, Worker, channel_pair, collect, soon

from logoscore.session.lending import Lending
from logoscore.session.threads import ThreadGroup
from logoscore.transport import messages as m
from logoscore.transport.buffers import LentBytes, LentFrame
from logoscore.transport.frame import BUFFERS, CALL, FOREVER, NO_TOKEN, make_frame
from logoscore.transport.mapping import create_lendable, lending_possible, seal
from logoscore.transport.pool import State

pytestmark = pytest.mark.skipif(not lending_possible(), reason="this system lends no memory")

SIZE = 1 << 16
LINK = 7


class Ends:
    """A writer and a reader, with a core between them that may keep the reader's word to itself for a while."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.threads = ThreadGroup()
        self.writer = Lending(1 << 24, self._of_the_writer, self.threads)
        self.reader = Lending(0, self._of_the_reader, self.threads)
        self.writer.add(LINK, pair.near, callee=False)
        self.reader.add(LINK, pair.far, callee=True)
        self.slow = False
        self._kept: list[m.BufferReady] = []
        self._memory: dict[int, int] = {}

    def _tell(self, party: Lending, message: Any, descriptors: Sequence[int] = ()) -> None:
        party.handlers[type(message)](message, descriptors)

    def _of_the_writer(self, message: Any) -> None:
        about = LINK, False, message.piece
        if isinstance(message, m.MakeBuffer):
            self._memory[message.piece] = fd = create_lendable(message.size)
            self._tell(self.writer, m.BufferMemory(*about), [os.dup(fd)])
        elif isinstance(message, m.BufferMade):
            fd = self._memory.pop(message.piece)
            size = os.fstat(fd).st_size
            seal(fd, size)
            self._tell(self.reader, m.TakeBuffer(*about, size), [fd])
        else:
            assert isinstance(message, m.DropBuffer)
            self.catch_up()  # it was on its way already
            self._tell(self.reader, m.BufferDropped(*about))

    def _of_the_reader(self, message: m.BufferTaken) -> None:
        self._kept.append(m.BufferReady(LINK, False, message.piece, message.usable))
        if not self.slow:
            self.catch_up()

    def catch_up(self) -> None:
        while self._kept:
            self._tell(self.writer, self._kept.pop(0))

    def frame(self, deadline: int) -> Any:
        start = make_frame(CALL, 0, BUFFERS, 1, FOREVER, NO_TOKEN, "method", b"")
        return self.writer.frame(self.pair.sender, start, b"", [memoryview(bytes(SIZE))], deadline)

    def close(self) -> None:
        for party in (self.writer, self.reader):
            party.close()
        assert self.threads.join(20)


@pytest.fixture
def ends() -> Iterator[Ends]:
    with channel_pair(1 << 18, 1 << 10, places=4) as pair:
        both = Ends(pair)
        try:
            yield both
        finally:
            both.close()


def test_what_comes_in_time_is_lent(ends: Ends) -> None:
    frame = ends.frame(soon())
    assert isinstance(frame, LentFrame)
    ends.pair.sender.send_parts(frame, soon())
    (message,) = collect(ends.pair.receiver, 1)
    assert isinstance(message, LentBytes)


def test_what_comes_when_its_writer_has_given_up_is_not_lent(ends: Ends) -> None:
    ends.slow = True
    lender = ends.pair.sender.lender
    assert lender is not None
    assert not isinstance(ends.frame(time.monotonic_ns()), LentFrame)
    ends.slow = False
    lender.not_before = math.inf  # so no other is asked for meanwhile
    # The reader has dropped it by now: were it lent all the same, he would end the channel.
    frame = ends.frame(soon())
    sending = Worker(lambda: ends.pair.sender.send_parts([frame] if isinstance(frame, bytes) else frame, soon()))
    (message,) = collect(ends.pair.receiver, 1)
    sending.result()
    assert len(message) > SIZE


def test_its_place_is_asked_for_again(ends: Ends) -> None:
    lender = ends.pair.sender.lender
    assert lender is not None
    for _ in range(10):  # more often than there are places
        ends.slow = True
        ends.frame(time.monotonic_ns())
        lender.not_before = 0.0
    ends.slow = False
    assert isinstance(ends.frame(soon()), LentFrame)


def test_what_comes_while_its_writer_gives_up_stays(ends: Ends) -> None:
    ends.slow = True
    lender = ends.pair.sender.lender
    assert lender is not None
    await_reader = lender.await_reader

    def too_short(piece: int, timeout: float) -> bool:
        came = await_reader(piece, 0)
        ends.catch_up()
        return came

    lender.await_reader = too_short  # type: ignore[method-assign]  # so that it comes exactly then
    frame = ends.frame(soon())
    assert isinstance(frame, LentFrame)
    ends.pair.sender.send_parts(frame, soon())
    (message,) = collect(ends.pair.receiver, 1)
    assert isinstance(message, LentBytes)


def test_a_late_word_that_a_piece_is_dropped_spares_the_next_of_its_place(ends: Ends) -> None:
    borrower = ends.pair.far.receivers[0].borrower
    assert borrower is not None
    for piece in (4, 8):
        fd = create_lendable(1 << 17)
        borrower.add(piece, 1 << 17, fd)
    borrower.drop(4)
    assert [each.piece for each in borrower._pieces.values()] == [8]
    borrower.drop(8)
    assert not borrower._pieces


def test_what_cannot_be_had_is_asked_for_again_when_the_core_knows(ends: Ends) -> None:
    lender = ends.pair.sender.lender
    assert lender is not None
    asked = lender.ask(SIZE, 0.0)
    assert asked is not None
    lender.ready(asked[0], usable=False)
    assert lender.await_memory(asked[0], 0) is None
    assert [lender.ask(SIZE, 0.0) is not None for _ in range(4)] == [True, True, True, False]
    assert lender.withdraw(asked[0])
    assert not lender.withdraw(asked[0])
    assert lender.ask(SIZE, 0.0) is None
    lender.left(asked[0])
    assert lender.ask(SIZE, 0.0) is not None


def test_a_loan_of_what_is_another_messages_by_now_changes_nothing(ends: Ends) -> None:
    """A reader may say that it has taken a message that still waits for room; the memory is given up then."""
    frame = ends.frame(soon())
    assert isinstance(frame, LentFrame)
    lender = ends.pair.sender.lender
    assert lender is not None
    frame.loan.send()
    place = lender._pool.places[0]
    lender._words[0] = 2 * place.generation - 1
    ((piece, _),) = lender.drop(math.inf, lent=True)
    lender.left(piece)
    frame.loan.unsent()
    del frame
    assert place.state is State.EMPTY
