"""Memory that is lent: written by one process, seen by another, and safe for the one that sees it (Linux).

    the core makes it ──▶ the writer maps it for writing and reserves its pages ──▶ the core seals it ──▶ the reader
    (no size but this)                                                             maps it for reading

Rules:

* Its size is sealed from the first moment. Before the reader gets it, F_SEAL_FUTURE_WRITE is added: from then on nobody
  can map it for writing or punch holes into it, and after that the core looks whether every page is really there. So the
  reader never meets a page that is missing (SIGBUS), whatever the writer does.
* The reader's mapping is for reading only, and cannot be made anything else (that seal again).
* A :class:`Mapping` is unmapped when the last reference to it goes, in whatever thread that is.
* What is seen of a mapping is a *window*: an object that exports the memory and holds a token (see :func:`window`). The
  token's end is the end of the last view, exactly. A weak reference to anything that the collector knows would not do:
  its callback may run while ``__del__`` methods, which can still see the view, are yet to come. A code object is the one
  thing of the language that can be referred to weakly, and that the collector does not know.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import gc
import mmap
import os
import sys
import weakref
from collections.abc import Callable
from typing import Any, Final

import msgspec

from logoscore.transport.copies import copy

__all__ = ["Mapping", "create_lendable", "lending_possible", "reserve", "seal", "window"]

_SEAL_FUTURE_WRITE: Final = 0x10  # fcntl.F_SEAL_FUTURE_WRITE, which Python names from 3.13 on only where glibc does
_POPULATE_READ: Final = 22  # MADV_POPULATE_READ and _WRITE: Linux 5.14; before, pages come one fault at a time
_POPULATE_WRITE: Final = 23
_BLOCK: Final = 512  # what st_blocks counts
_FAILED: Final = ctypes.c_void_p(-1).value

_token: Final = compile("", "a view of lent memory", "exec").replace


@functools.cache
def _libc() -> Any:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_long,
    )
    libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return libc


@functools.cache
def lending_possible() -> bool:
    """Whether this system has what lent memory needs; if not, everything travels through the rings."""
    if not sys.platform.startswith("linux") or not hasattr(os, "memfd_create") or gc.is_tracked(_token()):
        return False
    try:
        probe = create_lendable(mmap.PAGESIZE)
    except OSError:
        return False
    try:
        reserve(probe, mmap.PAGESIZE)
        seal(probe, mmap.PAGESIZE)
    except (OSError, ValueError):
        return False  # a kernel before 5.1, or something that only looks like Linux
    finally:
        os.close(probe)
    return True


# --- made by the core, prepared by the writer, sealed by the core -----------------------------------------------------


def create_lendable(size: int) -> int:
    """Memory of ``size`` bytes that nobody can resize, without pages yet; returns its descriptor. Raises OSError."""
    import fcntl

    fd = os.memfd_create("logoscore-lent", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, size)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    except BaseException:
        os.close(fd)
        raise
    return fd


def reserve(fd: int, size: int) -> None:
    """Have the system set aside all of its pages, now. Raises OSError."""
    os.posix_fallocate(fd, 0, size)


def seal(fd: int, size: int) -> None:
    """Nobody maps it for writing from here on; then see that it is whole.

    Raises:
        OSError: the writer has sealed it himself.
        ValueError: it is not what it should be.
    """
    import fcntl

    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEAL_FUTURE_WRITE | fcntl.F_SEAL_SEAL)
    status = os.fstat(fd)
    if status.st_size != size or status.st_blocks * _BLOCK < size:
        raise ValueError(f"{status.st_blocks * _BLOCK} bytes of {size} are there")


# --- mapped -----------------------------------------------------------------------------------------------------------


class Mapping:
    """``size`` bytes of ``fd``, mapped until the last reference to this goes. The descriptor stays the caller's.

    Raises:
        OSError: the system has no room for it, or does not allow it.
    """

    __slots__ = ("__weakref__", "_munmap", "_target", "address", "size", "writable")

    def __init__(self, fd: int, size: int, *, writable: bool) -> None:
        self.size = size
        self.writable = writable
        self.address = 0
        self._target: memoryview | None = None
        self._munmap = _libc().munmap
        if os.fstat(fd).st_size < size:
            raise OSError(errno.EINVAL, f"the memory has {os.fstat(fd).st_size} bytes, expected {size}")
        protection = mmap.PROT_READ | mmap.PROT_WRITE if writable else mmap.PROT_READ
        address = _libc().mmap(None, size, protection, mmap.MAP_SHARED, fd, 0)
        if address == _FAILED or not address:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        self.address = address

    def populate(self, size: int) -> None:
        """Have the first ``size`` bytes' pages in place, instead of one fault at each. Only a matter of time."""
        size = min(-(-size // mmap.PAGESIZE) * mmap.PAGESIZE, self.size)
        _libc().madvise(self.address, size, _POPULATE_WRITE if self.writable else _POPULATE_READ)

    def write(self, start: int, data: memoryview) -> None:
        """Copy flat ``data`` to ``start``; other threads get their turn meanwhile. ValueError: no room."""
        if self._target is None:
            self._target = _bytes_of(_window_type(self.size).from_address(self.address))
        copy(self._target[start : start + len(data)], data)

    def __del__(self) -> None:
        if self.address:
            self._munmap(self.address, self.size)


@functools.cache
def _window_type(size: int) -> Any:
    return type("Window", (ctypes.Array,), {"_type_": ctypes.c_ubyte, "_length_": size})


def _bytes_of(memory: Any) -> memoryview:
    from pickle import PickleBuffer  # makes plain bytes of the format "<B"

    return PickleBuffer(memory).raw()


def window(mapping: Mapping, on_end: Callable[..., object], *args: object) -> memoryview:
    """A read-only view of the whole of ``mapping``. When it and all that was made of it is gone, ``on_end(*args)`` is called.

    Once, in whatever thread, at whatever moment, so ``on_end`` takes no lock. Until then ``args`` are kept, and with
    them whatever must live as long as the view.
    """
    memory = _window_type(mapping.size).from_address(mapping.address)
    memory.token = token = _token()
    weakref.finalize(token, on_end, *args).atexit = False
    # ctypes lets everybody write, and numpy asks the object behind a memoryview: one that really is read-only.
    return memoryview(msgspec.Raw(memory))
