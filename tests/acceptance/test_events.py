"""The sample module events: who sees what, in which order, over loads and reloads."""

from __future__ import annotations

import asyncio
import importlib.util
from typing import Any

import pytest
from helpers import wait_until

from acceptance.support import MODULES, take
from logoscore import Core, Event
from logoscore.errors import ModuleNotLoadedError, SerializationError, UnknownModuleError

KINDS = ["none", "bool", "int", "big_int", "float", "str", "bytes", "list", "tuple", "dict", "set", "datetime",
         "decimal", "uuid"]  # fmt: skip


@pytest.fixture(scope="module")
def events(shared_core: Core) -> Any:
    return shared_core.load_plugin("events")


@pytest.fixture(scope="module")
def payloads() -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location("sample_events", MODULES / "events" / "events.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert sorted(module.PAYLOADS) == sorted(KINDS)
    return module.PAYLOADS


def test_event_has_its_parts(events: Any) -> None:
    with events.subscribe("greeting") as subscription:
        events.call("emit", "greeting", "hello")
        event = next(iter(subscription))
    assert type(event) is Event
    assert (event.module, event.name, event.data) == ("events", "greeting", ("hello",))
    assert event.sequence > 0
    assert event.timestamp > 1.6e9
    assert event.gap is False
    assert subscription.gaps == 0
    assert subscription.dropped == 0


@pytest.mark.parametrize("data", [(), ("one",), tuple(range(20)), ("mixed", 1, 2.5, None, [1], {"k": (1, 2)})])
def test_number_of_arguments(events: Any, data: tuple[Any, ...]) -> None:
    with events.subscribe("args") as subscription:
        events.call("emit", "args", *data)
        assert next(iter(subscription)).data == data


def test_async_with_cancels_a_subscription(events: Any) -> None:
    async def first() -> Event:
        async with events.subscribe("args") as subscription:
            await events.submit("emit", "args", 1)
            event: Event = await anext(subscription)
        assert subscription.cancelled
        return event

    assert asyncio.run(first()).data == (1,)


def test_data_that_cannot_travel_is_told_with_the_event(shared_core: Core) -> None:
    with pytest.raises(SerializationError, match=r"^event core\.odd: args\[1\] is an object") as caught:
        shared_core.api.trigger("odd", 1, object())
    assert (caught.value.path, caught.value.type_name) == ("args[1]", "object")


@pytest.mark.parametrize("kind", KINDS)
def test_payload(events: Any, payloads: dict[str, Any], kind: str) -> None:
    with events.subscribe("payload") as subscription:
        events.call("emit_payload", kind)
        (received,) = next(iter(subscription)).data
    assert received == payloads[kind]
    assert type(received) is type(payloads[kind])


def test_named_sees_its_own_and_wildcard_sees_all(events: Any) -> None:
    with events.subscribe("red") as red, events.subscribe("blue") as blue, events.subscribe() as every:
        for name in ("red", "blue", "red", "green", "blue"):
            events.call("emit", name, name)
        assert [event.name for event in take(every, 5)] == ["red", "blue", "red", "green", "blue"]
        assert [event.name for event in take(red, 2)] == ["red", "red"]
        assert [event.name for event in take(blue, 2)] == ["blue", "blue"]
        # Had either seen what is not its own, this would not be the next one.
        for name in ("red", "blue"):
            events.call("emit", name, "last")
        assert next(iter(red)).data == ("last",)
        assert next(iter(blue)).data == ("last",)


def test_many_subscribers(events: Any) -> None:
    subscriptions = [events.subscribe("many") for _ in range(16)]
    events.call("emit_n", "many", 20)
    for subscription in subscriptions:
        assert [event.data[0] for event in take(subscription, 20)] == list(range(20))
        subscription.cancel()


def test_none_after_cancel(events: Any) -> None:
    cancelled = events.subscribe("late")
    with events.subscribe("late") as kept:
        events.call("emit", "late", 1)
        assert next(iter(cancelled)).data == (1,)
        assert next(iter(kept)).data == (1,)
        cancelled.cancel()
        events.call("emit", "late", 2)
        assert next(iter(kept)).data == (2,)
    assert list(cancelled) == []
    assert list(kept) == []
    cancelled.cancel()


def test_callback_until_cancelled(events: Any) -> None:
    seen: list[tuple[Any, ...]] = []
    subscription = events.on_event("called", lambda event: seen.append((event.name, *event.data)))
    events.call("emit_n", "called", 3)
    wait_until(lambda: len(seen) == 3, what="three callbacks")
    assert seen == [("called", 0), ("called", 1), ("called", 2)]
    subscription.cancel()
    with events.subscribe("called") as barrier:
        events.call("emit", "called", 99)
        assert next(iter(barrier)).data == (99,)
    assert len(seen) == 3


def test_callback_that_raises_does_not_end_the_subscription(events: Any) -> None:
    seen: list[int] = []

    def callback(event: Event) -> None:
        seen.append(event.data[0])
        raise ValueError("deliberate")

    subscription = events.on_event("fragile", callback)
    events.call("emit_n", "fragile", 3)
    wait_until(lambda: seen == [0, 1, 2], what="every callback")
    subscription.cancel()


def test_listener_of_the_api(shared_core: Core, events: Any) -> None:
    seen: list[Event] = []
    subscription = shared_core.api.on_event("events", "via_api", seen.append)
    events.call("emit", "via_api", "x")
    wait_until(lambda: seen, what="the callback")
    assert seen[0].data == ("x",)
    subscription.cancel()


def test_async_iteration(events: Any) -> None:
    async def scenario() -> list[Any]:
        received = []
        with events.subscribe("async") as subscription:
            await events.submit("emit_n", "async", 5)
            async for event in subscription:
                received.append(event.data[0])
                if len(received) == 5:
                    return received
        return received

    assert asyncio.run(scenario()) == [0, 1, 2, 3, 4]


def test_order_of_one_publisher_over_its_threads(events: Any) -> None:
    with events.subscribe("threads") as subscription:
        events.call("emit_from_threads", "threads", 8, 50)
        received = take(subscription, 400)
    sequences = [event.sequence for event in received]
    assert sequences == sorted(set(sequences))
    for worker in range(8):
        assert [event.data[1] for event in received if event.data[0] == worker] == list(range(50))


def test_unknown_module(shared_core: Core) -> None:
    with pytest.raises(UnknownModuleError, match="no_such_module") as caught:
        shared_core.get_client("no_such_module").subscribe("tick")
    assert caught.type is not ModuleNotLoadedError


def test_subscribed_before_the_module_is_loaded(core: Core) -> None:
    client = core.get_client("events")
    with client.subscribe("ready") as ready, client.subscribe() as every:
        core.load_plugin("events")
        assert next(iter(ready)).data == ("from init_logos",)
        first = next(iter(every))
        assert (first.name, first.sequence, first.gap) == ("ready", 1, False)


def test_subscription_survives_a_reload_with_a_gap(core: Core) -> None:
    client = core.load_plugin("events")
    with client.subscribe("tick") as subscription:
        client.call("emit_n", "tick", 2)
        assert [(event.data[0], event.gap) for event in take(subscription, 2)] == [(0, False), (1, False)]
        for reloads in (1, 2):
            core.reload_plugin("events")
            client.call("emit_n", "tick", 3)
            received = take(subscription, 3)
            assert [event.data[0] for event in received] == [0, 1, 2]
            assert [event.gap for event in received] == [True, False, False]
            assert subscription.gaps == reloads


def test_subscription_survives_unload_and_load(core: Core) -> None:
    client = core.load_plugin("events")
    seen: list[tuple[int, bool]] = []
    subscription = client.on_event("tick", lambda event: seen.append((event.data[0], event.gap)))
    client.call("emit", "tick", 1)
    wait_until(lambda: len(seen) == 1, what="the first event")
    core.unload_plugin("events")
    core.load_plugin("events").call("emit", "tick", 2)
    wait_until(lambda: len(seen) == 2, what="the event after the load")
    assert seen == [(1, False), (2, True)]
    subscription.cancel()
