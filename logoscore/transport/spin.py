"""How long a reader looks at a ring before it parks, and who may.

A wake-up through the kernel costs tens of microseconds, so looking for a while first pays when the peer answers soon and
runs on another CPU. Rules:

* At most one thread of a process spins; nobody does where only one CPU is allowed (the peer could not run meanwhile).
* Other threads of the process get the GIL after a few microseconds.
* The first look is a short one, about one wake-up. If it was in vain and the answer came soon after all, the next look is
  a long one: long enough for a peer that had to be woken first. So a caller who calls now and then is not woken himself.
* A look in vain for an answer that did not come soon is followed by waits without any, twice as many each time: one, two,
  four … So an idle, slow or crowded peer costs next to nothing. A slow one that answers soon after all is quick again.
* A long look in vain although the answer came soon after: then the peer sits on the same CPU, where nobody can answer
  while the other looks. The kernel often wakes a thread on its waker's CPU and leaves it there for good. The callee then
  moves to another CPU once and is free again (Linux; with the same doubling, so that a crowded machine is left in peace).
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable
from itertools import repeat
from typing import Final

from logoscore.transport.ring import PureRingReader, RingReader

__all__ = ["DEFAULT_SPIN_MICROSECONDS", "SpinState", "Spinner", "step_aside"]

DEFAULT_SPIN_MICROSECONDS: Final = 200
_SLICE: Final = 10  # microseconds that the ring in Python looks before other threads get the GIL
_SHORT: Final = 4  # the first look is this part of the longest
_LONGEST_REST: Final = 512  # waits
_SOON_NS: Final = 200_000  # an answer within this would have been seen by a look, had the peer been free to run
_PATIENCE: Final = 4  # such answers before the callee moves


class Spinner:
    """One per process: the budget for spinning, and who does.

    Args:
        microseconds: the longest spin; 0 turns spinning off.
    """

    def __init__(self, microseconds: int = DEFAULT_SPIN_MICROSECONDS) -> None:
        self.longest = max(microseconds, 0) if _cpus() > 1 else 0
        self.shortest = -(-self.longest // _SHORT)
        #: Whose thread looks just now: at most one does.
        self.spinning: SpinState | None = None


class SpinState:
    """What one reader has learnt about spinning on its ring.

    Args:
        moves: whether this side may move to another CPU. Only one side of a channel may, or both would meet again.

    Attributes:
        rest: so many waits from now on go without a look.
        missed: the last look was in vain, and nothing was learnt of that yet.
        lazy: it rests because the peer was slow.
    """

    __slots__ = (
        "_crowded",
        "_look",
        "_microseconds",
        "_moves",
        "_next_move",
        "_next_rest",
        "_spinner",
        "lazy",
        "missed",
        "rest",
    )

    def __init__(self, spinner: Spinner, ring: RingReader, *, moves: bool) -> None:
        self._spinner = spinner
        self._look = _in_slices(ring.look) if isinstance(ring, PureRingReader) else ring.look
        self._moves = moves
        self._microseconds = spinner.shortest
        self.rest = 0 if spinner.longest else sys.maxsize
        self._next_rest = 1
        self.missed = False
        self.lazy = False
        self._crowded = 0
        self._next_move = _PATIENCE

    def spin(self) -> bool:
        """Look for a while. True if the writer has published something."""
        if self.rest:
            self.rest -= 1
            return False
        spinner = self._spinner
        if spinner.spinning is None:
            try:
                # Since the question there was no call and no jump: neither another thread nor Ctrl-C can have come between.
                spinner.spinning = self
                if self._look(self._microseconds):
                    self._next_rest = 1
                    return True
            finally:
                spinner.spinning = None
        self.rest = self._next_rest
        self._next_rest = min(self._next_rest * 2, _LONGEST_REST)
        self.missed = True
        return False

    def parked(self, began: int) -> None:
        """Learn from a park that began then (monotonic ns) and has just ended: nothing, unless ``missed`` or ``lazy``."""
        if not self.missed and not self.lazy:
            return
        soon = time.monotonic_ns() - began <= _SOON_NS
        if not self.missed:
            if soon:
                self._look_again()  # it has become quick
            return
        self.missed = False
        self.lazy = not soon
        if not soon:
            self._microseconds = self._spinner.shortest
            self._crowded = 0
        elif self._microseconds < self._spinner.longest:
            self._microseconds = self._spinner.longest
            self._look_again()
        elif self._moves:
            self._crowded += 1
            if self._crowded >= self._next_move:
                self._crowded = 0
                self._next_move = min(self._next_move * 2, _LONGEST_REST)
                if step_aside():
                    self._look_again()

    def _look_again(self) -> None:
        self.lazy = False
        self.rest = 0
        self._next_rest = 1


def _in_slices(look: Callable[[int], bool]) -> Callable[[int], bool]:
    """Look with the ring in Python, which keeps the GIL, so that others have their turn; the compiled one does that itself.

    Waiting for nothing lets it go for a moment without giving the CPU away: sched_yield would, for milliseconds on a busy
    machine. (A poll object serves one thread at a time: whoever leads this ring.)
    """
    let_others_run = select.poll().poll

    def look_in_slices(microseconds: int) -> bool:
        for _ in repeat(None, -(-microseconds // _SLICE)):
            if look(_SLICE):
                return True
            let_others_run(0)
        return False

    return look_in_slices


def step_aside() -> bool:
    """Move this thread to another CPU of those that it may use, which stay the same. False if that cannot be done."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    allowed = os.sched_getaffinity(0)
    others = allowed - {ctypes.CDLL(None).sched_getcpu()}
    if not others:
        return False
    try:
        os.sched_setaffinity(0, others)
        os.sched_setaffinity(0, allowed)
    except OSError:
        return False
    return True


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
