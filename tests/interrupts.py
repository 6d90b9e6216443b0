"""Signal handlers that raise, in the middle of whatever the main thread does. Tests run in the main thread."""

from __future__ import annotations

import gc
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["Interrupted", "raising_alarm", "strike"]

_LONG: Final = 1.0  # seconds after which an alarm that was lost is not waited for


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
    """Have ``work``, done over and over, interrupted at any step; ``after`` looks what that has left.

    No collector meanwhile: what is raised while one of its callbacks runs (Hypothesis has one) is lost.
    """
    gc.disable()
    try:
        for _ in range(times):
            try:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(2e-5, 2e-4))
                end = time.monotonic() + _LONG
                while True:  # (not "while condition": Python 3.13 looks for signals outside the try then, see locks.py)
                    work()
                    if time.monotonic() >= end:
                        break
            except Interrupted:
                pass
            after()
    finally:
        gc.enable()
