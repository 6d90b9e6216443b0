"""What a running call knows about itself, and what becomes of its turn while it waits.

Rules:

* Whoever waits for something that he asked for himself (a nested call, room in a subscriber's ring) gives his turn at the
  :class:`~logoscore.session.gate.Gate` away while he waits: :func:`yield_turn`. So A→B→A completes, and so does a cycle
  through events.
* A turn belongs to a call, not to a thread: it is found through a context variable, which coroutines carry along and
  threads that the module starts by itself do not have. These run beside the gate and wait without giving anything away.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import msgspec

from logoscore.errors import StateError
from logoscore.session.deadlines import seconds_left
from logoscore.session.gate import Gate
from logoscore.transport.frame import FOREVER

__all__ = ["Caller", "InTurn", "RunningCall", "current_call", "current_caller", "running_call", "yield_turn"]


class RunningCall(msgspec.Struct, eq=False):  # the quickest object to make: each call makes one
    """What is known of the call that runs now, in the process of the callee.

    Attributes:
        before_wait: called before this call waits, so that somebody else reads its channel meanwhile.
        turn: holds the gate while this call has a turn. A list, because taking something out is a single step: threads
            that share a call (``asyncio.to_thread``) may both want to give its turn away.
        away: holds the gate while the turn is given away. A list, likewise: they may both get it back.
        seekers: wake whoever of this call waits for its turn; once one of them has it, all go on.
        stopped: whether it has no use for a turn: it has ended, or is a stream between two items.
        loop_thread: for a coroutine, the thread of its loop, which must never wait for a turn.
        turn_coming: for a coroutine, the future of the turn that it stands in the queue for.
        waited: how often this call has waited for something that it asked for itself; -1: its turn has not come yet.
        waits: for a coroutine, how many calls of its own it awaits; it may be more than one (``asyncio.gather``).
    """

    peer: str
    deadline: int
    gate: Gate | None
    before_wait: Callable[[], None] | None
    turn: list[Gate | None]
    cancelled: bool = False
    on_cancel: Callable[[], object] | None = None
    loop_thread: int = 0
    ended: bool = False
    waited: int = 0
    waits: int = 0
    turn_coming: Any = None
    away: list[Gate] | None = None
    seekers: list[Callable[[], object]] | None = None
    stopped: bool = False

    @property
    def has_turn(self) -> bool:
        """Whether it may run now."""
        return bool(self.turn)

    def cancel(self) -> None:
        """The caller gave up: note it, and interrupt what can be interrupted."""
        self.cancelled = True
        on_cancel = self.on_cancel
        if on_cancel is not None:
            on_cancel()

    def begin_wait(self) -> bool:
        """One of its threads is about to wait: somebody else reads its channel meanwhile, and another call may have its turn.

        Whether this has given the turn away; then who waited ends with :meth:`take_turn`.
        """
        if self.before_wait is not None:
            self.before_wait()
        # A coroutine that blocks its loop keeps its turn: whoever had it meanwhile might need that very loop to end.
        return (not self.loop_thread or self.loop_thread != threading.get_ident()) and self.give_turn()

    def give_turn(self) -> bool:
        """Let another call run; False if there was no turn to give."""
        gate = self.gate
        if gate is None:
            return False
        try:
            self.turn.pop()
        except IndexError:
            return False
        # Only who has just taken it out is here.
        if self.seekers is None:
            self.seekers = []
        self.away = [gate]
        self.waited += 1
        gate.leave()
        return True

    def take_turn(self) -> None:
        """Wait for a turn again. Not if the call has ended; nor longer than until another thread of it has got one."""
        gate = self.gate
        assert gate is not None
        if self.stopped or self.turn:
            return
        if gate.queue or self.seekers:
            self._wait_for_turn(gate)
            return
        # As nearly always: Gate.try_enter and turn_came, written out, as this stands on the way of each nested call.
        try:
            gate.free.pop()
        except IndexError:
            self._wait_for_turn(gate)
            return
        try:
            self.turn.append(self.away.pop())  # type: ignore[union-attr]  # a list since the turn was given away
        except IndexError:  # another thread of this call was quicker
            gate.leave()
            return
        if (self.seekers or self.stopped) and not self._settle(True):
            gate.leave()

    def _wait_for_turn(self, gate: Gate) -> None:
        if gate.try_enter():
            if not self.turn_came():
                gate.leave()
            return
        back = threading.Lock()
        back.acquire()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # by two at the same moment
                back.release()

        if self.stand_in_line(gate, self.turn_came, wake):
            back.acquire()

    def stand_in_line(self, gate: Gate, on_turn: Callable[[], bool], wake: Callable[[], object]) -> bool:
        """Ask for a turn again; ``wake`` is called when this call has it. False if it has it, or needs it no more."""
        assert self.seekers is not None
        self.seekers.append(wake)
        if gate.enter_soon(on_turn):
            if not self.turn_came():
                gate.leave()
            return False
        return not (self.turn or self.stopped)

    def turn_came(self) -> bool:
        """The gate gives this call a turn. False if it has no use for it (any more): the gate keeps it."""
        taken = False
        if not self.stopped and self.away:
            try:
                self.turn.append(self.away.pop())
                taken = True
            except IndexError:
                pass  # another thread of this call was quicker
        if self.seekers or self.stopped:
            return self._settle(taken)
        return taken

    def _settle(self, taken: bool) -> bool:
        if taken and self.stopped:
            with contextlib.suppress(IndexError):  # whoever stopped it has given the turn back
                self.turn.pop()
                taken = False
        while self.seekers:
            with contextlib.suppress(IndexError):
                self.seekers.pop()()
        return taken

    @property
    def runs_in_a_thread(self) -> bool:
        """Whether a thread runs it now: it is no coroutine, has its turn, and does not wait for its own calls."""
        return self.has_turn and self.waited >= 0 and not self.loop_thread and not self.ended

    def end(self) -> None:
        """It has ended, and with it its turn."""
        self.ended = True
        self.stop()

    def stop(self) -> None:
        """It has no use for a turn, and gives back the one that it has."""
        self.stopped = True
        gate = self.gate
        if gate is None:
            return
        try:
            self.turn.pop()
        except IndexError:
            return  # it has given it away
        gate.leave()

    def go_on(self, gate: Gate) -> None:
        """It has a turn at ``gate``, after a :meth:`stop`."""
        if self.seekers is None:
            self.seekers = []
        self.away = [gate]
        self.stopped = False
        if not self.turn_came():
            gate.leave()


current_call: ContextVar[RunningCall | None] = ContextVar("logoscore_current_call", default=None)


class yield_turn:  # noqa: N801 - used like a function; a generator would cost more than it does
    """While the body waits, let another call have the turn of the one that runs here, if one does."""

    _gave: RunningCall | None = None

    def __enter__(self) -> None:
        call = running_call()
        if call is not None and call.begin_wait():
            self._gave = call

    def __exit__(self, *_: object) -> None:
        if self._gave is not None:
            self._gave.take_turn()


class InTurn:
    """Run the body, which is no call from anybody, like one from ``peer``. There is one for each event of a callback.

    Args:
        gate: where it has its turn; None: it runs without one.
        running: where it stands under ``number`` meanwhile.
        waits: whether to wait for the turn, and to give it back; else somebody else sees to both.
    """

    __slots__ = ("_call", "_number", "_running", "_token", "_waits")

    def __init__(
        self, peer: str, gate: Gate | None, running: dict[int, RunningCall], number: int, *, waits: bool = False
    ) -> None:
        self._call = RunningCall(peer, FOREVER, gate, None, [gate])
        self._running = running
        self._number = number
        self._waits = waits

    def __enter__(self) -> None:
        call = self._call
        if self._waits and call.gate is not None:
            call.gate.enter()
        self._token = current_call.set(call)
        self._running[self._number] = call

    def __exit__(self, *_: object) -> None:
        del self._running[self._number]
        current_call.reset(self._token)
        if self._waits:
            self._call.end()


class Caller:
    """Who called, as the channel says, and how long he waits."""

    __slots__ = ("_call",)

    def __init__(self, call: RunningCall) -> None:
        self._call = call

    @property
    def name(self) -> str:
        """The calling module's name (``"core"``: the app). It comes from the channel, never from the message."""
        return self._call.peer

    @property
    def remaining(self) -> float:
        """Seconds until the caller's deadline; nested calls get no more than this."""
        return seconds_left(self._call.deadline)

    @property
    def cancelled(self) -> bool:
        """Whether the caller has given up: what is still being computed is of no use to him."""
        return self._call.cancelled

    def __repr__(self) -> str:
        return f"<Caller {self.name}, {self.remaining:.3g} s left>"


def running_call() -> RunningCall | None:
    """The call that runs in this thread or task; None outside of one, and in what has outlived it (a background task)."""
    call = current_call.get()
    return None if call is None or call.ended else call


def current_caller() -> Caller:
    """The caller of the method that runs now.

    Raises:
        StateError: no call is running in this thread or task.
    """
    call = running_call()
    if call is None:
        raise StateError("current_caller() is known only inside a call from another module")
    return Caller(call)
