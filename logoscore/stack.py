"""Where a module hangs while it is loaded: its host is asked for the stack of its main thread, which writes it to stderr.

    core: SIGQUIT ─▶ host: faulthandler, in C, so native code that keeps the interpreter does not matter
                     └─▶ stderr ─▶ its last lines, in the error that is about to be raised

A module that has a handler of its own for SIGQUIT has taken it from us; then there is no stack.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Final

from logoscore.locks import Flag

__all__ = ["SIGNAL", "await_stack", "write_stack_when_asked"]

SIGNAL: Final = signal.SIGQUIT
_SECONDS: Final = 2.0  # in which it has come, or does not
_PAUSE_SECONDS: Final = 0.01
_HEADER: Final = "(most recent call first)"
_ENDS: Final = (" in <module>", "  ...")  # of the last line: where the process began, or what is too deep to be written


def write_stack_when_asked() -> None:
    """In a host, before its module's code runs."""
    import faulthandler

    faulthandler.register(
        SIGNAL, file=2, all_threads=False
    )  # others' would push the one that counts out of the last lines


def await_stack(tail: Callable[[], str], ended: Flag) -> None:
    """In the core, after the signal: until it is written, the host has ended, or it takes too long.

    Args:
        tail: gives the last lines of the host's stderr.
        ended: set when it has ended.
    """
    end = time.monotonic() + _SECONDS
    while not _written(tail()) and time.monotonic() < end and not ended.wait(_PAUSE_SECONDS):
        pass


def _written(text: str) -> bool:
    _, header, stack = text.rpartition(_HEADER)
    return bool(header) and stack.rstrip("\n").endswith(_ENDS)
