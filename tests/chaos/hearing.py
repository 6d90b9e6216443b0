"""Whether events are whole, in order, and none is missing without a word."""

from __future__ import annotations

import threading
import zlib

from logoscore import Event

__all__ = ["Checker"]


class Checker:
    """Takes the events ``news`` of the module ``herald``. Thread-safe.

    Args:
        complete: whether the subscription drops none, so that within one life of the publisher the numbers have no gap.
    """

    def __init__(self, *, complete: bool = True) -> None:
        self._complete = complete
        self._lock = threading.Lock()
        self._instance = ""
        self._sequence = 0
        self._count = 0
        self._wrong: list[str] = []

    def take(self, event: Event) -> None:
        """The next event."""
        instance, text, check = event.data
        with self._lock:
            self._count += 1
            if zlib.crc32(text.encode()) != check or not text.startswith(instance):
                self._wrong.append(f"{event!r} is spoilt")
            if instance == self._instance:
                self._compare(event)
            elif self._instance and not event.gap:
                self._wrong.append(f"{event!r} is another instance's than {self._instance}, and tells of no gap")
            self._instance, self._sequence = instance, event.sequence

    def _compare(self, event: Event) -> None:
        if event.sequence <= self._sequence:
            self._wrong.append(f"{event!r} came after number {self._sequence}")
        elif self._complete and not event.gap and event.sequence != self._sequence + 1:
            self._wrong.append(f"{event!r} came after number {self._sequence}, and those between are missing")

    def result(self) -> tuple[int, list[str]]:
        """How many events were taken since the last time, and what was wrong with them."""
        with self._lock:
            result = self._count, self._wrong
            self._count, self._wrong = 0, []
        return result
