"""When those must be told who wait for replies without a thread of their own (futures, streams)."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Container, Sized
from typing import Final, Protocol

from logoscore.transport.frame import FOREVER

__all__ = ["Expiries"]

_SLACK: Final = 64


class _Pending(Sized, Container[int], Protocol):
    """Call ids of those who still wait."""


class Expiries:
    """Deadlines of one channel, by call id. Most calls end long before theirs, so an entry may be of nobody any more.

    Args:
        pending: the calls that somebody still waits for.
    """

    def __init__(self, pending: _Pending) -> None:
        self.heap: list[tuple[int, int]] = []
        self._pending = pending
        self._lock = threading.Lock()

    def add(self, expiry: int, call_id: int) -> None:
        """``call_id`` is to be told at ``expiry`` (monotonic ns)."""
        with self._lock:
            if len(self.heap) <= 2 * len(self._pending) + _SLACK:
                heapq.heappush(self.heap, (expiry, call_id))
                return
            # Whoever leads reads without the lock, so this list is another one.
            heap = [entry for entry in self.heap if entry[1] in self._pending]
            heap.append((expiry, call_id))
            heapq.heapify(heap)
            self.heap = heap

    def first(self) -> int:
        """The earliest; FOREVER: there is none."""
        heap = self.heap
        return heap[0][0] if heap else FOREVER

    def take_due(self, now: int) -> list[int]:
        """The calls whose deadline has passed at ``now``; they are told once."""
        due = []
        with self._lock:
            while True:  # (not "while condition": see locks.py)
                if not self.heap or self.heap[0][0] > now:
                    break
                due.append(heapq.heappop(self.heap)[1])
        return due
