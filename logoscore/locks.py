"""Locks, flags, conditions and threads that an exception of a signal handler cannot tear.

Ctrl-C is raised in the main thread between any two steps of its Python code. With what the standard library has, that may
be here::

    if lock.acquire(False):
        # ← the lock is taken, and nobody will give it back
        try: ...
        finally: lock.release()

or, just the same, inside ``threading.Condition.__enter__``, through which every ``wait`` and ``set`` of a
``threading.Event`` goes, too, and so does the start of a ``threading.Thread``: whoever wants to set that event then waits
for ever, and whoever joins him.

CPython (3.11 to 3.13) looks for signals after a call has returned, at the beginning of a Python function, and where a loop
begins anew; nowhere else. So ``with lock:`` is safe, because between a C function's ``__enter__`` and the block nothing
is looked at; and so is everything here, which is made of single C calls, with the clean-up of each already in force when
it is looked at next. Of two such exceptions at once the second may tear what the first has left.

(3.13 looks in some loops where no handler is in force, gh-130279: ``while condition:`` inside ``with lock:`` is one of
them, ``while True:`` with a ``break`` is not. It is written like that where the main thread spends time.)
"""

from __future__ import annotations

import operator
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

__all__ = ["Attempt", "Condition", "Flag", "Lead", "Thread"]

#: Who waits for a lead looks himself after so long: whoever left may have been struck before he woke him.
_LOOK_SECONDS = 0.5
_LockType = type(threading.Lock())


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


class Lead:
    """A ``threading.Lock`` for what is nearly always free: then it is taken without a call, as an attribute is set.

    Whoever takes it like that writes, with a ``me`` that is true, and nobody else's::

        try:
            lead.holder = lead.holder or me
            if lead.holder is me: ...
        finally:
            if lead.holder is me:
                lead.holder = lead.heir
                if lead.holder is not None:
                    lead.wake()

    In the first line there is nothing after which CPython looks for signals or lets another thread run (see above), so
    one of two gets it, and whoever is struck gives it back. A line, because a debugger's tracing comes between two of them.
    (It needs the GIL; and what watches single instructions, as ``sys.monitoring`` can, would come in between.)

    Who waits is handed it by whoever leaves: whoever only looked again would find it taken again, for seconds.

    Attributes:
        holder: who has it; None: nobody.
        heir: who has waited longest, and gets it next; None: nobody waits.
    """

    __slots__ = ("_waiters", "heir", "holder")

    def __init__(self) -> None:
        self.holder: object = None
        self.heir: threading.Lock | None = None
        self._waiters: deque[threading.Lock] = deque()

    def locked(self) -> bool:
        """Whether somebody has it."""
        return self.holder is not None

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As ``threading.Lock.acquire``."""
        me = _taken_lock()
        self.holder = self.holder or me
        if self.holder is me or not blocking:
            return self.holder is me
        try:
            self._wait(me, None if timeout < 0 else time.monotonic() + timeout)
        except BaseException:
            if self.holder is me:
                self.holder = self.heir
                self.wake()
            raise
        return self.holder is me

    def _wait(self, me: threading.Lock, end: float | None) -> None:
        try:
            self._waiters.append(me)
            self.heir = self._waiters[0]
            self.holder = self.holder or me  # whoever leaves from here on sees us
            while True:
                if self.holder is me:
                    return
                pause = _LOOK_SECONDS if end is None else min(end - time.monotonic(), _LOOK_SECONDS)
                if pause <= 0:
                    return
                _acquire(me, pause)
        finally:
            try:
                if me in self._waiters:
                    self._waiters.remove(me)
            finally:
                # From here on nobody hands it to us; whoever did so before has set ``holder``.
                self.heir = self._waiters[0] if self._waiters else None

    def release(self) -> None:
        """Give it back, whoever took it. (Written out above, as a call can be struck before it has done anything.)"""
        self.holder = self.heir
        self.wake()

    def wake(self) -> None:
        """Whom it was handed to, if anybody, waits no longer."""
        holder = self.holder
        if type(holder) is _LockType:  # else somebody else has taken it meanwhile
            _wake(holder)


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
                self._wake_all()
            except BaseException:
                self._wake_all()  # those whom a signal has cut off
                raise

    def _wake_all(self) -> None:
        for waiter in list(self._waiters):  # (a list is filled in one step, whoever comes and goes)
            _wake(waiter)

    def clear(self) -> None:
        """Make them wait again."""
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, at most ``timeout`` seconds (None: as long as it takes). Whether it was."""
        if self._is_set:
            return True
        waiter = _taken_lock()
        woken = False
        try:
            self._waiters.append(waiter)
            # Whoever sets it from here on sees us; whoever did so before has left his word.
            woken = self._is_set or _acquire(waiter, timeout)
        finally:
            try:  # (written out: a function of ours would look for signals before it has removed him)
                self._waiters.remove(waiter)
            except ValueError as exc:
                if type(exc) is not ValueError:  # (a signal handler's)
                    raise
        return woken or self._is_set

    def _at_fork_reinit(self) -> None:
        """In a forked child, where nobody waits any more. (``threading`` calls it for a thread's.)"""
        self._waiters.clear()


class Thread(threading.Thread):  # noqa: TID251 - this is it
    """A ``threading.Thread`` whose start cannot be torn: neither it nor who starts it waits for ever."""

    def __init__(
        self, target: Callable[..., object], name: str, *, args: tuple[Any, ...] = (), daemon: bool = True
    ) -> None:
        super().__init__(target=target, name=name, args=args, daemon=daemon)
        self._started = Flag()  # what start() waits for


class Condition:
    """As ``threading.Condition``, with a reentrant lock."""

    if TYPE_CHECKING:

        def __enter__(self) -> bool: ...
        def __exit__(self, *_: object) -> None: ...
        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
        def release(self) -> None: ...
    else:
        __slots__ = ("__enter__", "__exit__", "_give", "_take_back", "_waiters", "acquire", "release")  # as in Attempt

    def __init__(self) -> None:
        lock: Any = threading.RLock()
        # What threading.Condition uses: all of its levels at once; and taking it back does not stop for a signal.
        self._give: Callable[[], tuple[int, int]] = lock._release_save
        self._take_back: Callable[[tuple[int, int]], None] = lock._acquire_restore
        self._waiters: deque[threading.Lock] = deque()
        for name in ("__enter__", "__exit__", "acquire", "release"):
            setattr(self, name, getattr(lock, name))

    def wait(self, timeout: float | None = None) -> bool:
        """Give the lock away until notified, at most ``timeout`` seconds (None: as long as it takes). Whether it was.

        Raises:
            RuntimeError: the lock is not this thread's.
        """
        waiter = _taken_lock()
        given: list[tuple[int, int]] = []
        try:
            self._waiters.append(waiter)
            try:
                # One C call: where it is given away, that is noted when signals are looked for next.
                given.extend(map(operator.call, (self._give,)))
                return _acquire(waiter, timeout)
            finally:
                if given:
                    self._take_back(given[0])
        finally:
            try:  # (written out: a function of ours would look for signals before it has removed him)
                self._waiters.remove(waiter)
            except ValueError as exc:
                if type(exc) is not ValueError:  # (a signal handler's)
                    raise

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Wait until ``predicate()`` is true, or ``timeout`` has passed; returns its last value."""
        end = None if timeout is None else time.monotonic() + timeout
        while not (result := predicate()):
            remaining = None if end is None else end - time.monotonic()
            if remaining is not None and remaining <= 0:
                break
            self.wait(remaining)
        return result

    def notify(self, n: int = 1) -> None:
        """Wake ``n`` of those who wait. Like all of them it is for who has the lock."""
        for waiter in list(self._waiters):
            if n <= 0:
                return
            n -= _wake(waiter)
            # Afterwards, and not only by himself: who is told once more has lost nothing, but would count.
            try:
                self._waiters.remove(waiter)
            except ValueError as exc:  # a signal handler has just told him as well
                if type(exc) is not ValueError:
                    raise

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


def _wake(waiter: threading.Lock) -> bool:
    """False: somebody else has done it."""
    try:
        waiter.release()
    except RuntimeError as exc:
        if type(exc) is not RuntimeError:  # (a signal handler's)
            raise
        return False
    return True
