"""Locks, flags and conditions that an exception of a signal handler cannot tear.

Ctrl-C is raised in the main thread between any two steps of its Python code. With what the standard library has, that may
be here::

    if lock.acquire(False):
        # ← the lock is taken, and nobody will give it back
        try: ...
        finally: lock.release()

or, just the same, inside ``threading.Condition.__enter__``, through which every ``wait`` and ``set`` of a
``threading.Event`` goes, too: whoever wants to set that event then waits for ever, and whoever joins him.

The interpreter looks for signals after a call has returned, at the beginning of a Python function, and where a loop
begins anew; nowhere else. So ``with lock:`` is safe, because between a C function's ``__enter__`` and the block nothing
is looked at; and so is everything here, which is made of single C calls, with the clean-up of each already in force when
it is looked at next. Of two such exceptions at once the second may tear what the first has left.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

__all__ = ["Attempt", "Condition", "Flag"]


class Attempt:
    """Taking a lock that may be somebody else's. ``with`` gives whether it is ours; who has got it gives it back::

        with attempt as mine:
            try:
                if mine: ...
            finally:
                if mine:
                    attempt.release()

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


class Flag:
    """As ``threading.Event``, without a lock: what is asked and told are single steps of the interpreter."""

    __slots__ = ("_is_set", "_waiters")

    def __init__(self) -> None:
        self._is_set = False
        self._waiters: deque[threading.Lock] = deque()

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Set it: nobody waits until it is cleared."""
        self._is_set = True
        if self._waiters:
            try:
                _wake(self._waiters)
            except BaseException:
                _wake(self._waiters)  # those whom a signal has cut off
                raise

    def clear(self) -> None:
        """Make them wait again."""
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, at most ``timeout`` seconds (None: as long as it takes). Whether it was."""
        if self._is_set:
            return True
        waiter = _taken_lock()
        self._waiters.append(waiter)
        woken = False
        try:
            # Whoever sets it from here on sees us; whoever did so before has left his word.
            woken = self._is_set or _acquire(waiter, timeout)
        finally:
            with suppress(ValueError):
                self._waiters.remove(waiter)
        return woken or self._is_set


class Condition:
    """As ``threading.Condition``, with a reentrant lock; who waits must have taken it only once."""

    if TYPE_CHECKING:

        def __enter__(self) -> bool: ...
        def __exit__(self, *_: object) -> None: ...
        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
        def release(self) -> None: ...
    else:
        __slots__ = ("__enter__", "__exit__", "_take_back", "_waiters", "acquire", "release")  # as in Attempt

    def __init__(self) -> None:
        lock: Any = threading.RLock()
        # What threading.Condition uses: it does not stop waiting for a signal.
        self._take_back: Callable[[tuple[int, int]], None] = lock._acquire_restore
        self._waiters: deque[threading.Lock] = deque()
        for name in ("__enter__", "__exit__", "acquire", "release"):
            setattr(self, name, getattr(lock, name))

    def wait(self, timeout: float | None = None) -> bool:
        """Give the lock away until notified, at most ``timeout`` seconds (None: as long as it takes). Whether it was."""
        waiter = _taken_lock()
        once_by_us = (1, threading.get_ident())
        self._waiters.append(waiter)
        try:
            self.release()
            return _acquire(waiter, timeout)
        finally:
            self._take_back(once_by_us)
            with suppress(ValueError):
                self._waiters.remove(waiter)

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Wait until ``predicate()`` is true, or ``timeout`` has passed; returns its last value."""
        import time

        end = None if timeout is None else time.monotonic() + timeout
        while not (result := predicate()):
            remaining = None if end is None else end - time.monotonic()
            if remaining is not None and remaining <= 0:
                break
            self.wait(remaining)
        return result

    def notify(self, n: int = 1) -> None:
        """Wake ``n`` of those who wait. Like all of them it is for who has the lock."""
        waiters = self._waiters
        while waiters and n > 0:
            _wake((waiters[0],))
            waiters.popleft()  # afterwards: one who is told twice has lost nothing
            n -= 1

    def notify_all(self) -> None:
        """Wake all who wait."""
        self.notify(len(self._waiters))


def _taken_lock() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


def _acquire(lock: threading.Lock, timeout: float | None) -> bool:
    if timeout is None:
        return lock.acquire()
    return lock.acquire(True, timeout) if timeout > 0 else lock.acquire(False)


def _wake(waiters: deque[threading.Lock] | tuple[threading.Lock, ...]) -> None:
    for waiter in list(waiters):  # (a list is filled in one step, whoever comes and goes; a tuple is not, before 3.12)
        try:
            waiter.release()
        except RuntimeError:
            pass
