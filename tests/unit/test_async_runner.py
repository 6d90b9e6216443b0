"""The event loop of a party: who waits for it in a thread, and its end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from logoscore.session.async_runner import AsyncRunner, LoopEndedError
from logoscore.session.execution import RunningCall
from logoscore.session.streams import _from_async
from logoscore.transport.frame import FOREVER


@pytest.fixture
def runner() -> Iterator[AsyncRunner]:
    runner = AsyncRunner("test")
    yield runner
    runner.stop()


async def _value(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


def test_what_a_coroutine_gives_and_raises(runner: AsyncRunner) -> None:
    assert runner.complete(_value(3)) == 3

    async def fails() -> None:
        raise SystemExit(4)

    with pytest.raises(SystemExit, match="4"):
        runner.complete(fails())
    assert runner.complete(_value(5)) == 5


def test_a_coroutine_that_stops_the_loop_stops_nothing(runner: AsyncRunner) -> None:
    async def stops() -> str:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        return "it goes on"

    assert runner.complete(stops()) == "it goes on"
    assert runner.complete(_value(1)) == 1


def test_who_waits_for_a_loop_that_ends_hears_of_it(runner: AsyncRunner) -> None:
    waits = threading.Event()

    async def does_not_end_at_once() -> None:
        waits.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.Event().wait()

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(runner.complete, does_not_end_at_once())
        waits.wait()
        runner.stop()
        with pytest.raises(LoopEndedError, match="test has ended"):
            waiting.result()


def test_nobody_waits_for_a_loop_that_has_ended(runner: AsyncRunner) -> None:
    assert runner.complete(_value(1)) == 1
    runner.stop()
    threads = threading.active_count()
    with pytest.raises(LoopEndedError):
        runner.complete(_value(1))
    assert threading.active_count() == threads


def test_the_end_of_the_loop_ends_a_generator_that_waits(runner: AsyncRunner) -> None:
    waits = threading.Event()
    closed: list[str] = []

    async def items() -> AsyncGenerator[int, None]:
        try:
            yield 1
            waits.set()
            await asyncio.Event().wait()
        finally:
            closed.append("closed")

    def read() -> list[int]:
        return list(_from_async(items(), runner))

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        waits.wait()
        runner.stop()
        with pytest.raises((LoopEndedError, asyncio.CancelledError)):
            reading.result()
    assert closed == ["closed"]


def test_a_generator_that_is_closed_after_the_loop_is_closed_already(runner: AsyncRunner) -> None:
    closed: list[str] = []

    async def items() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            closed.append("closed")

    generator = _from_async(items(), runner)
    assert next(generator) == 1
    runner.stop()
    generator.close()
    assert closed == ["closed"]


def test_cancelling_a_call_cancels_what_a_thread_waits_for(runner: AsyncRunner) -> None:
    call = RunningCall("test", FOREVER, None, None, [])
    waits = threading.Event()

    async def for_ever() -> None:
        waits.set()
        await asyncio.Event().wait()

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(runner.complete, for_ever(), call)
        waits.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            waiting.result()
    assert call.on_cancel is None
    with pytest.raises(asyncio.CancelledError):
        runner.complete(for_ever(), call)  # one that comes later


def test_a_task_that_answers_its_cancellation_with_an_exit_cuts_no_other_short(
    caplog: pytest.LogCaptureFixture,
) -> None:
    runner = AsyncRunner("test")
    said: list[Any] = []
    tasks: list[Any] = []

    async def exits() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise SystemExit(3) from None

    async def cleans_up(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            said.append(number)

    async def begins() -> None:
        tasks.extend(map(asyncio.ensure_future, (exits(), *map(cleans_up, range(3)))))

    runner.complete(begins())
    call = RunningCall("peer", FOREVER, None, None, [])
    runner.run(cleans_up(3), call, lambda _, exc: said.append(type(exc).__name__))
    runner.complete(_value(None))  # by now all of them wait
    runner.stop()

    assert sorted(said, key=str) == [0, 1, 2, 3, "CancelledError"]
    assert any("background task" in message for message in caplog.messages)
