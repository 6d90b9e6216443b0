"""How long a reader looks at a ring before it parks, and who may.

A wake-up through the kernel costs tens of microseconds, so looking for about that long first pays when the peer answers
soon. Rules: at most one thread of a process spins; nobody spins where only one CPU is allowed (the peer could not run
meanwhile); other threads of the process get the GIL at short intervals.
"""

from __future__ import annotations

import os
import threading
from itertools import repeat
from typing import Final

from logoscore.transport.ring import RingReader

__all__ = ["DEFAULT_SPIN_MICROSECONDS", "Spinner"]

DEFAULT_SPIN_MICROSECONDS: Final = 50
_LOOKS_PER_MICROSECOND: Final = 20  # measured: 40-60 ns a look; a budget is a number of looks, so no clock is read
_SLICE: Final = 128  # looks between two moments at which other threads get the GIL


class Spinner:
    """One per process: the budget for spinning, and the right to.

    Args:
        microseconds: the longest spin; 0 turns spinning off.
    """

    def __init__(self, microseconds: int = DEFAULT_SPIN_MICROSECONDS) -> None:
        self.limit = microseconds * _LOOKS_PER_MICROSECOND if _cpus() > 1 else 0
        #: A park that was shorter than this (ns) would better have been a spin: a spin and the wake-ups of both sides.
        self.worthwhile = microseconds * 1000 * 4
        self._right = threading.Lock()

    def spin(self, ring: RingReader, budget: int) -> bool:
        """Look at most ``budget`` times. True if the writer has published something."""
        if not self._right.acquire(blocking=False):
            return False
        try:
            words = ring.words
            cursor = ring.read_cursor
            while True:
                for _ in repeat(None, min(budget, _SLICE)):
                    if words[0] != cursor:
                        return True
                budget -= _SLICE
                if budget <= 0:
                    return False
                _yield_gil()
        finally:
            self._right.release()


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_yield_gil = os.sched_yield
