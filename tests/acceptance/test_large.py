"""Large buffers in every direction: what arrives, as what, and that it stays what it was."""

from __future__ import annotations

import array
import hashlib
from collections.abc import Iterator
from typing import Any

import numpy
import pytest
from helpers import wait_until
from large_support import large_modules

from logoscore import Core
from logoscore.errors import RemoteError
from logoscore.session.lending import LEND_FROM
from logoscore.transport.copies import LARGE

SIZES = [1, LEND_FROM - 1, LEND_FROM, LEND_FROM + 1, (1 << 17) - 1, 1 << 17, (1 << 17) + 1, 3_000_001]


@pytest.fixture(scope="module")
def shared_core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Core, dict[str, Any]]]:
    with large_modules(tmp_path_factory.mktemp("large"), "one", "two") as running:
        yield running


@pytest.fixture
def one(shared_core: tuple[Core, dict[str, Any]]) -> Any:
    return shared_core[1]["one"]


def noise(size: int) -> Any:
    return numpy.random.default_rng(size).integers(0, 255, size, dtype=numpy.uint8)


@pytest.mark.parametrize("method", ["echo", "aecho"])
@pytest.mark.parametrize("size", SIZES)
def test_there_and_back(one: Any, method: str, size: int) -> None:
    value = noise(size)
    there = one.call(method, value)
    assert (there == value).all()
    assert not there.flags.writeable
    with pytest.raises(ValueError, match="WRITEABLE"):
        there.setflags(write=True)
    assert (one.submit(method, value).result(20) == value).all()


@pytest.mark.parametrize("size", SIZES)
def test_bytes_are_bytes(one: Any, size: int) -> None:
    value = noise(size).tobytes()
    assert one.call("typed", value) == value
    there = one.call("echo", [value, {"k": (value,)}, {value}, {value: 1}, bytearray(value)])
    assert there == [value, {"k": (value,)}, {value}, {value: 1}, bytearray(value)]
    assert type(there[0]) is bytes
    assert type(there[4]) is bytearray


def test_bytes_that_somebody_keeps_do_not_change(one: Any) -> None:
    values = [bytes([number]) * LARGE for number in range(6)]
    there = []
    for value in values:
        assert one.call("echo", value) == value  # nobody keeps this one
        there.append(one.call("echo", value))
        one.call("keep", value)
        assert one.call("echo", b"x" * LARGE) == b"x" * LARGE
    assert there == values
    assert one.call("digests") == [hashlib.sha256(value).digest() for value in values]
    one.call("drop_kept")


SHAPES = [
    numpy.arange(60_000, dtype="f8").reshape(200, 300),
    numpy.asfortranarray(numpy.arange(60_000, dtype="i4").reshape(20, 30, 100)),
    numpy.arange(120_000, dtype="u2")[::2],
    numpy.arange(60_000, dtype=">i8"),
    numpy.zeros(40_000, dtype=[("a", "i4"), ("b", "f8")]),
    numpy.full(40_000, "äöü"),
    numpy.arange("2020-01-01", "2200-01-01", dtype="datetime64[D]"),
    numpy.zeros((0, 100_000)),
    numpy.zeros(()),
    numpy.zeros(100_000, bool),
    numpy.ones(50_000, complex),
]


@pytest.mark.parametrize("value", SHAPES, ids=lambda each: f"{each.dtype}{each.shape}")
def test_shapes_and_dtypes(one: Any, value: Any) -> None:
    there = one.call("echo", value)
    assert there.dtype == value.dtype
    assert there.shape == value.shape
    assert (there == value).all()
    assert there.flags.f_contiguous == value.flags.f_contiguous or not value.flags.forc
    assert not there.flags.writeable


def test_other_buffers(one: Any) -> None:
    numbers = array.array("d", range(50_000))
    there = one.call("echo", {"array": numbers, "view": memoryview(numbers), "small": numpy.arange(3), "none": b""})
    assert there["array"] == numbers
    assert type(there["array"]) is array.array
    assert there["view"] == memoryview(numbers)
    assert there["view"].readonly
    assert there["view"].format == "d"
    assert there["small"].tolist() == [0, 1, 2]
    assert there["none"] == b""


def test_many_buffers_in_one_message(one: Any) -> None:
    value = [numpy.full(size, size % 251, numpy.uint8) for size in range(0, 20_000, 97)]
    there = one.call("echo", value)
    assert all((a == b).all() and len(a) == len(b) for a, b in zip(there, value, strict=True))
    aligned = [each.ctypes.data % 64 for each in there if len(each)]
    assert set(aligned) == {0}


def test_a_module_cannot_write_to_what_it_was_sent(one: Any) -> None:
    with pytest.raises(RemoteError, match="read-only"):
        one.call("writes", noise(1 << 20))


@pytest.mark.parametrize("size", [LEND_FROM - 1, 1 << 20])
def test_streams(one: Any, size: int) -> None:
    kept = list(one.stream("items", 50, size))
    assert [set(each) for each in kept] == [{number} for number in range(50)]
    with one.stream("items", 50, size) as stream:
        assert set(next(iter(stream))) == {0}


@pytest.mark.parametrize("size", [LEND_FROM - 1, 1 << 20])
def test_events(one: Any, size: int) -> None:
    with one.subscribe("fired") as first, one.subscribe() as second:
        one.call("fire", 30, size)
        for subscription in (first, second):
            assert [set(subscription.get(10).data[0]) for _ in range(30)] == [{number} for number in range(30)]


def test_between_modules(shared_core: tuple[Core, dict[str, Any]]) -> None:
    one, two = shared_core[1]["one"], shared_core[1]["two"]
    value = noise(2_000_000)
    assert (one.call("ask", "two", "echo", value) == value).all()
    assert (one.call("ask", "two", "ask", "one", "echo", value) == value).all()
    assert (one.call("ask", "one", "echo", value) == value).all()
    two.call("hear", "one")
    one.call("fire", 5, 100_000)
    wait_until(lambda: two.call("heard_so_far") == [number * 100_000 for number in range(5)])


def test_many_at_once(one: Any) -> None:
    calls = [one.submit("echo", numpy.full(200_000, number, numpy.uint8)) for number in range(100)]
    for number, call in enumerate(calls):
        there = call.result(20)
        assert len(there) == 200_000
        assert set(there) == {number}


def test_sixty_four_mebibytes_again_and_again(one: Any) -> None:
    value = noise(64 << 20)
    for _ in range(3):
        assert (one.call("echo", value) == value).all()
