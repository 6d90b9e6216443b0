"""Who waits for replies on a channel: what whoever reads it does with them.

A waiter stands under its call id in the table of the channel (:class:`~logoscore.session.outgoing.CallLink`) and is told
there: by :meth:`Waiter.deliver`, or by :meth:`Waiter.fail`. A thread that waits for one reply is a :class:`SyncWaiter`; a
future (``call.py``) and what arrives of a stream (``streams.py``) are the others.
"""

from __future__ import annotations

import threading
from typing import Protocol

from logoscore.errors import ChannelClosedError, LogosError
from logoscore.transport.frame import parse

__all__ = ["ExpiredError", "Nobody", "Settles", "SyncWaiter", "Waiter"]


class Settles(Protocol):
    """Whom a thread reads for."""

    @property
    def settled(self) -> bool:
        """Whether there is nothing to wait for any more."""


class Waiter:
    """Somebody who expects frames with his call id. ``deliver`` returns True when it was the last one."""

    __slots__ = ()

    @property
    def method(self) -> str | None:
        """Whose reply it waits for, for errors; None: not for the reply to a call, or the name is not at hand."""
        return None

    def deliver(self, data: bytes) -> bool:
        raise NotImplementedError

    def fail(self, error: LogosError) -> None:
        raise NotImplementedError

    def abandon(self, error: LogosError) -> None:
        """In a forked child: the threads that would deliver are the parent's, and so is who holds a lock of ours."""


class Nobody(Waiter):
    """Stands for somebody who expects no reply, and yet wants the channel read."""

    __slots__ = ()

    def deliver(self, data: bytes) -> bool:  # noqa: ARG002 - as every waiter's
        """To whom?"""
        return False

    def fail(self, error: LogosError) -> None:
        """Nobody minds."""


class SyncWaiter(Waiter):
    """A thread that waits for one reply. ``frame``: its request."""

    __slots__ = ("_frame", "error", "gone", "lock", "reply")

    def __init__(self, frame: object = b"") -> None:
        self._frame = frame
        self.reply: bytes | None = None
        self.error: LogosError | None = None
        self.gone = False  # the thread has given up: it leads nobody any more
        self.lock: threading.Lock | None = None  # only a follower needs one

    @property
    def method(self) -> str | None:
        frame = self._frame
        return parse(frame).name.decode() if isinstance(frame, bytes) and frame else None

    def deliver(self, data: bytes) -> bool:
        self.reply = data
        self.wake()
        return True

    def fail(self, error: LogosError) -> None:
        self.error = error
        self.wake()

    def wake(self) -> None:
        lock = self.lock
        if lock is not None and lock.locked():
            try:
                lock.release()
            except RuntimeError:
                pass  # somebody else woke it at the same moment

    @property
    def settled(self) -> bool:
        return self.gone or self.reply is not None or self.error is not None


class ExpiredError(ChannelClosedError):
    """A waiter's own deadline passed. The waiter turns it into CallTimeoutError."""
