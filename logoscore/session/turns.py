"""Waiting inside a coroutine of a module: its turn is given away meanwhile, and taken back without blocking the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from logoscore.session.execution import RunningCall, running_call
from logoscore.session.gate import Gate

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
        if not call.waits and not call.stopped and not call.has_turn:
            await _take_turn_back(call, call.gate, asyncio.get_running_loop())


async def _take_turn_back(call: RunningCall, gate: Gate, loop: asyncio.AbstractEventLoop) -> None:
    """On the loop's thread. However many tasks of a call ask, it stands in the queue once."""
    if call.turn_coming is None:
        coming = _Coming(call, gate, loop)
        if not call.stand_in_line(gate, coming.on_turn, coming.wake):
            coming.end()
    if call.turn_coming is not None:
        # Shielded: one task that is cancelled must not take the turn from the others.
        await asyncio.shield(call.turn_coming)


class _Coming:
    """A coroutine's place in the queue. On the loop's thread, but for what the gate and the call's threads call."""

    def __init__(self, call: RunningCall, gate: Gate, loop: asyncio.AbstractEventLoop) -> None:
        self._call = call
        self._gate = gate
        self._loop = loop
        self._future: asyncio.Future[None] = loop.create_future()
        call.turn_coming = self._future

    def on_turn(self) -> bool:
        """The gate gives the turn, in any thread."""
        return bool(self._call.away) and self._tell(self._arrive)  # else a thread of this call was quicker

    def wake(self) -> None:
        """The call has its turn, in any thread."""
        self._tell(self.end)

    def _tell(self, what: Callable[[], None]) -> bool:
        try:
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:
            return False  # the loop has ended, and the call with it
        return True

    def _arrive(self) -> None:
        # Not for a call that waits again (another task of it) since it asked.
        if self._call.waits or not self._call.turn_came():
            self._gate.leave()
        self.end()

    def end(self) -> None:
        if self._call.turn_coming is self._future:
            self._call.turn_coming = None
        if not self._future.done():
            self._future.set_result(None)
