"""Shared memory, one suite for every kind of it, and semaphores."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from transport_support import PATIENCE, mapped

from logoscore.transport import segment
from logoscore.transport.control import ControlPipe
from logoscore.transport.segment import (
    MemoryMaker,
    create_memory_posix,
    create_memory_sealed,
    map_memory,
)

SHM = Path("/dev/shm")
MAKERS: list[MemoryMaker] = [create_memory_posix]
if hasattr(os, "memfd_create"):
    MAKERS.append(create_memory_sealed)


@pytest.fixture(params=MAKERS, ids=lambda maker: maker.__name__)
def maker(request: pytest.FixtureRequest) -> MemoryMaker:
    return request.param  # type: ignore[no-any-return]  # pytest does not know


def own_names() -> set[str]:
    """This process's names in /dev/shm."""
    return {entry.name for entry in SHM.iterdir() if f"logos.{os.getpid():x}." in entry.name}


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


# --- memory: the conformance suite --------------------------------------------------------------------------------------


def test_the_best_kind_is_one_of_these() -> None:
    assert segment.create_memory is MAKERS[-1]


@pytest.mark.parametrize("size", [1, 256, 4096, 1_000_003])
def test_it_has_the_size_and_is_zeroed(maker: MemoryMaker, size: int) -> None:
    fd = maker(size)
    assert os.fstat(fd).st_size >= size
    with map_memory(fd, size) as memory:
        assert memory[:] == bytes(size)


def test_its_pages_are_reserved(maker: MemoryMaker) -> None:
    fd = maker(1 << 20)
    try:
        assert os.fstat(fd).st_blocks * 512 >= 1 << 20
    finally:
        os.close(fd)


def test_it_has_no_name_and_no_child_inherits_it(maker: MemoryMaker) -> None:
    fd = maker(100)
    try:
        assert own_names() == set()
        assert not os.get_inheritable(fd)
    finally:
        os.close(fd)


def test_two_maps_of_it_are_the_same_memory(maker: MemoryMaker) -> None:
    fd = maker(4096)
    with map_memory(os.dup(fd), 4096) as one, map_memory(fd, 4096) as other:
        one[17:22] = b"hello"
        assert other[17:22] == b"hello"
        other[4095] = 255
        assert one[4095] == 255


def test_each_is_memory_of_its_own(maker: MemoryMaker) -> None:
    with map_memory(maker(64), 64) as one, map_memory(maker(64), 64) as other:
        one[:] = b"\xff" * 64
        assert other[:] == bytes(64)


_CHILD = """
import sys
from logoscore.transport.control import ControlPipe
from logoscore.transport.segment import map_memory
pipe = ControlPipe(int(sys.argv[1]), max_message=100, accept_descriptors=True)
message, (fd,) = pipe.receive()
memory = map_memory(fd, int(message))
assert memory[:5] == b"there", memory[:5]
memory[-4:] = b"back"
pipe.send(b"done")
pipe.receive()
"""


def test_another_process_gets_it_by_its_descriptor(maker: MemoryMaker) -> None:
    size = 10_000
    near, far = socket.socketpair()
    fd = maker(size)
    child = subprocess.Popen([sys.executable, "-c", _CHILD, str(far.fileno())], pass_fds=[far.fileno()])
    far.close()
    pipe = ControlPipe(near.detach(), max_message=100, accept_descriptors=False)
    try:
        with map_memory(os.dup(fd), size) as memory:
            memory[:5] = b"there"
            pipe.send(str(size).encode(), (fd,))
            assert pipe.receive() == (b"done", [])
            assert memory[-4:] == b"back"
    finally:
        os.close(fd)
        pipe.shutdown()
        pipe.close()
        assert child.wait(PATIENCE) == 0


def test_map_memory_closes_the_descriptor(maker: MemoryMaker) -> None:
    fd = maker(100)
    map_memory(fd, 100).close()
    assert not is_open(fd)


def test_map_memory_closes_the_descriptor_of_memory_that_is_too_small(maker: MemoryMaker) -> None:
    fd = maker(100)
    size = os.fstat(fd).st_size + 1
    with pytest.raises(ValueError, match=f"expected {size}"):
        map_memory(fd, size)
    assert not is_open(fd)


def test_map_memory_closes_the_descriptor_of_what_cannot_be_mapped(tmp_path: Path) -> None:
    file = tmp_path / "readonly"
    file.write_bytes(bytes(100))
    fd = os.open(file, os.O_RDONLY)
    with pytest.raises(PermissionError):
        map_memory(fd, 100)
    assert not is_open(fd)


def test_a_failed_attempt_leaves_nothing(maker: MemoryMaker) -> None:
    before = mapped()
    with pytest.raises(OSError, match="Invalid argument"):
        maker(0)
    assert (mapped(), own_names()) == (before, set())  # and conftest looks at the descriptors


def test_posix_memory_that_there_is_no_room_for_leaves_nothing() -> None:
    with pytest.raises(OSError, match=r"No space|too large|Cannot allocate"):
        create_memory_posix(1 << 60)
    assert own_names() == set()


@pytest.mark.parametrize("size", [0, 1, 4095, 4097, 1 << 20])
def test_sealed_memory_keeps_its_size(size: int) -> None:
    fd = create_memory_sealed(4096)
    try:
        with pytest.raises(PermissionError):
            os.ftruncate(fd, size)
        with pytest.raises(PermissionError):
            os.posix_fallocate(fd, 0, 4097)
        assert os.fstat(fd).st_size == 4096
    finally:
        os.close(fd)


def test_the_seals_cannot_be_added_to() -> None:
    fd = create_memory_sealed(4096)
    try:
        with pytest.raises(PermissionError):
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    finally:
        os.close(fd)
