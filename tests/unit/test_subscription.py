"""A subscription: order, bounds, gaps, and every way to wait and to end."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

import pytest
from gate_support import idle, waiting
from helpers import wait_until
from transport_support import PATIENCE, Worker

from logoscore.errors import ChannelClosedError, ProtocolViolationError
from logoscore.interface import Event
from logoscore.session.execution import RunningCall, current_call
from logoscore.session.gate import Gate
from logoscore.session.on_event import Listener
from logoscore.session.subscription import OVERFLOWS, Subscription
from logoscore.transport.frame import FOREVER


def event(number: int, name: str = "tick") -> Event:
    return Event("clock", name, (number,), number, 0.0)


def subscription(maxsize: int = 4, overflow: Any = "block", name: str | None = "tick") -> Subscription:
    return Subscription("clock", name, maxsize, overflow, lambda _: None)


def push(target: Subscription, *numbers: int, link: int = 1) -> None:
    for number in numbers:
        target._push(event(number), link)


def taken(target: Subscription) -> list[int]:
    return [target.get(0).sequence for _ in range(target.pending)]


# --- made right -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("overflow", ["", "drop", None, "BLOCK"])
def test_an_unknown_overflow_is_refused(overflow: Any) -> None:
    with pytest.raises(ValueError, match="overflow"):
        subscription(overflow=overflow)


@pytest.mark.parametrize("maxsize", [0, -1, 1.0, True, None, "4"])
def test_a_maxsize_is_a_whole_number_of_at_least_one(maxsize: Any) -> None:
    with pytest.raises(ValueError, match="maxsize"):
        subscription(maxsize)


@pytest.mark.parametrize("overflow", OVERFLOWS)
def test_within_its_bounds_it_keeps_everything_in_order(overflow: Any) -> None:
    target = subscription(3, overflow)
    for start in range(0, 30, 3):
        push(target, start, start + 1, start + 2)
        assert target.pending == 3
        assert taken(target) == [start, start + 1, start + 2]
    assert target.dropped == 0


# --- overflow ---------------------------------------------------------------------------------------------------------


def test_drop_oldest_keeps_the_newest() -> None:
    target = subscription(3, "drop_oldest")
    push(target, *range(10))
    assert (taken(target), target.dropped) == ([7, 8, 9], 7)


def test_drop_newest_keeps_the_oldest() -> None:
    target = subscription(3, "drop_newest")
    push(target, *range(10))
    assert (taken(target), target.dropped) == ([0, 1, 2], 7)
    push(target, 10)
    assert (taken(target), target.dropped) == ([10], 7)


def test_disconnect_delivers_what_waits_and_then_says_why() -> None:
    target = subscription(2, "disconnect")
    push(target, 1, 2, 3, 4)
    assert [target.get().sequence, next(target).sequence] == [1, 2]
    for again in (lambda: target.get(), lambda: target.get(0), lambda: next(target)):
        with pytest.raises(ChannelClosedError, match="'disconnect'"):
            again()
    push(target, 5)
    with pytest.raises(ChannelClosedError, match="fell behind"):
        next(target)
    target.cancel()
    with pytest.raises(StopIteration):
        next(target)


def test_block_makes_the_publisher_wait_and_loses_nothing() -> None:
    target = subscription(2, "block")
    publisher = Worker(push, target, *range(100))
    assert [target.get(PATIENCE).sequence for _ in range(100)] == list(range(100))
    publisher.result()
    assert (target.pending, target.dropped) == (0, 0)


def end_by_cancel(target: Subscription) -> None:
    target.cancel()


def end_by_failure(target: Subscription) -> None:
    target._fail(ProtocolViolationError("the publisher broke the rules"))


@pytest.mark.parametrize("end", [end_by_cancel, end_by_failure])
def test_the_end_wakes_a_publisher_that_waits(end: Callable[[Subscription], None]) -> None:
    target = subscription(1, "block")
    publisher = Worker(push, target, 1, 2, 3)
    wait_until(lambda: target.pending == 1)
    end(target)
    publisher.result()


# --- gaps -------------------------------------------------------------------------------------------------------------


def test_the_first_channel_is_no_gap_and_every_later_one_is() -> None:
    target = subscription(8)
    target._connected(1)
    push(target, 1)
    assert target.gaps == 0
    target._connected(2)
    target._connected(3)
    assert target.gaps == 2
    push(target, 2, 3, link=3)
    assert [(each.sequence, each.gap) for each in (target.get(0) for _ in range(3))] == [
        (1, False),
        (2, True),
        (3, False),
    ]


def test_what_the_channel_before_still_held_comes_before_the_gap() -> None:
    target = subscription(8)
    push(target, 7, link=1)  # closed when we came, so nobody has told us of it
    target._connected(2)
    push(target, 1, link=2)
    assert [(each.sequence, each.gap) for each in (target.get(0), target.get(0))] == [(7, False), (1, True)]
    assert target.gaps == 1


def test_a_channel_is_the_same_whoever_tells_of_it_first() -> None:
    target = subscription(8)
    push(target, 1)
    target._connected(1)
    target._connected(1)
    push(target, 2)
    assert [target.get(0).gap, target.get(0).gap, target.gaps] == [False, False, 0]


def test_a_gap_waits_for_an_event_that_is_kept() -> None:
    target = subscription(1, "drop_newest")
    target._connected(1)
    push(target, 1)
    target._connected(2)
    push(target, 2, link=2)
    assert target.get(0).gap is False
    push(target, 3, link=2)
    assert (target.get(0).gap, target.dropped) == (True, 1)


# --- waiting ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [0, 0.0, -1, 0.01])
def test_get_gives_up_at_its_timeout(timeout: float) -> None:
    target = subscription()
    with pytest.raises(TimeoutError, match="clock"):
        target.get(timeout)
    push(target, 1)
    assert target.get(timeout).sequence == 1


def test_get_without_a_limit_in_either_spelling() -> None:
    for timeout in (None, float("inf")):
        target = subscription()
        worker = Worker(target.get, timeout)
        push(target, 1)
        assert worker.result().sequence == 1


@pytest.mark.parametrize("timeout", [None, PATIENCE])
def test_who_comes_too_late_for_an_event_waits_for_the_next(timeout: float | None) -> None:
    """Two wait; one event comes; the other one's thread runs on only when it is gone already."""
    target = subscription()
    gate = Gate(1)
    assert gate.enter()

    def slow() -> Event:
        current_call.set(RunningCall("peer", FOREVER, gate, None, [gate]))
        return target.get(timeout)

    worker = Worker(slow)
    wait_until(lambda: idle(gate))  # it waits for an event, and has given its turn away
    assert gate.enter()
    push(target, 1)
    wait_until(lambda: waiting(gate) == 1)  # it was woken, and waits for its turn
    assert target.get(0).sequence == 1
    gate.leave()
    wait_until(lambda: idle(gate) or not worker.is_alive())  # it waits again (or has wrongly ended)
    push(target, 2)
    assert worker.result().sequence == 2


def test_many_readers_share_the_events() -> None:
    target = subscription(3)
    readers = [Worker(lambda: [each.sequence for each in target]) for _ in range(4)]
    push(target, *range(200))
    wait_until(lambda: target.pending == 0)
    target.cancel()
    shares = [reader.result() for reader in readers]
    assert sorted(number for share in shares for number in share) == list(range(200))
    assert all(share == sorted(share) for share in shares)


def test_whatever_way_a_reader_takes_an_event_a_publisher_that_waits_for_room_hears_of_it() -> None:
    """The reader finds nothing; before it has the lock, one event comes in and the next one waits for room."""
    target = subscription(1)
    target._changed = Late(lambda: Worker(push, target, 1, 2), lambda: target._waiting == 1)  # type: ignore[assignment]
    assert target.get(PATIENCE).sequence == 1
    assert target._changed.told, "the publisher looks again by itself only after a while"
    assert target.get(PATIENCE).sequence == 2


class Late(threading.Condition):
    """Whose first taker comes too late: others have been quicker."""

    def __init__(self, others: Callable[[], object], ready: Callable[[], bool]) -> None:
        super().__init__()
        self._others: Callable[[], object] | None = others
        self._ready = ready
        self.told = False

    def __enter__(self) -> bool:
        others, self._others = self._others, None
        if others is not None:
            others()
            wait_until(self._ready)
        return super().__enter__()

    def notify_all(self) -> None:
        self.told = True
        super().notify_all()


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest"])
def test_every_event_is_taken_or_counted_as_dropped_however_readers_and_publisher_meet(
    overflow: Any, hectic: None
) -> None:
    target = subscription(1, overflow)
    ended = threading.Event()

    def read() -> int:
        count = 0
        while target.pending or not ended.is_set():
            with contextlib.suppress(TimeoutError):
                target.get(0)
                count += 1
        return count

    readers = [Worker(read) for _ in range(2)]
    push(target, *range(20_000))
    ended.set()
    assert sum(reader.result() for reader in readers) + target.dropped == 20_000


def test_an_event_that_a_reader_took_just_before_it_was_to_be_dropped_does_not_count_as_dropped() -> None:
    target = subscription(1, "drop_oldest")
    push(target, 1)
    make_room = target._make_room

    def late(*args: Any) -> bool:
        assert target.get(0).sequence == 1
        return make_room(*args)

    target._make_room = late  # type: ignore[method-assign]
    push(target, 2)
    assert (taken(target), target.dropped) == ([2], 0)


# --- ending -----------------------------------------------------------------------------------------------------------


def test_cancel_wakes_everybody_and_drops_what_waits() -> None:
    target = subscription()
    iterating = [Worker(list, target) for _ in range(3)]
    getting = [Worker(target.get, timeout) for timeout in (None, PATIENCE)]
    target.cancel()
    assert [worker.result() for worker in iterating] == [[], [], []]
    for worker in getting:
        with pytest.raises(ChannelClosedError, match="cancelled"):
            worker.result()
    push(target, 1)
    assert (target.pending, target.cancelled, list(target)) == (0, True, [])


def test_cancel_tells_once_and_leaving_the_block_cancels() -> None:
    told: list[Subscription] = []
    with Subscription("clock", None, 4, "block", told.append) as target:
        push(target, 1)
    target.cancel()
    assert told == [target]
    assert list(target) == []
    assert repr(target) == "<Subscription clock.*: cancelled>"


def test_a_failure_comes_after_what_waits_and_the_first_one_counts() -> None:
    target = subscription()
    push(target, 1)
    target._fail(ProtocolViolationError("first"))
    target._fail(ChannelClosedError("second"))
    push(target, 2)
    assert target.get().sequence == 1
    with pytest.raises(ProtocolViolationError, match="first"):
        target.get()


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest", "disconnect"])
def test_after_a_failure_nothing_pushes_out_what_waits(overflow: Any) -> None:
    target = subscription(2, overflow)
    push(target, 1, 2)
    target._fail(ProtocolViolationError("over"))
    push(target, 3)
    assert [target.get(0).sequence, target.get(0).sequence] == [1, 2]
    with pytest.raises(ProtocolViolationError, match="over"):
        target.get(0)
    assert target.dropped == 0


# --- asyncio ----------------------------------------------------------------------------------------------------------


def test_async_iteration_sees_every_event_and_ends_with_cancel() -> None:
    target = subscription(2)

    async def main() -> list[int]:
        return [each.sequence async for each in target]

    reader = Worker(lambda: asyncio.run(main()))
    push(target, *range(50))
    wait_until(lambda: target.pending == 0)
    target.cancel()
    assert reader.result() == list(range(50))


def test_cancel_and_failure_wake_async_readers() -> None:
    async def main(end: Callable[[Subscription], None]) -> list[Any]:
        target = subscription()
        readers = [asyncio.ensure_future(anext(target)) for _ in range(3)]
        await asyncio.sleep(0)
        end(target)
        return await asyncio.wait_for(asyncio.gather(*readers, return_exceptions=True), PATIENCE)

    assert [type(each) for each in asyncio.run(main(end_by_cancel))] == [StopAsyncIteration] * 3
    assert [type(each) for each in asyncio.run(main(end_by_failure))] == [ProtocolViolationError] * 3


def test_a_reader_that_gave_up_disturbs_nobody_also_when_its_loop_has_ended() -> None:
    """``push`` runs on the thread that reads for every subscription to this publisher."""
    target = subscription()

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(target), 0.01)

    asyncio.run(give_up())
    push(target, 1)
    assert target.get(0).sequence == 1


# --- callbacks --------------------------------------------------------------------------------------------------------


def test_a_callback_that_raises_is_logged_and_called_again(caplog: pytest.LogCaptureFixture) -> None:
    target = subscription(10)
    guard = threading.RLock()
    seen: list[int] = []

    def callback(happened: Event) -> None:
        seen.append(happened.sequence)
        if happened.sequence == 1:
            raise KeyError("deliberate")

    push(target, 1, 2)
    target._fail(ProtocolViolationError("over"))
    assert Listener(target, callback, lambda: guard, "till").consume() is None
    assert seen == [1, 2]
    assert "deliberate" in caplog.text
    assert "has ended: over" in caplog.text


def test_users_see_what_is_meant_for_them() -> None:
    shown = {name for name in dir(subscription()) if not name.startswith("_")}
    attributes = {"module", "event", "maxsize", "overflow", "dropped", "gaps", "pending", "cancelled"}
    assert shown == attributes | {"get", "cancel"}
