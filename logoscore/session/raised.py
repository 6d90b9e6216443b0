"""What the callbacks of ``on_event`` raise, in the log. Imported when one has raised.

Rules: the record says whose callback it was, and for what. One that raises at every event must not bury all else: the same
error, of one class from one line, is logged the first time, the second, the fourth and so on, and at least once a second
while it goes on; each record says how often it has happened by then. So what happens now and then is always logged, and
of a flood one sees the size.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

from logoscore.session.wire_errors import class_name

__all__ = ["Raised"]

_SECONDS: Final = 1.0  # in which the same error is not logged again, but for the powers of two
_MOST: Final = 64  # kinds of errors that are told apart

_Kind = tuple[str, str, int]


class Raised:
    """What one callback has raised so far. Used by one thread at a time.

    Args:
        party: whose callback it is.
        clock: gives seconds, as ``time.monotonic`` does.
    """

    def __init__(self, party: str, callback: Callable[..., Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._who = f"{party}: the callback {described(callback)}"
        self._clock = clock
        self._seen: dict[_Kind, tuple[int, float]] = {}  # how often, and when it was logged last

    def add(self, exc: BaseException, what: str, trace: TracebackType | None) -> None:
        """It raised ``exc`` for ``what`` (``"module.event"``): log it, unless that has been logged just now."""
        kind = _kind(exc, trace)
        count, logged = self._seen.get(kind, (0, 0.0))
        count, now = count + 1, self._clock()
        due = count & (count - 1) == 0 or now - logged >= _SECONDS
        if kind not in self._seen and len(self._seen) >= _MOST:
            self._seen.clear()
        self._seen[kind] = count, now if due else logged
        if due:
            often = "" if count == 1 else f" ({count} times by now; what recurs is not logged each time)"
            logging.getLogger("logoscore").error(
                "%s for %s raised%s", self._who, what, often, exc_info=(type(exc), exc, trace)
            )


def _kind(exc: BaseException, trace: TracebackType | None) -> _Kind:
    """Its class, and the line that raised it."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return class_name(exc), "", 0
    return class_name(exc), trace.tb_frame.f_code.co_filename, trace.tb_lineno


def described(callback: Callable[..., Any]) -> str:
    """Where it is defined, as ``package.module.Class.method``; of an object that can be called, its class."""
    try:
        return _place(callback)
    except BaseException:  # noqa: BLE001 - it may answer any question about itself by raising
        return f"of the class {class_name(callback)}"


def _place(callback: Callable[..., Any]) -> str:
    while isinstance(callback, functools.partial):
        callback = callback.func
    name = getattr(callback, "__qualname__", None)
    place: object = callback
    if not isinstance(name, str):
        place, name = type(callback), type(callback).__qualname__
    module = getattr(place, "__module__", None)
    return f"{module}.{name}" if isinstance(module, str) else f"{name}"
