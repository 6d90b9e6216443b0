"""What a thread that hangs waits for, as the system sees it: its Python stack does not show a lock of the interpreter's own.

CPython 3.11 to 3.13 has a thread that was asked for the GIL wait, without a timeout, until another has taken it; and in glibc
before 2.41 a condition variable may lose that wake-up (https://sourceware.org/bugzilla/show_bug.cgi?id=25847). Such a thread
hangs for ever at whatever line it was, and nothing of ours is to be seen there.
"""

from __future__ import annotations

import ctypes
import threading
from pathlib import Path
from typing import Final

__all__ = ["waits_for"]

_RUNTIME: Final = 1 << 20
"""Bytes from the beginning of CPython's runtime state, within which its own locks lie."""


def waits_for(thread: threading.Thread) -> str:
    """In words; empty where the system does not say."""
    try:
        task = Path(f"/proc/self/task/{thread.native_id}")
        where = (task / "wchan").read_text().strip()
        call = (task / "syscall").read_text().split()
    except OSError:
        return ""
    if where in {"", "0"}:
        return ""  # it runs, or the system keeps it to itself
    if not where.startswith("futex"):
        return f"in the kernel: {where}, system call {call[0]}"
    address = int(call[1], 16)
    begin = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
    whose = "the interpreter's own, as the GIL's" if 0 <= address - begin < _RUNTIME else "somebody's"
    return f"waits for a lock at {address:#x}, {whose}"
