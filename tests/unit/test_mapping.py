"""Lent memory of the operating system: who may do what to it, and when exactly the last view is gone."""

from __future__ import annotations

import errno
import fcntl
import gc
import mmap
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logoscore.transport.mapping import Mapping, create_lendable, lending_possible, reserve, seal, window

SIZE = 1 << 17


@pytest.fixture
def fd() -> Iterator[int]:
    made = create_lendable(SIZE)
    yield made
    os.close(made)


def ready(fd: int) -> tuple[Mapping, Mapping]:
    writer = Mapping(fd, SIZE, writable=True)
    reserve(fd, SIZE)
    seal(fd, SIZE)
    return writer, Mapping(fd, SIZE, writable=False)


def mapped() -> int:
    return Path("/proc/self/maps").read_text().count("memfd:logoscore-lent")


def test_this_system_can() -> None:
    assert lending_possible()


def test_what_one_writes_the_other_sees(fd: int) -> None:
    writer, reader = ready(fd)
    view = window(reader, lambda: None)
    writer.write(5, memoryview(b"hello"))
    assert bytes(view[5:10]) == b"hello"
    assert len(view) == SIZE
    assert view.readonly
    assert memoryview(view.obj).readonly, "what is behind it is not"
    with pytest.raises(ValueError, match="5 bytes do not fill 2"):
        writer.write(SIZE - 2, memoryview(b"hello"))


@pytest.mark.parametrize("size", [0, SIZE - 1, SIZE + 1, 1 << 30])
def test_nobody_can_resize_it(fd: int, size: int) -> None:
    with pytest.raises(PermissionError):
        os.ftruncate(fd, size)


def test_once_sealed_nobody_writes_maps_or_makes_holes(fd: int) -> None:
    _writer, _reader = ready(fd)
    with pytest.raises(PermissionError):
        mmap.mmap(fd, SIZE)
    with pytest.raises(PermissionError):
        Mapping(fd, SIZE, writable=True)
    with pytest.raises(PermissionError):
        os.pwrite(fd, b"x", 0)
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    punch_hole_keep_size = 3
    assert libc.fallocate(fd, punch_hole_keep_size, ctypes.c_long(0), ctypes.c_long(4096)) == -1
    assert ctypes.get_errno() == errno.EPERM
    remove = 9  # MADV_REMOVE: a hole by way of a mapping
    assert libc.madvise(ctypes.c_void_p(_writer.address), ctypes.c_size_t(4096), remove) == -1
    assert libc.mprotect(ctypes.c_void_p(_reader.address), ctypes.c_size_t(4096), mmap.PROT_WRITE) == -1


def test_memory_that_is_not_all_there_is_not_accepted(fd: int) -> None:
    os.posix_fallocate(fd, 0, SIZE // 2)
    with pytest.raises(ValueError, match=f"{SIZE // 2} bytes of {SIZE}"):
        seal(fd, SIZE)


def test_memory_that_the_writer_has_sealed_is_not_accepted(fd: int) -> None:
    reserve(fd, SIZE)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL)
    with pytest.raises(PermissionError):
        seal(fd, SIZE)


@pytest.mark.parametrize("kind", ["file", "pipe", "unsealed"])
def test_what_is_no_such_memory_is_not_accepted(kind: str, tmp_path: Any) -> None:
    ends = []
    if kind == "pipe":
        ends = list(os.pipe())
    elif kind == "file":
        ends = [os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)]
        os.posix_fallocate(ends[0], 0, SIZE)
    else:
        ends = [os.memfd_create("other")]
        os.posix_fallocate(ends[0], 0, SIZE)
    try:
        with pytest.raises(OSError):  # noqa: PT011 - which one is the system's affair
            seal(ends[0], SIZE)
    finally:
        for each in ends:
            os.close(each)


def test_a_mapping_of_more_than_there_is_is_refused(fd: int) -> None:
    with pytest.raises(OSError, match="expected"):
        Mapping(fd, SIZE * 2, writable=False)


def test_the_end_of_the_last_view_is_the_end() -> None:
    ended: list[str] = []
    before = mapped()
    fd = create_lendable(SIZE)
    writer, reader = ready(fd)
    os.close(fd)
    view: Any = window(reader, lambda kept: ended.append("end"), reader)
    part = memoryview(view[10:20]).cast("B")[2:4]
    del reader, writer, view
    assert ended == []
    assert bytes(part) == bytes(2)
    assert mapped() == before + 1
    del part
    assert ended == ["end"]
    assert mapped() == before


def test_a_finalizer_in_a_cycle_still_sees_it(fd: int) -> None:
    """The collector's own order would say that it is over before ``__del__`` has run."""
    seen: list[object] = []
    writer, reader = ready(fd)
    writer.write(0, memoryview(b"hello"))

    class Holder:
        def __init__(self, view: memoryview) -> None:
            self.view = view
            self.me = self

        def __del__(self) -> None:
            seen.append(bytes(self.view[:5]))

    holder = Holder(window(reader, lambda: seen.append("end")))
    del holder
    gc.collect()
    assert seen == [b"hello", "end"]


def test_what_a_finalizer_brings_back_is_not_at_its_end(fd: int) -> None:
    seen: list[object] = []
    kept: list[Any] = []
    _writer, reader = ready(fd)

    class Holder:
        def __init__(self, view: memoryview) -> None:
            self.view = view
            self.me = self

        def __del__(self) -> None:
            kept.append(self.view)

    holder = Holder(window(reader, lambda: seen.append("end")))
    del holder
    gc.collect()
    assert seen == []
    assert bytes(kept[0][:3]) == bytes(3)
    kept.clear()
    assert seen == ["end"]


def test_the_end_keeps_an_exception_under_way_and_comes_in_any_thread(fd: int) -> None:
    seen: list[int] = []
    _writer, reader = ready(fd)

    def fails() -> None:
        view = window(reader, lambda: seen.append(threading.get_ident()))
        raise LookupError(len(view))

    with pytest.raises(LookupError) as caught:
        fails()
    assert caught.value.args == (SIZE,)
    del caught
    gc.collect()
    held = [window(reader, lambda: seen.append(threading.get_ident()))]
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    assert seen == [threading.get_ident(), thread.ident]
