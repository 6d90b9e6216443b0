"""A subscription whose publisher has crashed and is not restarted: each reader that waits is told, and nobody twice."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers import wait_until

from logoscore.errors import ModuleCrashedError
from logoscore.interface import Event
from logoscore.session.subscription import Subscription

DEAD = ModuleCrashedError("module 'm' ended", module="m", pid=1, exit_code=7)


def subscription() -> Subscription:
    return Subscription("m", None, 10, "block", lambda _: None)


def event(number: int) -> Event:
    return Event("m", "e", (number,), number, 0.0)


def test_what_waits_comes_first_and_it_is_said_once() -> None:
    target = subscription()
    target._push(event(1), 1)
    target._tell_lost(DEAD)
    assert target.get(0).data == (1,)
    with pytest.raises(ModuleCrashedError) as caught:
        target.get(30)
    assert (caught.value.module, caught.value.exit_code) == ("m", 7)
    with pytest.raises(TimeoutError):
        target.get(0)
    assert not target._over()
    target._tell_lost(DEAD)
    with pytest.raises(ModuleCrashedError):
        next(target)


def test_all_who_wait_are_told_and_have_errors_of_their_own() -> None:
    target = subscription()
    waits = [target.get, lambda: target.get(600), lambda: next(target)] * 3
    with ThreadPoolExecutor(len(waits)) as pool:
        waiting = [pool.submit(wait) for wait in waits]
        wait_until(lambda: len(target._changed._waiters) == len(waits), what="their waiting")  # type: ignore[attr-defined]
        target._tell_lost(DEAD)
        errors = [each.exception(30) for each in waiting]
    assert all(type(error) is ModuleCrashedError for error in errors)
    assert len({id(error) for error in errors}) == len(errors), "tracebacks of several threads do not mix"
    with pytest.raises(TimeoutError):
        target.get(0)


def test_a_publisher_that_is_back_is_not_mourned() -> None:
    target = subscription()
    target._connected(1)
    target._tell_lost(DEAD)
    target._connected(2)
    with pytest.raises(TimeoutError):
        target.get(0)
    target._push(event(1), 2)
    assert target.get(0).gap


def test_under_asyncio() -> None:
    target = subscription()

    async def read() -> list[type[BaseException] | None]:
        loop = asyncio.get_running_loop()
        first, second = (asyncio.ensure_future(anext(target)) for _ in range(2))
        await asyncio.sleep(0)
        await loop.run_in_executor(None, target._tell_lost, DEAD)
        outcomes = await asyncio.gather(first, second, return_exceptions=True)
        third = asyncio.ensure_future(anext(target))
        await asyncio.sleep(0)
        assert not third.done(), "it was said"
        await loop.run_in_executor(None, target._push, event(1), 1)
        assert (await third).data == (1,)
        return [type(each) for each in outcomes]  # type: ignore[misc]

    assert asyncio.run(read()) == [ModuleCrashedError, ModuleCrashedError]


def test_a_cancelled_one_says_nothing() -> None:
    target = subscription()
    target._tell_lost(DEAD)
    target.cancel()
    assert list(target) == []
