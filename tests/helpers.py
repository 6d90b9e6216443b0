"""What tests of every kind share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from logoscore.leaks import Holdings, descendants, is_alive, wait_until

__all__ = ["Holdings", "beside", "descendants", "is_alive", "wait_until"]

_ENDS_SECONDS: Final = 30.0


@contextmanager
def beside(work: Callable[[], object], wake: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Another thread does ``work`` over and over while the body runs, and ends then, when ``wake`` was called."""
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            work()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        wake()
        thread.join(_ENDS_SECONDS)
    assert not thread.is_alive(), "it waits for a lock that nobody gives back"
