"""Work that may take its time (it asks the app's policy), aside from the threads that must not wait.

    put(party, target, work)        party ─▶ lane "a"  work ─▶ work ─▶ work      one after the other
                                          └▶ lane "b"  work                      beside it

Rules: what one party wants about one thing is done in the order of its asking; different things side by side, but at most
``THREADS`` of one party's at a time. Who has ``PENDING`` of them waiting floods us, which is a ProtocolViolationError.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable
from typing import Final

from logoscore.errors import ProtocolViolationError, TransportError
from logoscore.locks import Thread

__all__ = ["Lanes"]

THREADS: Final = 16
PENDING: Final = 1024

_Work = Callable[[], None]


class _Owner:
    """The lanes of one party."""

    def __init__(self) -> None:
        self.lanes: dict[Hashable, deque[_Work]] = {}  # those that have work, running or waiting
        self.ready: deque[Hashable] = deque()  # those that wait for a thread
        self.threads = 0
        self.pending = 0


class Lanes:
    """Does work aside, in lanes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owners: dict[str, _Owner] = {}

    def put(self, owner: str, lane: Hashable, work: _Work, *, trusted: bool = False) -> None:
        """Do ``work``, which raises nothing, on a thread of its own, after what ``owner`` put into this lane before.

        Args:
            trusted: it asks on behalf of others, who are bounded elsewhere.

        Raises:
            ProtocolViolationError: it has too much work waiting.
            TransportError: the system has no thread left, or the interpreter exits.
        """
        with self._lock:
            its = self._owners.setdefault(owner, _Owner())
            if its.pending >= PENDING and not trusted:
                raise ProtocolViolationError(f"{owner} asks faster than it can be answered: {PENDING} questions wait")
            its.pending += 1
            if lane in its.lanes:
                its.lanes[lane].append(work)
                return
            its.lanes[lane] = deque([work])
            its.ready.append(lane)
            if its.threads >= (4 * THREADS if trusted else THREADS):
                return
            its.threads += 1
        try:
            Thread(target=self._run, args=(owner, its), name="logos-policy").start()
        except RuntimeError as exc:
            with self._lock:
                its.threads -= 1
                if its.threads:
                    return  # one of the others will do it
                its.pending -= len(its.lanes.pop(lane))
                its.ready.remove(lane)
            raise TransportError(f"no thread can be had for what {owner} asks: {exc}") from exc

    def _run(self, owner: str, its: _Owner) -> None:
        while True:
            with self._lock:
                if not its.ready:
                    its.threads -= 1
                    if not its.pending and self._owners.get(owner) is its:
                        del self._owners[owner]
                    return
                lane = its.ready.popleft()
                work = its.lanes[lane].popleft()
            work()
            with self._lock:
                its.pending -= 1
                if its.lanes[lane]:
                    its.ready.append(lane)
                else:
                    del its.lanes[lane]
