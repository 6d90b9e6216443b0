"""Callbacks of ``on_event``: run by the thread that reads, and by another where they last; in order, one at a time."""

from __future__ import annotations

import contextlib
import queue
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from helpers import wait_until
from transport_support import PATIENCE, Worker

from logoscore.errors import ModuleCrashedError, ProtocolViolationError
from logoscore.interface import Event
from logoscore.session.on_event import Listener, Part, play
from logoscore.session.subscription import Subscription


class Source:
    """What an EventLink is to a listener: events that come one after the other, and a thread that hands them on."""

    def __init__(self, listener: Listener, subscription: Subscription) -> None:
        self.waiting: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self.readers: list[str] = []  # who read each event
        self.inline = True
        self.ended = threading.Event()
        self._listener = listener
        self._subscription = subscription

    def send(self, *numbers: int) -> None:
        for number in numbers:
            self.waiting.put(Event("chat", "said", (), number, 0.0))

    def read(self) -> Part | None:
        while (event := self.waiting.get()) is not None:
            self.readers.append(threading.current_thread().name)
            mine = self._listener.begin(event, 1, self.read) if self.inline else None
            if mine is None:
                self._subscription._push(event, 1)
                continue
            part = self._listener.run(mine)
            if part is not None:
                return part
        self.ended.set()
        return None


class Setting:
    def __init__(self, callback: Callable[[Event], Any], **options: Any) -> None:
        self.subscription = Subscription("chat", "said", 1000, "block", lambda _: None)
        self.listener = Listener(self.subscription, callback, contextlib.nullcontext, "till", **options)
        self.source = Source(self.listener, self.subscription)
        self.threads = [Worker(play, self.listener.consume), Worker(play, self.source.read)]

    def end(self) -> None:
        self.source.waiting.put(None)
        assert self.source.ended.wait(PATIENCE)
        self.subscription.cancel()
        for thread in self.threads:
            thread.result()


@pytest.fixture
def make() -> Iterator[Callable[..., Setting]]:
    made: list[Setting] = []

    def start(callback: Callable[[Event], Any], **options: Any) -> Setting:
        made.append(Setting(callback, **options))
        return made[-1]

    yield start
    for each in made:
        each.end()


def test_a_quick_callback_runs_in_the_thread_that_reads(make: Callable[..., Setting]) -> None:
    ran: list[tuple[int, str]] = []
    setting = make(lambda event: ran.append((event.sequence, threading.current_thread().name)))
    setting.source.send(1)
    wait_until(lambda: len(ran) == 1)
    assert ran == [(1, setting.source.readers[0])]


def test_a_callback_that_lasts_does_not_keep_the_next_events_unread(make: Callable[..., Setting]) -> None:
    ran: list[int] = []
    go_on = threading.Event()

    def callback(event: Event) -> None:
        ran.append(event.sequence)
        assert event.sequence > 1 or go_on.wait(PATIENCE)

    setting = make(callback)
    setting.source.send(1, 2, 3, 4)
    wait_until(lambda: setting.subscription.pending == 3)
    assert ran == [1]
    assert setting.source.readers[0] not in setting.source.readers[1:]  # the two have changed parts
    go_on.set()
    wait_until(lambda: ran == [1, 2, 3, 4])
    setting.source.send(5)
    wait_until(lambda: ran == [1, 2, 3, 4, 5])


def test_a_cancel_in_the_middle_of_a_callback_is_the_end(make: Callable[..., Setting]) -> None:
    ran: list[int] = []

    def callback(event: Event) -> None:
        ran.append(event.sequence)
        setting.subscription.cancel()

    setting = make(callback)
    setting.source.send(1, 2)
    wait_until(lambda: len(setting.source.readers) == 2)
    assert ran == [1]


def test_a_loss_is_said_and_the_callback_goes_on(
    make: Callable[..., Setting], caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[int] = []
    setting = make(lambda event: ran.append(event.sequence))
    setting.source.send(1)
    wait_until(lambda: ran == [1])
    setting.subscription._tell_lost(ModuleCrashedError("chat crashed", module="chat"))
    wait_until(lambda: "waits until its module is loaded again" in caplog.text)
    setting.source.send(2)
    wait_until(lambda: ran == [1, 2])


def test_the_first_event_after_a_gap_says_so(make: Callable[..., Setting]) -> None:
    ran: list[tuple[int, bool]] = []
    setting = make(lambda event: ran.append((event.sequence, event.gap)))
    for number in (1, 2):
        setting.subscription._connected(number)
        setting.source.send(2 * number - 1, 2 * number)
        wait_until(lambda number=number: len(ran) == 2 * number)
    assert ran == [(1, False), (2, False), (3, True), (4, False)]


@pytest.mark.parametrize("inline", [True, False])
def test_a_callback_that_says_exit_is_the_last(make: Callable[..., Setting], inline: bool) -> None:
    codes: list[object] = []
    ran: list[int] = []

    def callback(event: Event) -> None:
        ran.append(event.sequence)
        raise SystemExit(3)

    setting = make(callback, on_exit=codes.append)
    setting.source.inline = inline
    setting.source.send(1, 2)
    wait_until(lambda: codes == [3] and len(setting.source.readers) == 2)
    assert ran == [1]


def test_what_the_callback_raises_does_not_end_the_reading(
    make: Callable[..., Setting], caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[int] = []

    def callback(event: Event) -> None:
        ran.append(event.sequence)
        raise SystemExit("of an app, whose end is not a callback's to decide") if event.sequence == 1 else KeyError("k")

    setting = make(callback)
    setting.source.send(1, 2, 3)
    wait_until(lambda: ran == [1, 2, 3])
    said = f"till: the callback {__name__}.{callback.__qualname__} for chat.said raised"
    assert caplog.messages == [said, said, f"{said} (2 times by now; what recurs is not logged each time)"]
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [SystemExit, KeyError, KeyError]


@pytest.mark.parametrize("seed", range(5))
def test_order_and_number_whoever_runs_them(make: Callable[..., Setting], seed: int) -> None:
    """Quick and slow callbacks, other subscriptions that come and go, bursts: each event once, in order, one at a time."""
    dice = random.Random(seed)
    events = 400
    slow = {dice.randrange(events) for _ in range(6)}
    ran: list[int] = []
    alone = threading.Lock()
    nobody = threading.Event()

    def callback(event: Event) -> None:
        assert alone.acquire(blocking=False)
        ran.append(event.sequence)
        nobody.wait(0.05 if event.sequence in slow else 0)  # it lasts: the point is that others go on meanwhile
        alone.release()

    setting = make(callback)
    sent = 0
    while sent < events:
        burst = min(dice.choice([1, 1, 3, 50]), events - sent)
        setting.source.inline = dice.random() < 0.8
        setting.source.send(*range(sent, sent + burst))
        sent += burst
        if dice.random() < 0.3:
            wait_until(lambda: len(ran) == sent)  # noqa: B023 - at once
    wait_until(lambda: len(ran) == events)
    assert ran == list(range(events))


def test_the_end_of_a_subscription_by_an_error_is_said(
    make: Callable[..., Setting], caplog: pytest.LogCaptureFixture
) -> None:
    setting = make(lambda _: None)
    setting.subscription._fail(ProtocolViolationError("over"))
    wait_until(lambda: "has ended: over" in caplog.text)
