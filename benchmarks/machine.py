"""What the machine is, and what a process has used of it. Where operating systems differ, it is in here."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import psutil  # type: ignore[import-untyped, unused-ignore]  # its types are a package of their own

__all__ = ["allowed_cpus", "can_pin", "cpu_time_ns", "describe", "pinned", "precise_sleep"]

_LIBRARIES: Final = (
    "logoscore", "msgspec", "posix_ipc", "numpy", "pyzmq", "Pyro5", "rpyc", "grpcio", "iceoryx2", "ray", "PySide6",
    "PySide6-Essentials",
)  # fmt: skip
_PR_SET_TIMERSLACK: Final = 29
_PR_GET_TIMERSLACK: Final = 30


def allowed_cpus() -> int:
    """How many CPUs this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def can_pin() -> bool:
    """Whether processes can be confined to CPUs here."""
    return sys.platform == "linux"


@contextmanager
def pinned() -> Iterator[None]:
    """Within this, this process, and all that it starts, has one CPU. (What it starts keeps it.)

    Raises:
        OSError: this system cannot.
    """
    if sys.platform != "linux":
        raise OSError(f"{sys.platform} has no os.sched_setaffinity")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})  # interrupts tend to be served by the first
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_time_ns(pid: int) -> int:
    """User and system time that a living process, all its threads together, has used so far.

    On Linux this is the process's CPU clock, in nanoseconds. ``os.times`` and psutil count in ticks of 10 ms there, and
    a whole parked round costs few of those. Elsewhere it is psutil's.
    """
    if sys.platform == "linux":
        try:
            return time.clock_gettime_ns((~pid << 3) | 2)  # what clock_getcpuclockid(3) makes of a pid
        except OSError:
            pass  # a sandboxed kernel may refuse other processes' clocks
    times = psutil.Process(pid).cpu_times()
    return int((times.user + times.system) * 1e9)


@contextmanager
def precise_sleep() -> Iterator[None]:
    """Within this, ``time.sleep`` on this thread ends when asked to, not up to 50 µs later (Linux's timer slack)."""
    if sys.platform != "linux":
        yield
        return
    prctl = ctypes.CDLL(None).prctl
    prctl.argtypes = [ctypes.c_int, ctypes.c_ulong]
    before = prctl(_PR_GET_TIMERSLACK, 0)
    prctl(_PR_SET_TIMERSLACK, 1)
    try:
        yield
    finally:
        prctl(_PR_SET_TIMERSLACK, max(before, 1))


def describe() -> dict[str, Any]:
    """The machine, the interpreter and the libraries, as JSON takes it."""
    from logoscore.transport.ring import COMPILED  # peers import this file, too, and need nothing of ours

    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu_model(),
        "cpus": os.cpu_count(),
        "cpus_allowed": allowed_cpus(),
        "architecture": platform.machine(),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "ring": "C" if COMPILED else "Python",
        "gil": bool(getattr(sys, "_is_gil_enabled", lambda: True)()),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "libraries": {name: version for name in _LIBRARIES if (version := _version(name)) is not None},
    }


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or "unknown"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
