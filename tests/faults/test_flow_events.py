"""Slow subscribers, full subscriptions and publishers that hang: each holds up as few others as can be."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import pytest
from helpers import wait_until

from faults.hostile import parties, run, stopped
from logoscore.errors import CallTimeoutError, ChannelClosedError


def test_a_publisher_that_hangs_holds_up_only_who_subscribes_to_it(tmp_path: Path) -> None:
    with parties(tmp_path, core={"default_timeout": 6.0}) as (core, evil, victim, _):
        first, second = evil.subscribe("a"), evil.subscribe("b")
        failures: list[BaseException] = []

        def subscribe() -> None:
            try:
                evil.subscribe("c")
            except CallTimeoutError as error:
                failures.append(error)

        threads = [threading.Thread(target=subscribe) for _ in range(3)]
        with stopped(core, "evil"):
            for thread in threads:
                thread.start()
            first.cancel()
            others = [victim.subscribe("fired") for _ in range(3)]
            others[0].cancel()
            second.cancel()
            assert all(thread.is_alive() for thread in threads), "cancelling and subscribing to others waited"
            victim.call("fire", 2)
            assert [event.data[0] for event in (others[1].get(5), others[1].get(5))] == [0, 1]
            for thread in threads:
                thread.join()
        assert len(failures) == 3
        assert all("evil" in str(failure) for failure in failures)
        # And when it is back, the core knows what is wanted of it by now.
        with evil.subscribe("fired") as events:
            evil.call("fire", 1)
            assert events.get(10).data == (0, None)


def test_cancelling_ten_thousand_subscriptions_waits_for_nobody(tmp_path: Path) -> None:
    with parties(tmp_path) as (core, evil, victim, _):
        subscriptions = [evil.subscribe(f"event {number}") for number in range(300)]
        with stopped(core, "evil"):
            for subscription in subscriptions:
                subscription.cancel()
            assert victim.call("echo", 1) == 1
        wait_until(lambda: run(evil, "R = sum(len(o.names) for o in node.publisher._outlets.values())") == 0)


def test_one_full_subscription_does_not_starve_the_others(tmp_path: Path) -> None:
    with parties(tmp_path, core={"default_timeout": 4.0}) as (_, evil, _, _):
        full = evil.subscribe("fired", maxsize=5)
        others = [evil.subscribe("fired"), evil.subscribe()]
        evil.call("fire", 200, timeout=60.0)
        for other in others:
            assert [other.get(20).data[0] for _ in range(200)] == list(range(200))
        assert [full.get(5).data[0] for _ in range(10)] == list(range(10))
        with pytest.raises(ChannelClosedError, match=r"evil\.fired fell behind: 10 events wait, and for 2 s others"):
            full.get(5)


def test_a_slow_callback_does_not_take_its_neighbours_with_it(tmp_path: Path) -> None:
    """It goes on all the time, and never catches up: it ends, not the way that all events of this publisher come by."""
    with parties(tmp_path, core={"default_timeout": 4.0}) as (_, evil, _, _):
        resting = threading.Event()
        slow = evil.subscribe("fired", maxsize=5)

        def take_slowly() -> None:
            with contextlib.suppress(ChannelClosedError):
                for _ in slow:
                    resting.wait(0.05)

        taker = threading.Thread(target=take_slowly)
        taker.start()
        heard: list[int] = []
        evil.on_event("fired", lambda event: heard.append(event.data[0]))
        evil.call("fire", 20_000, timeout=60.0)
        wait_until(lambda: heard == list(range(20_000)), timeout=60.0)
        taker.join()
        with pytest.raises(ChannelClosedError, match="fell behind"):
            slow.get(0)
        evil.call("fire", 1)
        wait_until(lambda: len(heard) == 20_001)


def test_a_full_subscription_alone_loses_nothing(tmp_path: Path) -> None:
    with parties(tmp_path, core={"default_timeout": 1.0}) as (_, evil, _, _):
        full = evil.subscribe("fired", maxsize=5)
        evil.call("fire", 1000, timeout=20.0)  # they fit into the ring
        never = threading.Event()
        assert not never.wait(2.5), "longer than anybody's patience"
        assert [full.get(5).data[0] for _ in range(1000)] == list(range(1000))


def test_another_one_comes_while_the_first_is_full(tmp_path: Path) -> None:
    with parties(tmp_path, core={"default_timeout": 2.0}) as (_, evil, _, _):
        full = evil.subscribe("fired", maxsize=1)
        evil.call("fire", 10, timeout=20.0)
        wait_until(lambda: full.pending == 1)
        other = evil.subscribe("fired")
        evil.call("fire", 1, timeout=20.0)
        assert other.get(20)
        assert full.get(1)


def test_a_flood_of_events_reaches_only_who_listens(tmp_path: Path) -> None:
    """Its publisher waits; calls to it and to others go on."""
    with parties(tmp_path) as (_, evil, victim, bystander):
        events = evil.subscribe("fired", maxsize=10)
        run(evil, "threading.Thread(target=lambda: self.fire(1 << 40, 'x' * 1000), daemon=True).start()")
        wait_until(lambda: events.pending == 10)
        for number in range(200):
            assert victim.call("echo", number) == number
            assert bystander.call("echo", number) == number
        assert evil.call("echo", 1) == 1
        assert [events.get(5).data[0] for _ in range(500)] == list(range(500))
