"""Generator methods, sync and async, through ``client.stream``."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Any, Protocol

import pytest
from helpers import wait_until

from acceptance.support import raises_remotely
from logoscore import Core
from logoscore.errors import CallError, ChannelClosedError, ModuleCrashedError, UnknownMethodError


@pytest.fixture
def timing(core: Core) -> Any:
    return core.load_plugin("async_timing")


@pytest.mark.parametrize("method", ["count_to", "async_count_to"])
@pytest.mark.parametrize("limit", [0, 1, 1000])
def test_all_items_in_order(timing: Any, method: str, limit: int) -> None:
    assert list(timing.stream(method, limit)) == list(range(limit))
    wait_until(lambda: timing.call("counters") == {"closed": 1}, what="the end of the generator")


@pytest.mark.parametrize("method", ["count_to", "async_count_to"])
def test_closing_early_closes_the_generator(timing: Any, method: str) -> None:
    stream = iter(timing.stream(method, 10**9))
    assert list(islice(stream, 3)) == [0, 1, 2]
    stream.close()
    wait_until(lambda: timing.call("counters") == {"closed": 1}, what="the end of the generator")
    assert timing.call("add", 1, 2) == 3


def _let_it_wait(timing: Any) -> Any:
    """A stream whose generator waits for something that does not come, in its module's only turn."""
    stream = timing.stream("one_and_no_more")
    assert next(stream) == 1
    return stream


def test_closing_ends_an_async_generator_that_waits(timing: Any) -> None:
    _let_it_wait(timing).close()
    wait_until(lambda: timing.call("counters") == {"started": 1, "closed": 1}, what="the end of the generator")
    assert list(timing.stream("async_count_to", 3)) == [0, 1, 2]


def test_closing_before_an_async_generator_waits(timing: Any) -> None:
    for _ in range(20):
        timing.stream("one_and_no_more").close()
    assert timing.call("add", 1, 2) == 3
    assert list(timing.stream("async_count_to", 3)) == [0, 1, 2]


def test_unloading_ends_a_stream_whose_generator_waits(core: Core, timing: Any) -> None:
    stream = _let_it_wait(timing)
    core.unload_plugin("async_timing")
    with pytest.raises(ChannelClosedError, match=r"async_timing.*unloaded"):
        next(stream)
    assert list(core.load_plugin("async_timing").stream("async_count_to", 3)) == [0, 1, 2]


def test_back_pressure(timing: Any) -> None:
    stream = iter(timing.stream("count_produced", 10**9))
    assert next(stream) == 0
    looks = [-1]

    def stands_still() -> bool:
        looks.append(timing.call("counters")["produced"])
        return looks[-1] == looks[-2]

    wait_until(stands_still, what="a generator that nobody reads standing still")
    assert 1 <= looks[-1] < 1_000_000
    stream.close()
    assert timing.call("add", 1, 2) == 3


def test_what_the_generator_raises_comes_after_its_items(timing: Any) -> None:
    received = []
    with raises_remotely("ValueError") as caught:
        for item in timing.stream("fail_after", 3):
            received.append(item)  # noqa: PERF402 - what came before the error must be kept
    assert received == [0, 1, 2]
    assert caught.value.message == "deliberate"


def test_two_streams_at_once(timing: Any) -> None:
    pairs = zip(timing.stream("count_to", 100), timing.stream("async_count_to", 100), strict=True)
    assert list(pairs) == [(number, number) for number in range(100)]


def test_stream_of_an_unknown_method(timing: Any) -> None:
    with pytest.raises(UnknownMethodError, match="no_such_stream"):
        list(timing.stream("no_such_stream"))


@pytest.mark.parametrize(
    ("method", "args", "reason"),
    [
        ("blocking_echo_with_delay", ([1, 2], 0.0), None),  # annotated as Any: what it returns may be streamed
        ("remaining", (), "returns float"),
        ("add", (1, 2), "is an async def method without yield"),
        ("add", ("not", "looked at"), "is an async def method without yield"),
    ],
)
def test_what_says_that_it_is_nothing_to_stream_does_not_run(
    timing: Any, method: str, args: tuple[Any, ...], reason: str | None
) -> None:
    if reason is None:
        assert list(timing.stream(method, *args)) == args[0]
        return
    calls = timing.methods() and timing.call("counters")
    with pytest.raises(
        CallError, match=rf"async_timing\.{method} {reason}: use client\.call\('{method}', \.\.\.\)"
    ) as caught:
        list(timing.stream(method, *args))
    assert (type(caught.value), caught.value.method) == (CallError, method)
    assert timing.call("counters") == calls


def test_a_plain_method_that_did_not_say_so_is_told_when_it_has_run(timing: Any) -> None:
    with raises_remotely("TypeError") as caught:
        list(timing.stream("blocking_echo_with_delay", 5, 0.0))
    assert "returns int, which is nothing to stream: use client.call" in str(caught.value)


class Misread(Protocol):
    def count_to(self, limit: int): ...


def test_a_generator_that_is_called_is_told_of_stream_and_of_the_annotation(timing: Any) -> None:
    for call in (lambda: timing.call("count_to", 3), lambda: timing.bind(Misread).count_to(3)):
        with pytest.raises(
            CallError, match=r"use client\.stream\('count_to', .*interface for bind.*-> Iterator\[\.\.\.\]"
        ):
            call()


def test_async_with_ends_a_stream(timing: Any) -> None:
    async def first() -> int:
        async with timing.stream("count_to", 10**9) as stream:
            return await anext(stream)

    assert asyncio.run(first()) == 0
    wait_until(lambda: timing.call("counters") == {"closed": 1}, what="the end of the generator")


def test_crash_ends_the_stream(core: Core) -> None:
    crash = core.load_plugin("crash")
    with pytest.raises(ModuleCrashedError, match="crash"):
        list(crash.stream("count_then_crash", 3))
    stream = iter(core.load_plugin("async_timing").stream("count_to", 3))
    assert list(stream) == [0, 1, 2]
