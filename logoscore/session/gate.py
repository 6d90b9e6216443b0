"""Whose turn it is to run.

A module runs one call at a time (``concurrency: "single"``) or up to ``max_workers`` (``"multi"``), first come, first
served. Who gives his turn away, and when, is the affair of the calls: ``execution.py``.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from logoscore.session.deadlines import seconds_left
from logoscore.transport.frame import FOREVER

if TYPE_CHECKING:
    from logoscore.session.execution import RunningCall

__all__ = ["Gate"]


class Gate:
    """Lets ``limit`` calls run at once, in the order of their coming.

    A turn that nobody has lies in a list; taking it out and putting it back are single steps of the interpreter, so who
    finds one needs no lock. Who finds none queues up under the lock and looks again, and who puts one back looks at the
    queue afterwards: one of the two sees the other.

    Attributes:
        free: a None for each turn that nobody has.
        queue: who waits for one.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self.free = [None] * limit
        self.queue: deque[_Ticket] = deque()

    def try_enter(self) -> bool:
        """Take a turn if there is one and nobody waits for it."""
        if self.queue:
            return False
        try:
            self.free.pop()
        except IndexError:
            return False
        return True

    def enter(self, deadline: int = FOREVER, call: RunningCall | None = None) -> bool:
        """Wait for a turn. False if ``deadline`` passed first, or ``call``, for which it is, was cancelled."""
        if self.try_enter():
            return True
        turn = threading.Lock()
        turn.acquire()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # handed over and cancelled at the same moment
                turn.release()

        ticket = _Ticket(wake)
        self._enqueue(ticket)
        if call is not None:
            call.on_cancel = wake
        if call is None or not call.cancelled:
            turn.acquire(timeout=-1.0 if deadline >= FOREVER else min(seconds_left(deadline), threading.TIMEOUT_MAX))
        if call is not None:
            call.on_cancel = None
        if not ticket.withdraw():
            return True  # handed over at the very moment of giving up, perhaps: it is ours all the same
        with self._lock, contextlib.suppress(ValueError):  # whoever leaves has just taken it out
            self.queue.remove(ticket)
        return False

    def enter_soon(self, on_turn: Callable[[], object]) -> bool:
        """Ask for a turn without waiting: True if it is ours now; else ``on_turn`` is called, in any thread, when it is.

        It returns False if there is no use for the turn any more: the next one gets it.
        """
        if self.try_enter():
            return True
        self._enqueue(_Ticket(on_turn))
        return False

    def _enqueue(self, ticket: _Ticket) -> None:
        with self._lock:
            self.queue.append(ticket)
        if self.free:
            self._hand_over()

    def leave(self) -> None:
        """Give the turn back, to the first who waits."""
        self.free.append(None)
        if self.queue:
            self._hand_over()

    def _hand_over(self) -> None:
        """Give free turns to those who wait for them."""
        while self.queue:
            with self._lock:
                if not self.queue:
                    return
                try:
                    self.free.pop()
                except IndexError:
                    return  # who has got it comes here when he leaves
                ticket = self.queue.popleft()
            if not ticket.hand_over():
                self.free.append(None)  # he has given up

    def widen(self, limit: int) -> None:
        """From now on ``limit`` calls may run at once; not fewer than before."""
        for _ in range(limit - self.limit):
            self.leave()
        self.limit = limit


class _Ticket:
    """A place in the queue: handed over or withdrawn, once and for all."""

    def __init__(self, on_turn: Callable[[], object]) -> None:
        self._on_turn = on_turn
        self._settled = threading.Lock()

    def hand_over(self) -> bool:
        return self._settled.acquire(blocking=False) and self._on_turn() is not False

    def withdraw(self) -> bool:
        return self._settled.acquire(blocking=False)
