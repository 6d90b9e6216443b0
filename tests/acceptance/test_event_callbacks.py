"""Callbacks that last, wait, call back or end things: what they hold up, and what they do not."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
from helpers import wait_until

from logoscore import Core, Event

PATIENCE = 30.0
LARGE = "x" * 30_000  # the ring of events holds four of these


@pytest.fixture
def events(core: Core) -> Any:
    return core.load_plugin("events")


def test_a_callback_that_lasts_does_not_hold_up_the_publisher(events: Any) -> None:
    seen: list[int] = []
    go_on = threading.Event()

    def callback(event: Event) -> None:
        seen.append(event.data[0])
        assert go_on.wait(PATIENCE)

    events.on_event("large", callback)
    for number in range(100):
        events.call("emit", "large", number, LARGE)  # each returns, though nobody has taken in the first
    assert seen == [0]
    go_on.set()
    wait_until(lambda: seen == list(range(100)), what="every callback")


def test_a_second_subscription_comes_while_a_callback_runs(events: Any) -> None:
    first: list[int] = []
    second: list[int] = []
    go_on = threading.Event()

    def callback(event: Event) -> None:
        first.append(event.data[0])
        assert go_on.wait(PATIENCE)

    events.on_event("tick", callback)
    events.call("emit", "tick", 0)
    wait_until(lambda: first == [0])
    other = events.on_event("tick", lambda event: second.append(event.data[0]))
    events.call("emit_n", "tick", 3)
    wait_until(lambda: second == [0, 1, 2], what="what the first does not hold up")
    assert first == [0]
    other.cancel()
    go_on.set()
    wait_until(lambda: first == [0, 0, 1, 2])
    events.call("emit", "tick", 7)
    wait_until(lambda: first == [0, 0, 1, 2, 7])
    assert second == [0, 1, 2]


def test_a_callback_reloads_its_publisher(core: Core, events: Any) -> None:
    seen: list[tuple[Any, bool]] = []

    def callback(event: Event) -> None:
        seen.append((event.data[0], event.gap))
        if event.data[0] == "reload":
            core.reload_plugin("events")
            events.call("emit", "tick", "inside")

    subscription = events.on_event("tick", callback)
    events.call("emit", "tick", "reload")
    wait_until(lambda: len(seen) == 2)
    events.call("emit", "tick", "after")
    wait_until(lambda: len(seen) == 3)
    assert seen == [("reload", False), ("inside", True), ("after", False)]
    assert subscription.gaps == 1


def test_a_callback_that_hangs_does_not_keep_the_end_of_its_publisher_from_anybody(core: Core, events: Any) -> None:
    go_on = threading.Event()
    begun = threading.Event()
    seen: list[int] = []

    def callback(event: Event) -> None:
        seen.append(event.data[0])
        begun.set()
        assert go_on.wait(PATIENCE)

    events.on_event("tick", callback)
    events.call("emit", "tick", 1)
    assert begun.wait(PATIENCE)
    core.unload_plugin("events")
    core.load_plugin("events")
    events.call("emit_n", "tick", 2)
    with events.subscribe("other") as other:
        events.call("emit", "other", "heard")
        assert other.get(PATIENCE).data == ("heard",)
    assert seen == [1]
    go_on.set()
    wait_until(lambda: seen == [1, 0, 1])


def test_threads_that_have_changed_parts_are_called_by_what_they_do(core: Core, events: Any) -> None:
    go_on = threading.Event()
    seen: list[int] = []

    def callback(event: Event) -> None:
        seen.append(event.data[0])
        assert go_on.wait(PATIENCE)

    def names() -> Counter[str]:
        return Counter(
            each.name for each in threading.enumerate() if each.name.startswith(("logos-on", "logos-events"))
        )

    before = names()
    subscription = events.on_event("tick", callback)
    expected = names()
    assert (expected - before).total() == 2
    events.call("emit_n", "tick", 2)
    wait_until(lambda: subscription.pending == 1)  # so another reads, while the one that has read runs the callback
    go_on.set()
    core.reload_plugin("events")
    events.call("emit_n", "tick", 1)
    wait_until(lambda: seen == [0, 1, 0])
    wait_until(lambda: names() == expected)


def test_a_callback_cancels_itself(events: Any) -> None:
    seen: list[int] = []
    before = set(threading.enumerate())

    def callback(event: Event) -> None:
        seen.append(event.data[0])
        subscription.cancel()

    subscription = events.on_event("tick", callback)
    events.call("emit_n", "tick", 5)
    with events.subscribe("barrier") as barrier:
        events.call("emit", "barrier", 9)
        assert barrier.get(PATIENCE).data == (9,)  # by now all five have been read, whoever runs the callback for them
    wait_until(lambda: not [each for each in set(threading.enumerate()) - before if each.name == "logos-on-events"])
    assert seen == [0]
    assert subscription.cancelled
