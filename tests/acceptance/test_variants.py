"""The sample module variants: values of every kind, methods of every arity."""

from __future__ import annotations

import asyncio
import importlib
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

import msgspec
import numpy as np
import pytest

from logoscore import Core
from logoscore.errors import InvalidArgumentsError, SerializationError


@pytest.fixture(scope="module")
def variants(shared_core: Core) -> Any:
    return shared_core.load_plugin("variants")


VALUES: list[Any] = [
    None, True, False, 0, -1, 2**63, 1.5, "", "text", b"", bytes(range(256)), b"\0\0", [], (), {}, set(),
    [1, "two", 3.0, None], (1, (2, [3])), {"k": 1}, {1: "int", (2, "t"): "tuple", None: "none", b"b": "bytes"},
    {1, 2, 3}, {"a", 1, (2, 3)},
    datetime(2024, 2, 29, 12, 30, 15, 123456), datetime(2024, 2, 29, tzinfo=UTC),
    datetime(2024, 2, 29, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    date(1, 1, 1), time(23, 59, 59, 999999), timedelta(days=-1, microseconds=1), Decimal("1.10"), Decimal("NaN"),
    UUID(int=7),
    {"deep": [{"list": [(1, {"set": {1, 2}}), b"\xff", None, [[[[]]]]]}, {"": {"": ""}}]},
    {"__type__": "dict", "$tag": [1], "py/object": "os.system", "0": 0},
]  # fmt: skip


def assert_same(received: Any, sent: Any) -> None:
    """Equal, and of equal types all the way down."""
    assert type(received) is type(sent)
    if isinstance(sent, dict):
        assert list(received) == list(sent)
        for key in sent:
            assert_same(received[key], sent[key])
    elif isinstance(sent, list | tuple):
        assert len(received) == len(sent)
        for mine, theirs in zip(received, sent, strict=True):
            assert_same(mine, theirs)
    elif isinstance(sent, Decimal):
        assert str(received) == str(sent)
    else:
        assert received == sent


@pytest.mark.parametrize(
    "value", VALUES, ids=lambda value: "set" if isinstance(value, (set, frozenset)) else repr(value)[:40]
)
def test_value_survives(variants: Any, value: Any) -> None:
    assert_same(variants.call("echo", value), value)
    assert variants.call("type_of", value) == type(value).__name__


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("get_int", 42),
        ("get_string", "text"),
        ("get_dict", {"name": "logos", "values": [1, 2.5, None]}),
        ("get_list", [1, "two", {"three": 3}]),
        ("get_bytes", bytes(range(256))),
        ("get_strings", ["a", "", "\N{SNOWMAN}"]),
        ("get_none", None),
    ],
)
def test_result_of_every_kind(variants: Any, method: str, expected: Any) -> None:
    assert_same(variants.call(method), expected)


def test_enum_and_struct_that_both_sides_know(variants: Any) -> None:
    color = importlib.import_module("logos_acceptance.variants.module").Color
    assert variants.call("echo", color.RED) is color.RED
    assert variants.call("echo", {"k": [color.GREEN]}) == {"k": [color.GREEN]}
    assert variants.call("type_of", color.RED) == "Color"


class Pair(msgspec.Struct):
    left: int
    right: list[str]


def test_struct_comes_back_as_its_own_class(variants: Any) -> None:
    answer = variants.call("echo", [Pair(1, ["a"])])
    assert answer == [Pair(1, ["a"])]
    assert type(answer[0]) is Pair


def test_large_values(variants: Any) -> None:
    blob = bytes(range(256)) * (32 * 1024)
    assert variants.call("echo", blob) == blob
    many = [{"n": number, "text": str(number)} for number in range(20_000)]
    assert variants.call("echo", many) == many


@pytest.mark.parametrize("dtype", ["int8", "uint64", "float32", "float64", "complex128", "bool"])
def test_numpy_arrays(variants: Any, dtype: str) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    answer = variants.call("echo", {"array": array})["array"]
    assert answer.dtype == array.dtype
    assert answer.shape == (2, 3, 4)
    assert np.array_equal(answer, array)


def test_objects_with_a_buffer(variants: Any) -> None:
    assert variants.call("nbytes", bytearray(b"12345")) == 5
    assert variants.call("nbytes", memoryview(b"123456")[::2]) == 3
    assert variants.call("nbytes", np.zeros((512, 1024))) == 512 * 1024 * 8


@pytest.mark.parametrize("arity", range(13))
def test_arity(variants: Any, arity: int) -> None:
    args = [f"value {number}" for number in range(arity)]
    assert variants.call(f"take_{arity}", *args) == args
    with pytest.raises(InvalidArgumentsError, match=f"take_{arity}"):
        variants.call(f"take_{arity}", *args, "one too many")


@pytest.mark.parametrize(
    ("args", "expected"), [((1,), [1, 2, "three"]), ((1, 5), [1, 5, "three"]), ((1, 5, "x"), [1, 5, "x"])]
)
def test_defaults(variants: Any, args: tuple[Any, ...], expected: list[Any]) -> None:
    assert variants.call("with_defaults", *args) == expected


def test_rest(variants: Any) -> None:
    assert variants.call("with_rest", "only") == ["only", []]
    assert variants.call("with_rest", 1, 2, [3]) == [1, [2, [3]]]


class VariantsView(Protocol):
    def echo(self, value: Any) -> Any: ...

    def with_defaults(self, first: int, second: int = 2, third: str = "three") -> list[Any]: ...

    async def get_int(self) -> int: ...


def test_bind_takes_keywords(variants: Any) -> None:
    view = variants.bind(VariantsView)
    assert view.echo("x") == "x"
    assert view.echo(value=[1]) == [1]
    assert view.with_defaults(1) == [1, 2, "three"]
    assert view.with_defaults(1, third="x") == [1, 2, "x"]
    assert view.with_defaults(third="x", first=7, second=8) == [7, 8, "x"]
    with pytest.raises(TypeError, match="fourth"):
        view.with_defaults(1, fourth=4)


def test_bind_async_method_is_awaitable(variants: Any) -> None:
    async def scenario() -> int:
        return await variants.bind(VariantsView).get_int()

    assert asyncio.run(scenario()) == 42


def test_what_cannot_travel_is_named(variants: Any) -> None:
    with pytest.raises(SerializationError) as caught:
        variants.call("take_2", "fine", [0, {"k": object()}])
    assert caught.value.path == 'args[1][1]["k"]'
    assert 'args[1][1]["k"]' in str(caught.value)
    assert "object" in str(caught.value.type_name)
    assert variants.call("get_int") == 42
