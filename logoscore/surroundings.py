"""What a process gets from the one that starts it, other than by the command line: can a host started earlier pass for one
that is started now?

    carried: environment, working directory, search path  ─▶ what changed is sent, and the host adopts it
    fixed:   all that a process is given once and for all ─▶ if any of it changed, only a fresh host will do
"""

from __future__ import annotations

import os
import sys
from multiprocessing import process
from typing import Any, Final

import msgspec

from logoscore.launch import host_python, search_path
from logoscore.transport import messages as m

__all__ = ["Surroundings"]

#: Variables that are looked at once, while a process starts: by the interpreter, libc, or the loader of libraries.
_READ_AT_START: Final = (b"PYTHON", b"LD_", b"DYLD_", b"MALLOC_", b"GLIBC_", b"LC_", b"LANG", b"TZ")


class Surroundings(msgspec.Struct, frozen=True):
    """Those of a host that the app starts, or would start, at one moment. ``directory``: None if there is none."""

    fixed: tuple[Any, ...]
    environment: dict[bytes, bytes]
    path: tuple[bytes, ...]
    directory: bytes | None

    @classmethod
    def now(cls, thread: int) -> Surroundings:
        """As they are now, for what the thread of this native id would start."""
        environment = dict(os.environb)
        read_at_start = {key: value for key, value in environment.items() if key.startswith(_READ_AT_START)}
        try:
            directory = os.getcwdb()  # noqa: PTH109 - as bytes
        except OSError:
            directory = None
        return cls(
            (*_of_process(), *_of_thread(thread), _stdout(), read_at_start),
            environment,
            tuple(os.fsencode(each) for each in search_path() if isinstance(each, str)),
            directory,
        )

    def changes(self, later: Surroundings) -> m.Changes | None:
        """What a host of these surroundings must adopt to have the ``later`` ones; None: it cannot."""
        if self.fixed != later.fixed or later.directory is None:
            return None
        before, after = self.environment, later.environment
        return m.Changes(
            set={key: value for key, value in after.items() if before.get(key) != value},
            unset=tuple(before.keys() - after.keys()),
            path=later.path,
            directory=later.directory,
        )


def _of_process() -> tuple[Any, ...]:
    """What is the whole process's."""
    import resource

    limits = [resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")]
    return (
        host_python(),
        tuple(sys.warnoptions),
        bytes(process.current_process().authkey),
        limits,
        _umask(),
        (os.getuid(), os.geteuid(), os.getgid(), os.getegid(), os.getgroups()),
    )


def _of_thread(thread: int) -> tuple[Any, ...]:
    """What on Linux is a thread's, and inherited from it."""
    if not sys.platform.startswith("linux"):
        return (os.getpriority(os.PRIO_PROCESS, 0),)
    return os.sched_getaffinity(thread), os.getpriority(os.PRIO_PROCESS, thread)


def _stdout() -> tuple[int, ...] | None:
    if sys.__stdout__ is None:
        return None  # then hosts have none either
    try:
        status = os.fstat(1)
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_rdev


def _umask() -> bytes | None:
    """The bits of new files that are off; nobody can ask without changing it but on Linux, elsewhere None."""
    try:
        with open("/proc/self/status", "rb") as stream:  # noqa: PTH123 - on the way of each load
            return next((line for line in stream if line.startswith(b"Umask:")), None)
    except OSError:
        return None
