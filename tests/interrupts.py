"""Signal handlers that raise, in the middle of whatever the main thread does. Tests run in the main thread."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Interrupted", "raising_alarm", "strike"]


class Interrupted(BaseException):
    """What the handler raises; not a KeyboardInterrupt, which some libraries let through as the only one."""


@contextmanager
def raising_alarm() -> Iterator[None]:
    """While the body runs, SIGALRM raises :class:`Interrupted`."""

    def handler(*_: object) -> None:
        raise Interrupted

    former = signal.signal(signal.SIGALRM, handler)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def strike(times: int, work: Callable[[], object], after: Callable[[], object]) -> None:
    """Have ``work``, which never ends by itself, interrupted at any step; ``after`` looks what that has left."""
    for _ in range(times):
        try:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(2e-5, 2e-4))
            while True:
                work()
        except Interrupted:
            pass
        after()
