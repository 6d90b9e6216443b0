"""Taking a lock without waiting for long, such that Ctrl-C cannot tear it away.

An exception from a signal handler may be raised between any two calls of the main thread. So ::

    if lock.acquire(False):
        # ← here: the lock is taken, and nobody will give it back
        try: ...
        finally: lock.release()

``with lock:`` has no such gap, because nothing is looked at between a C function's ``__enter__`` and the block. An
:class:`Attempt` gives the same to a lock that may be somebody else's::

    with attempt as mine:
        try:
            if mine: ...
        finally:
            if mine:
                attempt.release()
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

__all__ = ["Attempt"]


class Attempt:
    """``with`` gives whether the lock is ours; who has got it gives it back, in a ``finally`` inside the block.

    Args:
        lock: to be taken.
        seconds: how long to wait for it; 0: not at all.
    """

    if TYPE_CHECKING:

        def __init__(self, lock: threading.Lock, seconds: float = 0) -> None: ...
        def __enter__(self) -> bool: ...
        def __exit__(self, *_: object) -> None: ...
        def release(self) -> None: ...
    else:
        # ``with`` finds the slots through the class and calls what they hold: C functions, both.
        __slots__ = ("__enter__", "__exit__", "release")

        def __init__(self, lock, seconds=0):
            waits = (True, min(seconds, threading.TIMEOUT_MAX)) if seconds > 0 else (False,)
            self.__enter__ = partial(lock.acquire, *waits)
            self.__exit__ = "".format  # takes whatever it is given and returns "": swallow nothing
            self.release = lock.release
