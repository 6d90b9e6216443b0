"""What the two ends of one direction of a channel share."""

from __future__ import annotations

import copy
import threading
from typing import Final

from logoscore.errors import LogosError
from logoscore.locks import Lead
from logoscore.transport.segment import Semaphore

__all__ = ["MAX_MESSAGE", "Direction"]

MAX_MESSAGE: Final = (1 << 31) - 1
"""Bytes of the largest message; what is larger is refused on both sides."""


class Direction:
    """A lock for the threads of this side, two semaphores, and the error that closed them.

    Where a caller reads replies, the lock is a Lead: he sets that himself.
    """

    def __init__(self, data: Semaphore, room: Semaphore) -> None:
        self.lock: threading.Lock | Lead = threading.Lock()
        self.data = data
        self.room = room
        self.error: LogosError | None = None

    def closed_error(self) -> LogosError:
        """A fresh copy of what closed this: every waiter raises its own."""
        assert self.error is not None
        return copy.copy(self.error)
