"""Coroutines and the gate: they give their turn away while they await, and have it whenever they run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from gate_support import idle, running, waiting

from logoscore.errors import LogosError, StateError
from logoscore.interface import Event
from logoscore.session.call import Call
from logoscore.session.execution import current_call
from logoscore.session.gate import Gate
from logoscore.session.subscription import Subscription


class Echo:
    """Whose calls have their replies as values."""

    def outcome(self, reply: bytes) -> Any:
        return reply

    def abandon(self) -> None:
        pass

    def timed_out(self) -> LogosError:
        return StateError("late")


def pending_call() -> Call:
    return Call(Echo())


async def awaiting(call: Call, then: Callable[[], object] = int) -> Any:
    reply = await call
    then()
    return reply


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0)


@pytest.fixture
def turns() -> list[str]:
    return []


@pytest.fixture
def gate() -> Gate:
    """One turn, which is ours."""
    made = Gate(1)
    assert made.enter()
    return made


def ask(gate: Gate, turns: list[str], name: str) -> None:
    """Another call wants its turn."""
    assert gate.enter_soon(lambda: turns.append(name)) is False


def test_a_coroutine_gives_its_turn_away_while_it_awaits_a_call(gate: Gate, turns: list[str]) -> None:
    ask(gate, turns, "next")
    nested = pending_call()

    async def main() -> Any:
        current_call.set(running(gate))
        task = asyncio.ensure_future(awaiting(nested, lambda: turns.append("back")))
        await until(lambda: turns)
        nested.deliver(b"reply")
        await until(lambda: waiting(gate))
        assert turns == ["next"], "it has its reply, but not yet its turn"
        gate.leave()
        return await task

    assert asyncio.run(main()) == b"reply"
    assert turns == ["next", "back"]
    assert not idle(gate)
    gate.leave()
    assert idle(gate)


def test_a_call_that_fails_gives_the_turn_back_too(gate: Gate) -> None:
    nested = pending_call()

    async def main() -> None:
        current_call.set(running(gate))
        task = asyncio.ensure_future(awaiting(nested))
        await until(lambda: idle(gate))
        nested.fail(StateError("deliberate"))
        with pytest.raises(StateError, match="deliberate"):
            await task
        assert not idle(gate)

    asyncio.run(main())


def test_a_coroutine_cancelled_while_it_waits_for_its_turn_lets_nobody_in_beside_others(
    gate: Gate, turns: list[str]
) -> None:
    ask(gate, turns, "second")
    nested = pending_call()
    problems: list[dict[str, Any]] = []
    beside: list[str] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        call = running(gate)
        current_call.set(call)
        task = asyncio.ensure_future(awaiting(nested))
        await until(lambda: turns)
        ask(gate, turns, "third")
        nested.deliver(b"reply")
        await until(lambda: waiting(gate) == 2)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        call.end()
        beside.extend(turns)
        gate.leave()  # the second has ended
        gate.leave()  # the third has ended
        await until(lambda: idle(gate))

    asyncio.run(main())
    assert beside == ["second"], "the third ran beside the second"
    assert turns == ["second", "third"]
    assert problems == []


def test_awaiting_the_next_event_gives_the_turn_away(gate: Gate) -> None:
    """As waiting for it in a thread does."""
    subscription = Subscription("clock", "tick", 4, "block", lambda _: None)
    free: list[bool] = []

    async def main() -> int:
        current_call.set(running(gate))
        reader = asyncio.ensure_future(anext(subscription))
        for _ in range(20):
            await asyncio.sleep(0)
        free.append(idle(gate))
        subscription._push(Event("clock", "tick", (), 1, 0.0), 1)
        return (await reader).sequence

    assert asyncio.run(main()) == 1
    assert free == [True], "nobody else could be called while this one waited for an event"
    assert not idle(gate)
