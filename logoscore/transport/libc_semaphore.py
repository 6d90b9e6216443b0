"""A named semaphore for the main thread: a wait that a signal ends without losing what its handler raises.

POSIX: whoever opens the same name again in one process gets the same semaphore, so this is posix_ipc's, opened twice.
"""

from __future__ import annotations

import os
import time
from functools import cache
from typing import Any

__all__ = ["LibcSemaphore"]

_BILLION = 1_000_000_000


@cache
def _libc() -> Any:
    """The functions that are used of the C library. Not on import: a process that never waits needs no ctypes."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    # No argtypes: what is passed has its C type already, and their check would turn a RecursionError into another error.
    libc.sem_open.restype = ctypes.c_void_p
    return libc


class LibcSemaphore:
    """Only waits. Raises OSError if there is none of that name."""

    __slots__ = ("_address", "_end", "_timedwait")

    def __init__(self, name: str) -> None:
        import ctypes

        self._address = ctypes.c_void_p(_libc().sem_open(os.fsencode(name), 0))
        if not self._address:
            raise OSError(ctypes.get_errno(), f"semaphore {name}: {os.strerror(ctypes.get_errno())}")
        # Made and looked up once: who parks has just woken the other side, perhaps on this very CPU.
        self._timedwait = _libc().sem_timedwait
        self._end = (ctypes.c_long * 2)()  # a struct timespec

    def acquire(self, timeout: float | None) -> bool:
        """Take one, waiting at most ``timeout`` seconds (None: as long as it takes). False: not so, or a signal came."""
        if timeout is None:
            return not _libc().sem_wait(self._address)
        end = self._end
        end[0], end[1] = divmod(time.time_ns() + int(timeout * _BILLION), _BILLION)
        return not self._timedwait(self._address, end)

    def close(self) -> None:
        """Nobody may be inside :meth:`acquire`, or use it afterwards."""
        _libc().sem_close(self._address)
