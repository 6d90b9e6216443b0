"""Copies of large buffers: the same bytes whatever their size, place and number of threads; and nothing beside them."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sysconfig
import threading
from collections.abc import Callable, Iterator

import pytest

from logoscore.transport import copies
from logoscore.transport.copies import LARGE, copy, to_bytearray, to_bytes

SIZES = [0, 1, LARGE - 1, LARGE, LARGE + 1, 2 * LARGE - 1, 2 * LARGE + 1, 3 * LARGE + 4097, 5 * LARGE + 12345]
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


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("make", "cls"), [(to_bytes, bytes), (to_bytearray, bytearray)])
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


def test_the_compiled_one_does_not_trust_its_caller() -> None:
    compiled = copies._compiled()
    if compiled is None:
        assert shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0]) is None, "there is a compiler"
        return
    with pytest.raises(ValueError, match="3 bytes do not fill 2"):
        compiled.copy(bytearray(2), b"abc")
    for wrong in ((), (bytearray(2),), (bytearray(2), "ab"), (b"ab", b"ab")):
        with pytest.raises((TypeError, BufferError)):
            compiled.copy(*wrong)
    for make in (compiled.to_bytes, compiled.to_bytearray):
        with pytest.raises(TypeError):
            make("text")
        with pytest.raises(BufferError):
            make(memoryview(bytes(8))[::2])


def test_from_many_threads_and_no_thread_stays(kind: str) -> None:
    data = payload(4 * LARGE)
    wrong: list[int] = []

    def work(number: int) -> None:
        wrong.extend(number for _ in range(5) if to_bytes(memoryview(data)) != data)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong  # (that none stays is looked at after each test)


def test_signals_are_for_the_threads_that_python_knows(kind: str) -> None:
    """A handler runs while copies are being made, and neither is harmed."""
    data, seen = payload(4 * LARGE), []
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        while len(seen) < 20:
            assert to_bytes(memoryview(data)) == data
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
