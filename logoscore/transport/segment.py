"""Shared memory and semaphores of the operating system. The only file that imports ``posix_ipc``.

Rules:

* Memory has no name: it is sealed against resizing where the system can (``memfd_create``, Linux), so that a hostile
  peer cannot truncate it under our feet (SIGBUS); elsewhere a POSIX shared memory object is unlinked as soon as it is
  made. Either way the descriptor travels, and its pages are reserved up front.
* Semaphores lie in the channel's own memory where that can be: ``_semaphore.c``, on Linux with a C compiler, which has the
  reasons. Otherwise they are the system's (posix_ipc). A hostile peer can spoil those so that a post stops or ends this
  process: they do for modules that one trusts not to try.
* The system's semaphores need names for a moment. A name carries the pid and the start time of its maker, so that
  :func:`sweep` can remove what a killed process left without ever touching a living one's.
* A semaphore has no owner, and closing one while a thread waits on it is undefined: ``Semaphore.close`` is called only
  by whoever made sure that no thread is inside (see ``channel.py``).
* posix_ipc drops what a signal handler raises during a wait, all but KeyboardInterrupt. Handlers run in the main thread,
  so that one waits through the C library (``libc_semaphore.py``).
* What macOS does differently stays in this file: names of at most 30 characters, no ``sem_timedwait``.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
import time
from typing import Final, Protocol

import posix_ipc

from logoscore.transport.libc_semaphore import LibcSemaphore

__all__ = [
    "IN_MEMORY",
    "SEMAPHORE_SIZE",
    "MemoryMaker",
    "NamedSemaphore",
    "Semaphore",
    "create_memory",
    "create_memory_posix",
    "create_memory_sealed",
    "create_semaphores",
    "map_memory",
    "memory_semaphore",
    "process_start_time",
    "sweep",
    "unlink_semaphore",
]

_PREFIX: Final = "logos."
_SHM: Final = "/dev/shm"  # noqa: S108 - where Linux keeps named semaphores, not a temporary file of ours
_CHANCE: Final = 7  # characters of 5 bits: with pid and start time, the 30 characters that macOS allows
_HAS_TIMEDWAIT: Final = bool(posix_ipc.SEMAPHORE_TIMEOUT_SUPPORTED)
#: How often a waiter without ``sem_timedwait`` looks (macOS only).
_POLL_SECONDS: Final = 0.001
_MAIN_THREAD: Final = threading.main_thread().ident


class MemoryMaker(Protocol):
    """Makes ``size`` zeroed, reserved bytes of shared memory without a name and returns their descriptor."""

    def __call__(self, size: int) -> int: ...


# --- names ----------------------------------------------------------------------------------------------------------


def process_start_time(pid: int) -> int | None:
    """When ``pid`` started, in clock ticks since boot (a number that tells two users of one pid apart).

    None if there is no such process. 0 where the system does not tell (anything but Linux).
    """
    if not sys.platform.startswith("linux"):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass  # it lives, and belongs to somebody else
        return 0
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:  # noqa: PTH123 - no pathlib in a host's start
            stat = stream.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat[stat.rindex(b")") + 2 :].split()[19])


def _new_name() -> str:
    """A name that nobody can guess: else another user could make it first, and we would have no semaphores."""
    import base64

    pid = os.getpid()
    chance = base64.b32encode(os.urandom(5)).decode()[:_CHANCE]
    return f"/{_PREFIX}{pid:x}.{process_start_time(pid) or 0:x}.{chance}"


def sweep() -> list[str]:
    """Remove named objects whose maker is dead; returns their names. A living process's are never touched."""
    swept: list[str] = []
    if not sys.platform.startswith("linux"):
        return swept  # macOS has no directory of semaphores to look through
    from pathlib import Path

    for entry in Path(_SHM).glob(f"sem.{_PREFIX}*"):
        name = entry.name.removeprefix("sem.")
        try:
            pid_text, start_text, _ = name.removeprefix(_PREFIX).split(".")
            pid, start = int(pid_text, 16), int(start_text, 16)
        except ValueError:
            continue  # not one of ours
        if process_start_time(pid) != start:
            try:
                posix_ipc.unlink_semaphore("/" + name)
            except (posix_ipc.Error, OSError):
                continue  # somebody else swept it, or owns it, or it is no semaphore at all
            swept.append(name)
    return swept


# --- memory ---------------------------------------------------------------------------------------------------------


def create_memory_sealed(size: int) -> int:
    """Anonymous memory that nobody can resize (Linux)."""
    import fcntl

    fd = os.memfd_create("logoscore", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.posix_fallocate(fd, 0, size)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    except BaseException:
        os.close(fd)
        raise
    return fd


def create_memory_posix(size: int) -> int:
    """A POSIX shared memory object, unlinked before anybody else sees it (any POSIX system)."""
    memory = posix_ipc.SharedMemory(_new_name(), posix_ipc.O_CREX, mode=0o600, size=size)
    memory.unlink()
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(memory.fd, 0, size)
        except BaseException:
            os.close(memory.fd)
            raise
    return int(memory.fd)


create_memory: MemoryMaker = create_memory_sealed if hasattr(os, "memfd_create") else create_memory_posix
"""The best kind that this system has."""


def map_memory(fd: int, size: int) -> mmap.mmap:
    """Map ``size`` bytes of ``fd`` for reading and writing, and close ``fd``.

    Raises:
        ValueError: the memory is smaller than ``size``.
    """
    try:
        if os.fstat(fd).st_size < size:
            raise ValueError(f"the shared memory has {os.fstat(fd).st_size} bytes, expected {size}")
        if sys.version_info >= (3, 13):
            return mmap.mmap(fd, size, trackfd=False)
        return mmap.mmap(fd, size)
    finally:
        os.close(fd)


# --- semaphores -----------------------------------------------------------------------------------------------------


def create_semaphores(count: int) -> list[str]:
    """Make ``count`` semaphores with value 0; returns their names. They live until :func:`unlink_semaphore`."""
    names: list[str] = []
    try:
        for _ in range(count):
            name = _new_name()
            posix_ipc.Semaphore(name, posix_ipc.O_CREX, mode=0o600, initial_value=0).close()
            names.append(name)
    except posix_ipc.Error as exc:
        for name in names:
            unlink_semaphore(name)
        raise OSError(f"a semaphore cannot be made: {exc}") from exc
    except BaseException:
        for name in names:
            unlink_semaphore(name)
        raise
    return names


def unlink_semaphore(name: str) -> None:
    """Remove a semaphore's name. Whoever opened it keeps it. Fine if it is gone already."""
    try:
        posix_ipc.unlink_semaphore(name)
    except posix_ipc.ExistentialError:
        pass


SEMAPHORE_SIZE: Final = 64
"""The bytes of memory that a :class:`MemorySemaphore` takes; zeroed when the first end is made."""


class Semaphore(Protocol):
    """A counting semaphore between processes.

    ``post()`` adds one; it makes no system call while nobody waits, and does not release the GIL. ``kick()`` does, and
    wakes whoever waits here in this process, even if the peer has spoilt the semaphore. Both raise ValueError once it
    is closed.
    """

    def post(self) -> None: ...
    def kick(self) -> None: ...
    def try_acquire(self) -> bool:
        """Take one if there is one."""
        ...

    def acquire(self, timeout: float | None, /) -> bool:
        """Wait for one, at most ``timeout`` seconds (None: as long as it takes).

        False when the time is over, and also, early, when a signal was handled, or for a kick: whoever waits looks at its
        clock again. In the main thread, what a signal handler raises comes out of here.
        """
        ...

    def close(self) -> None:
        """Unmap it. No thread may be inside ``acquire``, and nobody may use it afterwards."""
        ...


try:
    from logoscore.transport import _semaphore
except ImportError:  # it was installed without a C compiler, or this is not Linux
    IN_MEMORY = False
else:
    IN_MEMORY = True
"""Whether semaphores can be in shared memory: :func:`memory_semaphore`."""


def memory_semaphore(memory: memoryview) -> Semaphore:
    """One in SEMAPHORE_SIZE bytes of memory, which were zeroed when its first end was made.

    Raises:
        ValueError: the memory will not do, or this process has no such semaphores.
    """
    if not IN_MEMORY:
        raise ValueError("semaphores in a channel's memory need the compiled part of logoscore, which is not here")
    return _semaphore.MemorySemaphore(memory)


class NamedSemaphore:
    """The system's, opened by name. Raises OSError if there is none.

    ``post`` raises OSError where the peer has set it to its limit; then ``kick`` wakes nobody.
    """

    __slots__ = ("_main_thread", "_semaphore", "kick", "post")

    def __init__(self, name: str) -> None:
        try:
            self._semaphore = posix_ipc.Semaphore(name)
        except posix_ipc.Error as exc:
            raise OSError(f"semaphore {name}: {exc}") from exc
        self._main_thread = LibcSemaphore(name) if _HAS_TIMEDWAIT else None
        self.post = self.kick = self._semaphore.release

    def try_acquire(self) -> bool:
        """Take one if there is one. Lets other threads have the GIL for a moment."""
        try:
            self._semaphore.acquire(0)
        except posix_ipc.BusyError:
            return False
        except posix_ipc.SignalError:
            return False
        return True

    def acquire(self, timeout: float | None) -> bool:
        """See :class:`Semaphore`."""
        if timeout is not None and timeout <= 0:
            return self.try_acquire()
        if self._main_thread is None:
            return self._poll(float("inf") if timeout is None else timeout)
        if threading.get_ident() == _MAIN_THREAD:
            return self._main_thread.acquire(timeout)
        try:
            self._semaphore.acquire(timeout)
        except (posix_ipc.BusyError, posix_ipc.SignalError):
            return False
        return True

    def _poll(self, timeout: float) -> bool:
        end = time.monotonic() + timeout
        while not self.try_acquire():
            remaining = end - time.monotonic()
            if remaining <= 0:
                return False
            time.sleep(min(_POLL_SECONDS, remaining))
        return True

    def close(self) -> None:
        """See :class:`Semaphore`."""
        self.post = self.kick = _closed
        self._semaphore.close()
        if self._main_thread is not None:
            self._main_thread.close()


def _closed() -> None:
    raise ValueError("this semaphore is closed")
