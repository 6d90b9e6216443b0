"""The thread that reads a channel's replies while only futures and streams wait for them.

It begins when it is first needed, sleeps until it is woken, and then works for as long as there is something to do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from logoscore.errors import TransportError
from logoscore.locks import Thread
from logoscore.session.threads import LinkOwner

__all__ = ["LOOK_SECONDS", "Pump"]

#: Whoever waits for the lead looks by himself now and then: Ctrl-C may have torn a leader away before it passed it on.
LOOK_SECONDS: Final = 0.5


class Pump:
    """One per channel.

    Args:
        peer: whose replies it reads.
        owner: whose thread it is.
        work: reads until nobody waits, or somebody else reads. False: the channel has ended, and so does the thread.
        waiting: how many wait.
    """

    def __init__(self, peer: str, owner: LinkOwner, work: Callable[[], bool], waiting: Callable[[], int]) -> None:
        self.thread: Thread | None = None
        self._peer = peer
        self._owner = owner
        self._work = work
        self._waiting = waiting
        self._lock = threading.Lock()
        self._rests = threading.Lock()  # it sleeps on this; released: it is to look for work
        self._rests.acquire()

    def start(self) -> None:
        """Begin, unless it has begun.

        Raises:
            TransportError: the system has no thread left.
        """
        with self._lock:
            if self.thread is None:
                try:
                    self.thread = self._owner.threads.start(self._run, f"logos-pump-{self._peer}")
                except RuntimeError as exc:
                    raise TransportError(f"no thread can be had for the replies of {self._peer}: {exc}") from exc

    def wake(self) -> None:
        """Have it look for work, if it has begun."""
        if self._rests.locked():
            try:
                self._rests.release()
            except RuntimeError:
                pass  # somebody else woke it at the same moment

    def end(self, seconds: float) -> None:
        """After the end of the channel: wait at most so long for it. (It may be inside a callback that never returns.)

        Where no new thread is to be had, as when the interpreter exits, the pump itself may come here, at its end.
        """
        with self._lock:
            thread = self.thread
        if thread is not None and thread is not threading.current_thread():
            self.wake()
            thread.join(seconds)

    def _run(self) -> None:
        while True:
            self._rests.acquire(timeout=LOOK_SECONDS if self._waiting() else -1)
            if not self._work():
                return
