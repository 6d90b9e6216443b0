"""Calls that several threads and tasks share: the turn is given away once, comes back once, and is never lost."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from gate_support import as_call, idle, running, waiting
from helpers import wait_until
from transport_support import PATIENCE, Worker

from logoscore import invokable
from logoscore.errors import LogosError
from logoscore.session.async_runner import AsyncRunner
from logoscore.session.execution import RunningCall, yield_turn
from logoscore.session.gate import Gate
from logoscore.session.signature import invokable_methods
from logoscore.session.streams import WINDOW, OutgoingStream
from logoscore.session.turns import give_turn_while
from logoscore.transport.frame import STREAM_END, STREAM_ITEMS


def waits_in(call: RunningCall, leave: threading.Event) -> Worker:
    """A thread that shares ``call`` and waits for something of its own, until ``leave`` is set."""
    inside = threading.Event()

    def wait() -> bool:
        with as_call(call):
            with yield_turn():
                inside.set()
                assert leave.wait(PATIENCE)
            return call.has_turn

    worker = Worker(wait)
    assert inside.wait(PATIENCE)
    return worker


def test_a_thread_that_outlives_its_call_keeps_no_turn() -> None:
    gate = Gate(1)
    assert gate.enter()
    call = running(gate)
    leave = threading.Event()
    worker = waits_in(call, leave)
    call.end()
    leave.set()
    assert worker.result() is False
    assert idle(gate)


def test_a_thread_that_stands_in_line_when_its_call_ends_keeps_no_turn() -> None:
    gate = Gate(1)
    assert gate.enter()
    call = running(gate)
    leave = threading.Event()
    worker = waits_in(call, leave)
    assert gate.enter(0) is True, "another call"
    leave.set()
    wait_until(lambda: waiting(gate) == 1)
    call.end()
    gate.leave()
    assert worker.result() is False
    assert idle(gate)


def test_a_coroutine_and_a_thread_of_it_do_not_wait_for_each_others_turn() -> None:
    """The thread gave the turn away, the coroutine got it back and waits for the thread."""
    gate = Gate(1)
    assert gate.enter()
    call = running(gate)
    leave = threading.Event()

    async def main() -> bool:
        call.loop_thread = threading.get_ident()
        with as_call(call):
            worker = waits_in(call, leave)
            own: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(own.set_result, None)
            await give_turn_while(own)
            assert call.has_turn
            leave.set()
            return bool(await asyncio.get_running_loop().run_in_executor(None, worker.result))

    assert asyncio.run(main()) is True
    call.end()
    assert idle(gate)


def test_whoever_of_a_call_gets_the_turn_first_gets_it_for_all() -> None:
    """A coroutine and a thread of it stand in line, behind another call."""
    gate = Gate(1)
    assert gate.enter()
    call = running(gate)
    leave = threading.Event()

    async def main() -> list[bool]:
        call.loop_thread = threading.get_ident()
        loop = asyncio.get_running_loop()
        with as_call(call):
            worker = waits_in(call, leave)
            assert gate.enter(0) is True, "another call"
            own: asyncio.Future[None] = loop.create_future()
            own.set_result(None)
            task = asyncio.ensure_future(give_turn_while(own))
            while waiting(gate) < 1:
                await asyncio.sleep(0)
            leave.set()
            while waiting(gate) < 2:
                await asyncio.sleep(0)
            gate.leave()
            await asyncio.wait_for(task, PATIENCE)
            return [call.has_turn, bool(await loop.run_in_executor(None, worker.result))]

    assert asyncio.run(main()) == [True, True]
    call.end()
    assert idle(gate)


@pytest.mark.parametrize("limit", [1, 2])
def test_threads_of_many_calls_never_have_more_turns_than_there_are(limit: int, hectic: None) -> None:
    """Each call is shared by threads that wait, and ends while some of them still do."""
    gate = Gate(limit)
    inside: list[int] = []
    most: list[int] = []

    def helper(call: RunningCall, chance: random.Random) -> None:
        with as_call(call):
            for _ in range(chance.randrange(4)):
                with yield_turn():
                    threading.Event().wait(chance.randrange(3) * 1e-5)

    def work(seed: int) -> int:
        chance = random.Random(seed)
        entered = 0
        for _ in range(60):
            call = running(gate)
            if not gate.enter(0 if chance.random() < 0.2 else (1 << 62), call):
                continue
            entered += 1
            helpers = [Worker(helper, call, random.Random(chance.random())) for _ in range(chance.randrange(3))]
            helper(call, chance)
            if chance.random() < 0.5:
                for each in helpers:
                    each.result()
                inside.append(seed)
                most.append(len(inside))
                inside.remove(seed)
            call.end()
            for each in helpers:
                each.result()
        return entered

    workers = [Worker(work, seed) for seed in range(4)]
    assert sum(worker.result() for worker in workers) > 0
    assert max(most) <= limit
    assert idle(gate)


# --- streams ----------------------------------------------------------------------------------------------------------


class Prefetching:
    """Asks for what it needs for a later item before it gives the items that it has."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.answered = threading.Event()

    @invokable
    async def items(self) -> AsyncIterator[int]:
        self.answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(give_turn_while(self.answer))
        task.add_done_callback(lambda _: self.answered.set())
        await asyncio.sleep(0)
        self.asked.set()
        for number in range(WINDOW):
            yield number
        yield await task


class Replies:
    """What a stream needs of its link."""

    peer = "peer"

    def __init__(self) -> None:
        self.streams: dict[int, Any] = {}
        self.sent: list[tuple[int, Any]] = []

    def reply(self, kind: int, call_id: int, value: Any, deadline: int, path: str = "", **_: Any) -> bool:
        self.sent.append((kind, value))
        return True

    def reply_error(self, call_id: int, error: LogosError, deadline: int, **_: Any) -> None:
        raise error


def test_a_stream_whose_tasks_wait_between_two_items_keeps_no_turn_and_gives_none_twice() -> None:
    module = Prefetching()
    [method] = invokable_methods("m", module).values()
    gate, link, runner = Gate(1), Replies(), AsyncRunner("m")
    stream = OutgoingStream(method, (), {}, 1, link, gate, lambda exc, _: exc, runner, None)  # type: ignore[arg-type]
    try:
        Worker(stream.produce).result()
        assert [value for _, value in link.sent] == list(range(WINDOW))
        assert idle(gate), (
            "the stream rests; its task has given the turn away, and the item's end gave none a second time"
        )
        runner.loop.call_soon_threadsafe(module.answer.set_result, WINDOW)
        assert module.answered.wait(PATIENCE)
        assert idle(gate), "the task has its answer, but there is no item for which a turn is needed"
        Worker(stream.produce).result()
    finally:
        runner.stop()
    assert link.sent[WINDOW:] == [(STREAM_ITEMS, WINDOW), (STREAM_END, None)]
    assert idle(gate)
