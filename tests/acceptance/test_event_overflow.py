"""A subscriber that does not keep up: what each overflow policy keeps, counts and ends."""

from __future__ import annotations

from typing import Any

import pytest

from acceptance.support import take
from logoscore import Core
from logoscore.errors import ChannelClosedError

FLOOD = 300


@pytest.fixture(scope="module")
def events(shared_core: Core) -> Any:
    return shared_core.load_plugin("events")


def flood(events: Any) -> None:
    """Publish FLOOD ticks, and wait until this process has been handed all of them."""
    with events.subscribe("flood_done") as done:
        events.call("flood", "tick", FLOOD)
        assert next(iter(done)).data == (FLOOD,)


def test_drop_oldest_keeps_the_last(events: Any) -> None:
    with events.subscribe("tick", maxsize=4, overflow="drop_oldest") as slow:
        flood(events)
        assert [event.data[0] for event in take(slow, 4)] == list(range(FLOOD - 4, FLOOD))
        assert slow.dropped == FLOOD - 4
        events.call("emit", "tick", "after")
        assert next(iter(slow)).data == ("after",)
        assert slow.dropped == FLOOD - 4


def test_drop_newest_keeps_the_first(events: Any) -> None:
    with events.subscribe("tick", maxsize=4, overflow="drop_newest") as slow:
        flood(events)
        assert [event.data[0] for event in take(slow, 4)] == [0, 1, 2, 3]
        assert slow.dropped == FLOOD - 4
        events.call("emit", "tick", "after")
        assert next(iter(slow)).data == ("after",)


def test_disconnect_drains_and_then_raises(events: Any) -> None:
    slow = events.subscribe("tick", maxsize=4, overflow="disconnect")
    flood(events)
    iterator = iter(slow)
    assert [next(iterator).data[0] for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ChannelClosedError) as caught:
        next(iterator)
    assert "events" in str(caught.value)
    slow.cancel()


def test_disconnect_leaves_other_subscribers_alone(events: Any) -> None:
    with events.subscribe("tick") as fast, events.subscribe("tick", maxsize=1, overflow="disconnect") as slow:
        flood(events)
        assert [event.data[0] for event in take(fast, FLOOD)] == list(range(FLOOD))
        assert next(iter(slow)).data == (0,)
        with pytest.raises(ChannelClosedError):
            next(iter(slow))


def test_block_loses_nothing(events: Any) -> None:
    with events.subscribe("tick", maxsize=2, overflow="block") as slow:
        pending = events.submit("emit_n", "tick", 5000)
        assert [event.data[0] for event in take(slow, 5000)] == list(range(5000))
        assert pending.result(timeout=20) == 5000
        assert slow.dropped == 0


def test_a_blocked_publisher_still_replies_to_others(events: Any) -> None:
    with events.subscribe("tick", maxsize=1, overflow="block") as slow:
        pending = events.submit("emit_n", "tick", 20_000)
        assert events.call("emit_n", "other", 0) == 0
        assert [event.data[0] for event in take(slow, 20_000)] == list(range(20_000))
        assert pending.result(timeout=20) == 20_000


def test_cancel_releases_a_blocked_publisher(events: Any) -> None:
    slow = events.subscribe("tick", maxsize=1, overflow="block")
    pending = events.submit("emit_n", "tick", 20_000)
    assert next(iter(slow)).data == (0,)
    slow.cancel()
    assert pending.result(timeout=20) == 20_000


def test_wrong_policy_is_refused(events: Any) -> None:
    with pytest.raises(ValueError, match="drop_everything"):
        events.subscribe("tick", overflow="drop_everything")


@pytest.mark.parametrize("maxsize", [0, -1])
def test_wrong_size_is_refused(events: Any, maxsize: int) -> None:
    with pytest.raises(ValueError, match="maxsize"):
        events.subscribe("tick", maxsize=maxsize)
