"""Ends its own process in every way there is."""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

from logoscore import PluginInterface, invokable


def _overflow_stack() -> None:
    """Recurse through C on a small stack: the guard page is hit long before any recursion limit."""

    def dive(_: int) -> Any:
        return sorted([0], key=dive)

    sys.setrecursionlimit(1_000_000)
    threading.stack_size(64 * 1024)
    thread = threading.Thread(target=dive, args=(0,))
    thread.start()
    thread.join()


_WAYS = {
    "segfault": lambda: ctypes.string_at(0),
    "sigkill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(3),
    "abort": os.abort,
    "stack_overflow": _overflow_stack,
    "sys_exit": lambda: sys.exit(5),
}


class Crash(PluginInterface):
    def init_logos(self, api: Any) -> None:
        self.api = api
        self._lock = threading.Lock()
        self._holding = 0

    @invokable
    def crash_on_demand(self, kind: str) -> None:
        print(f"last words before {kind}", file=sys.stderr, flush=True)
        _WAYS[kind]()

    @invokable
    def count_then_crash(self, good: int) -> Iterator[int]:
        yield from range(good)
        os._exit(3)

    @invokable
    def hold(self) -> None:
        """Wait for ever: whoever calls this waits on the module when it dies."""
        with self._lock:
            self._holding += 1
        threading.Event().wait()

    @invokable
    def holding(self) -> int:
        with self._lock:
            return self._holding

    @invokable
    def answer(self) -> int:
        return 42
