"""What a process holds that a Core could leave behind; used by the leak check of ``logoscore.testing``."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from logoscore.locks import Flag
from logoscore.transport.segment import process_start_time

_T = TypeVar("_T")
_PROC = Path("/proc")
_SHM = Path("/dev/shm")  # noqa: S108 - looked at, never written
_PREFIXES = ("logos", "sem.logos")  # glibc keeps a semaphore /x as /dev/shm/sem.x


def wait_until(predicate: Callable[[], _T], timeout: float = 15.0, what: str = "the condition") -> _T:
    """The first true answer of ``predicate``; AssertionError if there is none within ``timeout`` seconds."""
    never = Flag()
    deadline = time.monotonic() + timeout
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise AssertionError(f"{what} did not hold within {timeout} s")
        never.wait(0.01)


def is_alive(pid: int) -> bool:
    """Whether the process exists, as a zombie too."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def descendants() -> dict[int, str]:
    """Every process below this one, zombies included: pid to ``start time and command``."""
    parents: dict[int, int] = {}
    described: dict[int, str] = {}
    for entry in _PROC.glob("[0-9]*/stat"):
        try:
            head, _, tail = entry.read_text(encoding="utf-8", errors="replace").rpartition(")")
        except OSError:
            continue  # it ended while we looked
        fields = tail.split()
        pid = int(entry.parent.name)
        parents[pid] = int(fields[1])
        described[pid] = f"pid {pid} {head.partition('(')[2]} started {fields[19]}"
    below: dict[int, str] = {}
    grown = True
    while grown:
        new = {pid for pid, parent in parents.items() if pid not in below and parent in {os.getpid(), *below}}
        below.update({pid: described[pid] for pid in new})
        grown = bool(new)
    return below


def descriptors() -> Counter[str]:
    """What this process has open, by target."""
    targets: Counter[str] = Counter()
    folder = _PROC / "self" / "fd"
    if not folder.is_dir():
        return targets
    for number in os.listdir(folder):  # noqa: PTH208 - a Path would hold the folder open while we look
        try:
            targets[str((folder / number).readlink())] += 1
        except OSError:
            continue  # the descriptor that listed the folder
    return targets


def shared_memory() -> frozenset[str]:
    """The project's named segments and semaphores, whoever made them."""
    if not _SHM.is_dir():
        return frozenset()
    return frozenset(entry.name for entry in _SHM.iterdir() if entry.name.startswith(_PREFIXES))


def _ours(name: str) -> bool:
    """Whether this process made it, or one below it; other apps, other test runs, and what they left are not ours."""
    try:
        pid_text, start_text, _ = name.partition("logos.")[2].split(".")
        pid, start = int(pid_text, 16), int(start_text, 16)
    except ValueError:
        return False
    return process_start_time(pid) == start and (pid == os.getpid() or pid in descendants())


def _lives(thread: threading.Thread) -> bool:  # noqa: TID251 - anybody's
    """Whether there is such a thread. Code that runs at the very end of one (the garbage collector's) may ask for the
    current thread, and ``threading`` then keeps an entry, named Dummy-n, that nobody takes out any more.
    """
    tasks = _PROC / "self" / "task"
    return not tasks.is_dir() or (tasks / str(thread.native_id)).is_dir()


@dataclass(frozen=True)
class Holdings:
    """What this process holds that a Core could leave behind."""

    processes: frozenset[str]
    threads: frozenset[threading.Thread]  # noqa: TID251 - anybody's
    descriptors: Counter[str]
    shared_memory: frozenset[str]

    @classmethod
    def now(cls) -> Holdings:
        return cls(
            frozenset(descendants().values()),
            frozenset(filter(_lives, threading.enumerate())),
            descriptors(),
            frozenset(filter(_ours, shared_memory())),
        )

    def left_behind(self) -> list[str]:
        """What there is now and was not then, one line each."""
        now = Holdings.now()
        return [
            *(f"process {each}" for each in sorted(now.processes - self.processes)),
            *(
                f"thread {each.name}"
                for each in now.threads - self.threads
                if not each.name.startswith("pytest_timeout")
            ),
            *(f"descriptor {each} x{count}" for each, count in (now.descriptors - self.descriptors).items()),
            *(f"shared memory {each}" for each in sorted(now.shared_memory - self.shared_memory)),
        ]

    def assert_nothing_left(self, timeout: float = 10.0) -> None:
        """Wait for stragglers, then fail with the list of what stays."""
        if not self.left_behind():
            return
        gc.collect()
        never = Flag()
        deadline = time.monotonic() + timeout
        while left := self.left_behind():
            if time.monotonic() >= deadline:
                raise AssertionError("left behind:\n  " + "\n  ".join(left))
            never.wait(0.01)
