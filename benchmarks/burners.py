"""Processes that keep every allowed CPU busy, for the ``--busy`` condition."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import repeat
from typing import Final

__all__ = ["burning"]

_STEPS: Final = 100_000  # a few milliseconds between two looks at whether the parent still lives


@contextmanager
def burning(count: int) -> Iterator[None]:
    """``count`` processes compute within this."""
    context = multiprocessing.get_context("spawn")
    burners = [context.Process(target=_burn, name="burner", daemon=True) for _ in range(count)]
    try:
        for burner in burners:
            burner.start()
        yield
    finally:
        for burner in burners:
            if burner.pid is not None:
                burner.terminate()
                burner.join()
            burner.close()


def _burn() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    while parent is not None and parent.is_alive():
        for _ in repeat(None, _STEPS):
            pass
