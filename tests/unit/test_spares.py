"""bytes that are filled again: only if nobody could tell, and never more of them than is said."""

from __future__ import annotations

import resource
import shutil
import sysconfig
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest
from transport_support import Worker

from logoscore.transport import copies
from logoscore.transport.copies import LARGE, Spares


def of(fill: int, size: int = LARGE) -> memoryview:
    return memoryview(bytes([fill]) * size)


@pytest.fixture
def spares() -> Spares:
    if copies._compiled() is None:
        assert shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0]) is None, "there is a compiler"
        pytest.skip("it was installed without a C compiler")
    assert not copies._limited(), "run the tests without a limit of memory (ulimit -v, -d)"
    made = Spares()
    made.limit(1 << 40)
    made.to_bytes(of(0))
    assert not made._kept  # as such a one has not come before
    return made


def test_this_python_lays_bytes_out_as_we_think() -> None:
    compiled = copies._compiled()
    assert compiled is None or compiled.FILLS_AGAIN


def test_one_that_nobody_has_is_filled_again(spares: Spares) -> None:
    first = spares.to_bytes(of(1))
    place = id(first)
    assert spares._kept == [first]
    assert len({first, bytes(of(1))}) == 1  # its hash is known from now on
    del first
    second = spares.to_bytes(of(2))
    assert id(second) == place  # as it would be by chance: what lay there is free
    assert len(spares._kept) == 1  # as it would not
    assert second == bytes(of(2))
    assert hash(second) == hash(bytes(of(2)))
    assert len({second, bytes(of(2))}) == 1


#: What somebody may still have of it.
HELD: dict[str, Callable[[bytes], Any]] = {
    "itself": lambda made: made,
    "in a list": lambda made: [made],
    "as a key": lambda made: {made: 1},
    "in an attribute": lambda made: type("Holder", (), {"made": made})(),
    "in a closure": lambda made: lambda: made,
    "a view": memoryview,
    "a piece of a view": lambda made: memoryview(made)[10:20],
    "an array": lambda made: numpy.frombuffer(made, numpy.uint8),
    "a piece of an array": lambda made: numpy.frombuffer(made, numpy.uint8)[5:7],
    "an iterator": iter,
    "a method": lambda made: made.find,
    "a generator": lambda made: (each for each in made),
    "an exception": lambda made: ValueError(made),
}


@pytest.mark.parametrize("how", HELD)
def test_one_that_somebody_has_stays_as_it_is(spares: Spares, how: str) -> None:
    made = spares.to_bytes(of(1))
    place = id(made)
    held = HELD[how](made)
    del made
    others = [spares.to_bytes(of(number)) for number in (2, 3)]
    assert place not in map(id, others)
    assert others == [bytes(of(2)), bytes(of(3))]
    if how in ("itself", "in a list", "as a key"):
        assert bytes(of(1)) in [held, *(held if how != "itself" else ())]


def test_who_asks_for_the_next_while_he_has_the_last_one_finds_the_one_before(spares: Spares) -> None:
    places = set()
    held = b""
    for number in range(20):
        held = spares.to_bytes(of(number))
        assert held == bytes(of(number))
        places.add(id(held))
        assert len(spares._kept) == min(number + 1, 2)
    assert len(places) == 2


def test_another_size_is_another_object(spares: Spares) -> None:
    spares.to_bytes(of(1))
    for size in (LARGE + 1, LARGE + 4096, 2 * LARGE, LARGE) * 2:
        assert spares.to_bytes(of(7, size)) == bytes(of(7, size))


def test_what_never_comes_again_is_nothing_to_keep(spares: Spares) -> None:
    for more in range(1, 6):
        spares.to_bytes(of(1, LARGE + more))
    assert not spares._kept
    for number in range(6):
        spares.to_bytes(of(number, LARGE + number % 2))
    assert [len(each) for each in spares._kept] == [LARGE, LARGE + 1]


def test_small_ones_are_nothing_to_keep(spares: Spares) -> None:
    for size in (0, 1, LARGE - 1):
        assert spares.to_bytes(of(1, size)) == bytes(of(1, size))
    assert not spares._kept


def test_it_keeps_no_more_than_it_says(spares: Spares, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [spares.to_bytes(of(number)) for number in range(5)]
    assert spares._kept == made[-2:]
    spares.limit(LARGE + LARGE // 2)
    assert spares._kept == made[-1:]
    for _ in range(3):
        spares.to_bytes(of(9, 2 * LARGE))
    assert spares._kept == made[-1:]
    del made
    monkeypatch.setattr(copies, "_SPARE_BYTES", LARGE)
    spares.limit(1 << 40)
    spares.to_bytes(of(7))
    for number in range(3):
        spares.to_bytes(of(number))
        assert spares._kept == [bytes(of(number))]
    spares.limit(0)
    assert not spares._kept
    spares.to_bytes(of(1))
    assert not spares._kept


@pytest.fixture(params=[resource.RLIMIT_AS, resource.RLIMIT_DATA], ids=["address space", "data"])
def limit(request: pytest.FixtureRequest) -> Iterator[Callable[[], None]]:
    before = resource.getrlimit(request.param)
    yield lambda: resource.setrlimit(request.param, (1 << 46, before[1]))
    resource.setrlimit(request.param, before)


def test_it_keeps_nothing_where_memory_is_limited(spares: Spares, limit: Callable[[], None]) -> None:
    limit()
    for number in range(3):
        assert spares.to_bytes(of(number)) == bytes(of(number))
        assert not spares._kept


def test_what_is_kept_makes_room_for_what_is_wanted(spares: Spares, monkeypatch: pytest.MonkeyPatch) -> None:
    spares.to_bytes(of(1))
    assert spares._kept
    compiled = copies._compiled()
    assert compiled is not None
    found = []

    class Full:
        @staticmethod
        def to_bytes(view: memoryview, kept: list[bytes]) -> bytes:
            found.append(len(kept))
            if kept:
                raise MemoryError
            made: bytes = compiled.to_bytes(view, kept)
            return made

    monkeypatch.setattr(copies, "_compiled", lambda: Full)
    assert spares.to_bytes(of(2, 2 * LARGE)) == bytes(of(2, 2 * LARGE))
    assert found == [1, 0]


def test_the_compiled_one_does_not_trust_its_caller(spares: Spares) -> None:
    compiled = copies._compiled()
    assert compiled is not None
    for wrong in ((), (b"ab",), (b"ab", None), (b"ab", ()), ("ab", []), (b"ab", [], 1)):
        with pytest.raises(TypeError):
            compiled.to_bytes(*wrong)
    odd: list[Any] = [None, "ab", bytearray(b"ab"), b"", 12, type("Bytes", (bytes,), {})(b"xy")]
    before = list(odd)
    assert compiled.to_bytes(b"ab", odd) == b"ab"
    assert odd == before


def test_from_many_threads_nobody_gets_what_another_has(spares: Spares) -> None:
    began = threading.Barrier(4)

    def work(number: int) -> int:
        began.wait(60)
        wrong = 0
        held: list[tuple[bytes, int]] = []
        for turn in range(40):
            fill = number * 50 + turn % 50
            held.append((spares.to_bytes(of(fill)), fill))
            held = held[-(turn % 3) :] if turn % 3 else []
            spares.limit(0 if turn % 10 == 9 else 1 << 40)
            wrong += sum(made != bytes(of(each)) for made, each in held)
        return wrong

    workers = [Worker(work, number) for number in range(4)]
    assert [worker.result() for worker in workers] == [0] * 4
