"""What a process holds, seen from outside, and how much memory it uses."""

from __future__ import annotations

import ctypes
import os
import re
import threading
from collections import Counter
from pathlib import Path

__all__ = ["give_back", "held_by", "resident_mb", "threads_here"]

_PROC = Path("/proc")


def held_by(pid: int) -> Counter[str]:
    """Descriptors by kind, threads, and mappings of ours."""
    held: Counter[str] = Counter()
    folder = _PROC / str(pid)
    for number in os.listdir(folder / "fd"):  # noqa: PTH208 - a Path would hold the folder open while we look
        try:
            target = str((folder / "fd" / number).readlink())
        except OSError:
            continue  # closed while we looked; the listing's own at least
        held[f"descriptor of {re.sub(r'[0-9]+', '#', target.partition(':')[0])}"] += 1
    held["thread"] = len(list((folder / "task").iterdir()))
    for line in (folder / "maps").read_text(encoding="utf-8").splitlines():
        for kind in ("memfd:logoscore", "sem."):
            held[f"mapping of {kind}"] += kind in line
    return held


def threads_here() -> Counter[str]:
    """Of this process, by name."""
    return Counter(thread.name for thread in threading.enumerate())


def give_back() -> None:
    """Let the allocator return what it only keeps for itself, where it can (glibc): else that hides what is kept by us."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def resident_mb(pid: int) -> float:
    """Memory that the process uses itself (without what it shares), in MiB."""
    for line in (_PROC / str(pid) / "status").read_text(encoding="utf-8").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return 0.0
