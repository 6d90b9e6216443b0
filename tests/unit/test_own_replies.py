"""Who reads the replies to a pumping thread's calls: itself, where it is about to pump, and nobody is forgotten."""

from __future__ import annotations

import threading
from typing import Any

from logoscore.callbacks import Callbacks
from logoscore.session.own_replies import OwnReplies


class Clock:
    def __init__(self) -> None:
        self.now = 10**12

    def __call__(self) -> int:
        return self.now


class FakeCall:
    """A call that has its reply as soon as somebody reads."""

    def __init__(self) -> None:
        self.read_until: list[int] = []
        self._done: list[Any] = []

    def read(self, until: int) -> None:
        self.read_until.append(until)
        for callback in self._done:
            callback(self)

    def add_done_callback(self, callback: Any) -> None:
        self._done.append(callback)

    def result(self) -> int:
        return 3


class FakeClient:
    def __init__(self) -> None:
        self.begun: list[FakeCall] = []
        self.submitted: list[FakeCall] = []

    def begin(self, *_: Any) -> FakeCall:
        self.begun.append(FakeCall())
        return self.begun[-1]

    def submit(self, *_: Any) -> FakeCall:
        self.submitted.append(FakeCall())
        return self.submitted[-1]


def own_replies() -> tuple[OwnReplies, Clock]:
    clock = Clock()
    return OwnReplies(clock), clock


def elsewhere(function: Any) -> Any:
    """What it returns on a thread of its own."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def test_expected_in_a_close_loop_only() -> None:
    own, clock = own_replies()
    assert not own.expected()
    own.pumped(clock.now)
    assert not own.expected()  # once is no loop
    clock.now += 10_000
    own.pumped(clock.now)
    assert own.expected()
    assert not elsewhere(own.expected)
    clock.now += 1_000_000
    assert not own.expected()  # it does something else now
    own.pumped(clock.now)
    assert not own.expected()  # a timer pumps: 1 ms is not close


def test_another_thread_that_pumps_begins_anew() -> None:
    own, clock = own_replies()
    own.pumped(clock.now)
    own.pumped(clock.now)
    elsewhere(lambda: own.pumped(clock.now))
    assert not own.expected()


def test_expected_in_exec_unless_another_thread_is_in_it_too() -> None:
    own, clock = own_replies()
    own.pumped(clock.now)
    own.pumped(clock.now)
    with own.blocking():
        assert own.expected()
        assert not elsewhere(own.expected)
        with own.blocking():  # a callback that calls exec
            assert own.expected()
        assert own.expected()

        def inside_too() -> bool:
            with own.blocking():
                return own.expected()

        assert not elsewhere(inside_too)
    assert own.expected()


def test_each_is_read_once() -> None:
    own, clock = own_replies()
    calls = [FakeCall(), FakeCall()]
    for call in calls:
        own.add(call)  # type: ignore[arg-type]
    own.read(clock.now + 5)
    own.read(clock.now + 6)
    assert [call.read_until for call in calls] == [[clock.now + 5]] * 2


def test_exec_leaves_nobody_to_a_thread_that_pumps_no_more() -> None:
    own, _ = own_replies()
    before, during, last = FakeCall(), FakeCall(), FakeCall()
    own.add(before)  # type: ignore[arg-type]
    with own.blocking():
        assert before.read_until == [0]
        elsewhere(lambda: own.add(during))  # type: ignore[arg-type]
        assert during.read_until == [0]  # exec waits, and would not see it
        own.add(last)  # type: ignore[arg-type]
        assert last.read_until == []  # its own: it comes round
    assert last.read_until == [0]


def test_process_events_reads_in_a_close_loop(monkeypatch: Any) -> None:
    clock = Clock()
    monkeypatch.setattr("logoscore.callbacks.time.monotonic_ns", clock)
    client = FakeClient()
    queue = Callbacks(lambda _: client)  # type: ignore[return-value,arg-type]
    queue._own = OwnReplies(clock)
    told: list[tuple[int, str]] = []

    def call() -> None:
        queue.call("calc", "add", None, lambda *each: told.append(each))

    call()
    assert (len(client.submitted), client.begun) == (1, [])
    queue._own.read(0)
    for _ in range(2):
        queue.process_events()
    call()
    [begun] = client.begun
    assert (begun.read_until, told) == ([], [])
    assert queue.process_events() == 1
    assert begun.read_until == [clock.now + 100_000]
    assert told == [(1, "Method call successful. Result: 3")]
    call()
    queue.tell(lambda *_: None, 1, "")
    queue.process_events()
    assert client.begun[1].read_until == [clock.now]  # something else is due: it is not waited for, and not forgotten
    clock.now += 2_000_000
    call()
    assert (len(client.submitted), len(client.begun)) == (2, 2)
