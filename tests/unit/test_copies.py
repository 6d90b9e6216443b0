"""Copies of large buffers: the same bytes whatever their size, place and number of threads; and nothing beside them."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from helpers import wait_until

from logoscore.transport import copies
from logoscore.transport.copies import LARGE, Spares, copy, to_bytearray

SIZES = [0, 1, LARGE - 1, LARGE, LARGE + 1, 2 * LARGE - 1, 2 * LARGE + 1, 3 * LARGE + 4097, 5 * LARGE + 12345]
SIZES += [8 * LARGE - 1, 8 * LARGE, 8 * LARGE + 77]  # from here on past the caches
MARGIN = 64  # bytes on both sides, which nobody may touch


@pytest.fixture(params=["compiled", "without a compiler"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param != "compiled":
        monkeypatch.setattr(copies, "_compiled", lambda: None)
    return str(request.param)


@pytest.fixture(params=["all CPUs", "one CPU"], autouse=True)
def _cpus(request: pytest.FixtureRequest) -> Iterator[None]:
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    if request.param == "one CPU":
        os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@pytest.fixture
def compiled() -> ModuleType:
    """What is written in C."""
    found = copies._compiled()
    if found is None:
        assert shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0]) is None, "there is a compiler"
        pytest.skip("it was installed without a C compiler")
    return found


def payload(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("offset", [0, 1, 4095])
@pytest.mark.parametrize("size", SIZES)
def test_copy(kind: str, size: int, offset: int) -> None:
    data = payload(size)
    target = bytearray(b"#" * (offset + size + MARGIN))
    with memoryview(target) as view:
        copy(view[offset : offset + size], memoryview(data))
    assert target[offset : offset + size] == data
    assert target[:offset] == b"#" * offset
    assert target[offset + size :] == b"#" * MARGIN


def new_bytes(view: memoryview) -> bytes:
    return Spares().to_bytes(view)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("make", "cls"), [(new_bytes, bytes), (to_bytearray, bytearray)])
def test_new_ones(kind: str, make: Callable[[memoryview], object], cls: type, size: int) -> None:
    data = payload(size + 3)
    made = make(memoryview(data)[3:])
    assert type(made) is cls
    assert made == data[3:]


@pytest.mark.parametrize("size", [5, LARGE, 2 * LARGE])
def test_what_does_not_fit_is_refused_and_nothing_written(kind: str, size: int) -> None:
    target = bytearray(size)
    for other in (size - 1, size + 1):
        with pytest.raises(ValueError, match=f"{other} bytes do not fill {size}"):
            copy(memoryview(target), memoryview(b"x" * other))
    assert not any(target)


def test_what_cannot_be_written_is_refused(kind: str) -> None:
    data = memoryview(bytes(LARGE))
    with pytest.raises((TypeError, BufferError)):
        copy(data, data)


def test_the_compiled_one_does_not_trust_its_caller(compiled: ModuleType) -> None:
    for wrong in ((bytearray(2), b"abc"), (bytearray(2), b"ab", -1)):
        with pytest.raises(ValueError, match="bytes do not fill 2"):
            compiled.copy(*wrong)
    for wrong in ((), (bytearray(2),), (bytearray(2), "ab"), (b"ab", b"ab"), (bytearray(2), b"ab", None)):
        with pytest.raises((TypeError, BufferError)):
            compiled.copy(*wrong)
    for make, more in ((compiled.to_bytes, ([],)), (compiled.to_bytearray, ())):
        with pytest.raises(TypeError):
            make("text", *more)
        with pytest.raises(BufferError):
            make(memoryview(bytes(8))[::2], *more)


@pytest.mark.parametrize("threads", [0, 1, 2, 3, 4, 100])
@pytest.mark.parametrize("offset", [0, 1, 4097])
@pytest.mark.parametrize("size", [4 * LARGE, 4 * LARGE + 1, 7 * LARGE + 12345, 8 * LARGE + 12345])
def test_whatever_the_number_of_threads(compiled: ModuleType, size: int, offset: int, threads: int) -> None:
    data = payload(size)
    target = bytearray(b"#" * (offset + size + MARGIN))
    with memoryview(target) as view:
        compiled.copy(view[offset : offset + size], data, threads)
    assert target[offset : offset + size] == data
    assert target[:offset] == b"#" * offset
    assert target[offset + size :] == b"#" * MARGIN


@pytest.mark.parametrize("shift", [-5, 0, 5])
def test_a_piece_of_the_source_itself(compiled: ModuleType, shift: int) -> None:
    data = payload(4 * LARGE)
    target = bytearray(data)
    with memoryview(target) as view:
        compiled.copy(view[10 + shift : -10 + shift], view[10:-10], 4)
    assert target[10 + shift : len(data) - 10 + shift] == data[10:-10]


@pytest.fixture
def busy(compiled: ModuleType) -> Iterator[None]:
    """A thread of ours copies again and again, with a helper."""
    source, target, ended = bytes(8 * LARGE), bytearray(8 * LARGE), threading.Event()

    def work() -> None:
        while not ended.is_set():
            compiled.copy(target, source, 2)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    ended.set()
    thread.join()


def tasks() -> set[str]:
    """The numbers of this process's threads."""
    return {task.name for task in Path("/proc/self/task").iterdir()}


def helpers() -> dict[str, str]:
    """The threads of this process that Python does not know, and of each what it blocks."""
    known = {str(thread.native_id) for thread in threading.enumerate()}
    found = {}
    for task in tasks() - known:
        with contextlib.suppress(OSError):  # it has ended
            status = Path(f"/proc/self/task/{task}/status").read_text(encoding="ascii")
            found[task] = status.partition("SigBlk:")[2].split()[0]
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
@pytest.mark.usefixtures("busy")
def test_a_helper_takes_no_signal_but_its_own() -> None:
    before = helpers()  # (others' threads)
    others = {signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD}
    own = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}

    def is_there() -> bool:  # (until its first instruction the C library blocks all of them)
        masks = [int(mask, 16) for task, mask in helpers().items() if task not in before]
        return any({each for each in others | own if mask >> (each - 1) & 1} == others for mask in masks)

    wait_until(is_there, timeout=60)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_no_helper_stays(compiled: ModuleType) -> None:
    before = tasks()
    data = payload(4 * LARGE)
    wrong: list[int] = []

    def work(number: int) -> None:
        wrong.extend(number for _ in range(5) if compiled.to_bytes(data, []) != data)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    wait_until(lambda: tasks() <= before)  # (the system forgets one a moment after its end)
