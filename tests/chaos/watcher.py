"""Sees to it that everything ends: whatever is under way says so, and until when it must be over."""

from __future__ import annotations

import faulthandler
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from helpers import descendants

from chaos.tally import Tally

__all__ = ["SLACK", "Watcher"]

SLACK: Final = 15.0
"""Seconds beyond its deadline after which a call counts as hanging: generous, since machines are busy."""


@dataclass
class _Item:
    what: str
    began: float
    seconds: float
    thread: str
    reported: bool = False


class Watcher:
    """Judges durations, and shows the stacks of all threads, here and in the hosts, when something hangs."""

    def __init__(self, tally: Tally, slack: float = SLACK) -> None:
        self._tally = tally
        self._slack = slack
        self._numbers = itertools.count()
        self._items: dict[int, _Item] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chaos-watcher", daemon=True)
        self._thread.start()

    @contextmanager
    def watching(self, what: str, seconds: float) -> Iterator[None]:
        """The body must be over ``seconds`` from now, give or take the slack."""
        number = next(self._numbers)
        item = _Item(what, time.monotonic(), seconds, threading.current_thread().name)
        self._items[number] = item
        try:
            yield
        finally:
            del self._items[number]
            took = time.monotonic() - item.began
            if took > seconds + self._slack and not item.reported:
                self._tally.defect("hanging calls", f"{what} took {took:.1f} s, its deadline was {seconds:.2f} s")

    def _run(self) -> None:
        while not self._closed.wait(0.5):
            now = time.monotonic()
            for item in list(self._items.values()):
                if now > item.began + item.seconds + self._slack and not item.reported:
                    item.reported = True
                    what = f"{item.what} in {item.thread} runs for {now - item.began:.1f} s"
                    self._tally.defect("hanging calls", f"{what}, its deadline was {item.seconds:.2f} s")
                    show_stacks(item.what)

    def close(self) -> None:
        """End its thread."""
        self._closed.set()
        self._thread.join()


def show_stacks(why: str) -> None:
    """Those of all threads, to stderr; the hosts' too (see ``party.Victim``)."""
    print(f"\n==== {why} hangs ====", file=sys.stderr, flush=True)
    faulthandler.dump_traceback(all_threads=True)
    for pid in descendants():
        with suppress(OSError):
            if _handles(pid, signal.SIGUSR2):
                os.kill(pid, signal.SIGUSR2)


def _handles(pid: int, number: signal.Signals) -> bool:
    """Whether the process has a handler; without one this signal would end it."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)
