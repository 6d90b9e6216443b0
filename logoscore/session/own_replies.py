"""Replies that a pumping thread reads itself, so that they change no thread (a hop costs 20 µs and more each way).

    call ─▶ expected()? ─▶ begin(reads=True), add() ─▶ the next pumping: read() for a moment ─▶ or the channel's pump

Rules:

* Only for a thread that is about to pump: within ``exec``, or in a close loop around ``process_events``. Where pumping is
  rare, the channel's own thread is to have read the reply by then.
* Every call that was added is read by the next pumping of whatever thread; what has not come within its moment is left to
  the channel's own thread, and so is everything when nobody is going to pump.
"""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from logoscore.session.call import Call

__all__ = ["OwnReplies"]

_CLOSE: Final = 1_000_000
"""Nanoseconds from one pumping to the next, in a loop that does little else."""


class OwnReplies:
    """Whose replies are read by whoever pumps, and who is about to. Thread-safe.

    Args:
        now: the clock, in nanoseconds.
    """

    def __init__(self, now: Callable[[], int] = time.monotonic_ns) -> None:
        self._now = now
        self._calls: collections.deque[Call] = collections.deque()
        self._blocked: frozenset[int] = frozenset()  # threads within exec: while they wait they look at nothing
        self._lock = threading.Lock()  # for changing that
        self._pumped = (0, 0, False)  # the thread that pumped last, when it ended, whether in a close loop

    def expected(self) -> bool:
        """Whether this thread is about to pump, and nobody else waits in ``exec``."""
        me = threading.get_ident()
        if self._blocked:
            return self._blocked == {me}
        thread, ended, closely = self._pumped
        return closely and thread == me and self._now() - ended < _CLOSE

    def add(self, call: Call) -> None:
        """One that was begun with ``reads``, because it was :meth:`expected`."""
        self._calls.append(call)
        if self._blocked and self._blocked != {threading.get_ident()}:
            self.read(0)  # another thread has gone into exec meanwhile

    def read(self, until: int) -> None:
        """Until the replies are there, or ``until`` (monotonic ns); what is missing then is left to the channels."""
        while self._calls:
            try:
                call = self._calls.popleft()
            except IndexError:
                return  # another thread reads it
            call.read(until)

    def pumped(self, began: int) -> None:
        """A ``process_events`` of this thread, begun at ``began``, has ended."""
        thread, ended, _ = self._pumped
        me = threading.get_ident()
        self._pumped = (me, self._now(), thread == me and began - ended < _CLOSE)

    @contextmanager
    def blocking(self) -> Iterator[None]:
        """This thread is in ``exec``."""
        me = threading.get_ident()
        outermost = me not in self._blocked
        with self._lock:
            self._blocked |= {me}
        self.read(0)
        try:
            yield
        finally:
            if outermost:
                with self._lock:
                    self._blocked -= {me}
            self.read(0)
