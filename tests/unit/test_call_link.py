"""The caller's side of a channel: replies that nobody may lose, whoever comes in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from helpers import wait_until
from transport_support import Pair, Worker, channel_pair, drain, soon

from logoscore.errors import LogosError, ModuleCrashedError
from logoscore.limits import NO_LIMITS
from logoscore.session.call import Call
from logoscore.session.outgoing import CallLink
from logoscore.session.streams import IncomingStream
from logoscore.session.threads import ThreadGroup
from logoscore.session.waiters import Nobody, SyncWaiter
from logoscore.transport.codec import SAFE
from logoscore.transport.frame import CALL, FOREVER, HEADER, NO_TOKEN, REPLY


def _frame(kind: int, call_id: int) -> bytes:
    return HEADER.pack(kind, SAFE.ID, 0, 0, call_id, 0, NO_TOKEN)


def _call(link: CallLink) -> None:
    link.roundtrip(3, _frame(CALL, 3), soon())


def _submit(link: CallLink) -> None:
    link.start(3, SyncWaiter(), _frame(CALL, 3), soon(), soon())


@pytest.mark.parametrize("late", [_call, _submit])
def test_a_call_that_comes_too_late_takes_no_reply_from_those_whose_reply_has_arrived(
    late: Callable[[CallLink], None],
) -> None:
    with channel_pair() as pair:
        owner: Any = SimpleNamespace(threads=ThreadGroup(), limits=NO_LIMITS, link_failed=lambda *_: None)
        link = CallLink(1, "peer", pair.near, SAFE, owner)
        waiters = {call_id: SyncWaiter() for call_id in (1, 2)}
        link._receiver.lock.acquire()  # nobody reads
        for call_id, waiter in waiters.items():
            link.start(call_id, waiter, _frame(CALL, call_id), soon(), soon())
        assert len(drain(pair.receiver)) == 2
        for call_id in waiters:
            pair.far.senders[0].send(_frame(REPLY, call_id), soon())
        link.close(ModuleCrashedError("it died"))
        link._receiver.lock.release()

        with pytest.raises(ModuleCrashedError):
            late(link)
        Worker(link.finish).result()

        assert [waiter.reply for waiter in waiters.values()] == [_frame(REPLY, 1), _frame(REPLY, 2)]
        assert owner.threads.join(10)


def test_earlier_calls_are_known_by_their_methods_in_the_order_in_which_they_began() -> None:
    """Of a thread that waits, a future, and a stream, which is no call; whose frame is in pieces has no name at hand."""
    with channel_pair() as pair:
        owner: Any = SimpleNamespace(threads=ThreadGroup(), limits=NO_LIMITS, link_failed=lambda *_: None)
        link = CallLink(1, "peer", pair.near, SAFE, owner)
        origin: Any = SimpleNamespace(method="submitted")
        named = HEADER.pack(CALL, SAFE.ID, 0, 5, 1, 0, NO_TOKEN) + b"first and its arguments"
        waiting = [
            (5, SyncWaiter(named)),
            (1, SyncWaiter(named)),
            (2, Call(origin)),
            (3, IncomingStream(lambda _: None)),
        ]
        waiting += [(4, SyncWaiter([named, b""])), (0, Nobody()), (7, SyncWaiter(named))]
        link._pending.update(waiting)
        assert link.begun_before(6) == ["first", "submitted", "first"]
        assert link.begun_before(1) == []
        link._pending.clear()


class _Crowds(SyncWaiter):
    """Its time is over; its callback submits into a full ring, and reads meanwhile what comes."""

    def __init__(self, pair: Pair, link: CallLink) -> None:
        super().__init__()
        self._pair = pair
        self._link = link

    def fail(self, error: LogosError) -> None:
        super().fail(error)
        more = _frame(CALL, 98) + bytes(200)
        while self._link.sender.try_send(more):
            pass
        self._pair.far.senders[0].send(_frame(REPLY, 7), soon())
        relief = Worker(self._relieve)
        self._link.start(8, SyncWaiter(), more, soon(), FOREVER)
        relief.result()

    def _relieve(self) -> None:
        wait_until(lambda: len(self._link._waiting._aside) == 1, what="the reply put aside")
        drain(self._pair.receiver)


def test_a_reply_that_came_while_others_were_told_that_their_time_is_over_is_not_left_aside() -> None:
    with channel_pair() as pair:
        owner: Any = SimpleNamespace(threads=ThreadGroup(), limits=NO_LIMITS, link_failed=lambda *_: None)
        link = CallLink(1, "peer", pair.near, SAFE, owner)
        link._receiver.lock.acquire()  # the pump stays out
        link.start(3, _Crowds(pair, link), _frame(CALL, 3), soon(), time.monotonic_ns())
        link._receiver.lock.release()

        assert link.roundtrip(7, _frame(CALL, 7), soon()) == _frame(REPLY, 7)
        link.close(ModuleCrashedError("the test is over"))
        Worker(link.finish).result()
        assert owner.threads.join(10)


def test_where_no_thread_is_to_be_had_the_pump_itself_finishes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in Python 3.12 when the interpreter exits: what should have its own thread is done by the first that ends."""
    with channel_pair() as pair:
        threads = ThreadGroup()
        owner: Any = SimpleNamespace(threads=threads, limits=NO_LIMITS, link_failed=lambda *_: None)
        link = CallLink(1, "peer", pair.near, SAFE, owner)
        waiter = SyncWaiter()
        link.start(1, waiter, _frame(CALL, 1), soon(), soon())  # which starts the pump
        finished = threading.Event()

        def finish() -> None:
            link.finish()
            finished.set()

        with monkeypatch.context() as patch:
            patch.setattr(threads, "start", _no_thread)
            link.close(ModuleCrashedError("it died"))
            threads.start_or_postpone(finish, "logos-close-peer")
        assert finished.wait(15)
        assert threads.join(10)


def _no_thread(*_: object) -> None:
    raise RuntimeError("can't create new thread at interpreter shutdown")
