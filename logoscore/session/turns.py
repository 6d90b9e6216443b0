"""Waiting inside a coroutine of a module: its turn is given away meanwhile, and taken back without blocking the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from logoscore.session.execution import Gate, RunningCall, running_call

__all__ = ["give_turn_while"]

_T = TypeVar("_T")


async def give_turn_while(awaitable: Awaitable[_T]) -> _T:
    """Await something that others bring about: a reply, an event.

    The running call has no turn while any of its tasks awaits like this (``asyncio.gather`` makes several), and stands in
    the queue again when the last of them has what it wanted.
    """
    call = running_call()
    if call is None or call.gate is None:
        return await awaitable
    call.waits += 1
    call.give_turn()
    try:
        return await awaitable
    finally:
        call.waits -= 1
        if not call.waits and not call.ended and not call.has_turn:
            await _take_turn_back(call, call.gate, asyncio.get_running_loop())


async def _take_turn_back(call: RunningCall, gate: Gate, loop: asyncio.AbstractEventLoop) -> None:
    """On the loop's thread. However many tasks of a call ask, it stands in the queue once."""
    if call.turn_coming is None:
        call.turn_coming = coming = loop.create_future()

        def arrive() -> None:
            call.turn_coming = None
            if call.ended or call.waits:
                gate.leave()  # cancelled, or waiting again (another task of it), since it asked: pass it on
            else:
                call.turn.append(gate)
            if not coming.done():
                coming.set_result(None)

        if gate.enter_soon(lambda: loop.call_soon_threadsafe(arrive)):
            arrive()
    if call.turn_coming is not None:
        # Shielded: one task that is cancelled must not take the turn from the others.
        await asyncio.shield(call.turn_coming)
