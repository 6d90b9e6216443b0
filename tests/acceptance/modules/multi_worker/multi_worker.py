"""Counts how many of its calls run at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from logoscore import PluginInterface, invokable


class MultiWorker(PluginInterface):
    def init_logos(self, api: Any) -> None:
        self.api = api
        self._lock = threading.Lock()
        self._active = self._peak = self._done = 0
        self._meeting = threading.Barrier(4)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self._active += 1
            self._peak = max(self._peak, self._active)
        try:
            yield
        finally:
            with self._lock:
                self._active -= 1
                self._done += 1

    @invokable
    def work(self, ticket: int) -> int:
        """Simulated work of 2 ms, during which another call would show in the peak."""
        with self._counted():
            threading.Event().wait(0.002)
            return ticket

    @invokable
    def meet(self, ticket: int) -> int:
        """Return only once four calls are here at the same time."""
        with self._counted():
            self._meeting.wait(timeout=15)
            return ticket

    @invokable
    def stats(self) -> dict[str, int]:
        with self._lock:
            return {"peak": self._peak, "done": self._done}
