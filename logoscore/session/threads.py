"""The threads of one party, so that its end can wait for them; and what a channel needs of its party."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from logoscore.errors import LogosError
from logoscore.locks import Flag, Thread

if TYPE_CHECKING:
    from logoscore.limits import Limits
    from logoscore.session.lending import Lending

__all__ = ["LinkOwner", "ThreadGroup", "signal_stack"]

_SIGNAL_STACK_BYTES: Final = 64 << 10
_SS_DISABLE: Final = 2


class ThreadGroup:
    """Starts daemon threads and remembers those that run."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a finalizer may start a thread while this very thread is in here
        self._threads: dict[Thread, Flag] = {}  # and when it has been started, or could not be
        self._postponed: deque[Callable[[], None]] = deque()

    def start(self, work: Callable[[], None], name: str) -> Thread:
        """Run ``work`` in a new thread.

        Raises:
            RuntimeError: the system has no thread left.
        """

        def run() -> None:
            try:
                with signal_stack():
                    work()
                    while self._postponed:
                        self._postponed.popleft()()
            finally:
                with self._lock:
                    self._threads.pop(thread, None)

        thread = Thread(target=run, name=name)
        began = Flag()
        with self._lock:
            self._threads[thread] = began
        try:
            thread.start()
        except BaseException:
            with self._lock:
                self._threads.pop(thread, None)
            raise
        finally:
            began.set()
        return thread

    def start_or_postpone(self, work: Callable[[], None], name: str) -> None:
        """Run ``work`` in a new thread; where there can be none, in the first of these that ends."""
        try:
            self.start(work, name)
        except (RuntimeError, MemoryError):
            self._postponed.append(work)

    def join(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds for all of them to end; whether they have."""
        end = time.monotonic() + timeout
        me = threading.current_thread()
        while True:
            with self._lock:
                thread, began = next(((t, e) for t, e in self._threads.items() if t is not me), (None, None))
            if thread is None or began is None:
                return True
            remaining = end - time.monotonic()
            if remaining <= 0:
                return False
            if not began.wait(remaining):  # somebody is just about to start it, and it cannot be joined yet
                continue
            if thread.ident is not None:
                thread.join(end - time.monotonic() if end > time.monotonic() else 0)
            if not thread.is_alive():
                with self._lock:
                    self._threads.pop(thread, None)


@contextmanager
def signal_stack() -> Iterator[None]:
    """In this thread, handlers of signals have a stack of their own while the body runs, if faulthandler is enabled.

    It gives one to the main thread only. Where a thread's own stack overflows there is no room to run the handler, and
    the process would die without a word of where.
    """
    faulthandler = sys.modules.get("faulthandler")
    if not sys.platform.startswith("linux") or faulthandler is None or not faulthandler.is_enabled():
        yield
        return
    import ctypes

    class Stack(ctypes.Structure):
        _fields_ = (("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))

    set_stack = ctypes.CDLL(None).sigaltstack
    memory = ctypes.create_string_buffer(_SIGNAL_STACK_BYTES)
    set_stack(ctypes.byref(Stack(ctypes.addressof(memory), 0, _SIGNAL_STACK_BYTES)), None)
    try:
        yield
    finally:
        set_stack(ctypes.byref(Stack(None, _SS_DISABLE, 0)), None)


class LinkOwner(Protocol):
    """The party at this end of a channel."""

    threads: ThreadGroup
    lending: Lending
    limits: Limits

    def link_failed(self, link: int, error: LogosError) -> None:
        """A channel cannot go on: have the core close it for both ends."""
