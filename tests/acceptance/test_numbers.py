"""The sample module numbers: edges, and 1, 1.0 and True kept apart."""

from __future__ import annotations

import math
from typing import Any

import pytest

from logoscore import Core
from logoscore.errors import InvalidArgumentsError

INTEGERS = [-(2**63), 2**63 - 1, -(2**63) - 1, 2**63, 2**53 + 1, -(2**53) - 1, 2**64 - 1, 2**64, 2**200, -(2**200)]


@pytest.fixture(scope="module")
def numbers(shared_core: Core) -> Any:
    return shared_core.load_plugin("numbers")


@pytest.mark.parametrize("value", INTEGERS)
def test_integers(numbers: Any, value: int) -> None:
    for method in ("echo", "echo_int"):
        answer = numbers.call(method, value)
        assert type(answer) is int
        assert answer == value
    assert numbers.call("as_text", value) == repr(value)
    assert numbers.call("echo", {"k": [value]}) == {"k": [value]}


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("int64_min", -(2**63)),
        ("int64_max", 2**63 - 1),
        ("float_gap", 9007199254740993),
        ("uint64_max", 18446744073709551615),
        ("huge", 2**200),
        ("negative_huge", -(2**200)),
    ],
)
def test_integers_made_by_the_module(numbers: Any, which: str, expected: int) -> None:
    answer = numbers.call("make", which)
    assert type(answer) is int
    assert answer == expected


@pytest.mark.parametrize("value", [math.inf, -math.inf, 5e-324, 1.7976931348623157e308, 0.1, 2.0**53])
def test_floats(numbers: Any, value: float) -> None:
    for method in ("echo", "echo_float"):
        answer = numbers.call(method, value)
        assert type(answer) is float
        assert answer == value
    assert numbers.call("as_text", value) == repr(value)


def test_infinities_made_by_the_module(numbers: Any) -> None:
    assert numbers.call("make", "infinity") == math.inf
    assert numbers.call("make", "negative_infinity") == -math.inf


def test_nan(numbers: Any) -> None:
    for answer in (numbers.call("echo", math.nan), numbers.call("echo_float", math.nan), numbers.call("make", "nan")):
        assert type(answer) is float
        assert math.isnan(answer)


def test_negative_zero(numbers: Any) -> None:
    for answer in (numbers.call("echo", -0.0), numbers.call("make", "negative_zero"), numbers.call("echo", [-0.0])[0]):
        assert answer == 0.0
        assert math.copysign(1.0, answer) == -1.0
    assert numbers.call("as_text", -0.0) == "-0.0"


def test_one_true_and_one_point_zero_stay_apart(numbers: Any) -> None:
    mixed = [1, True, 1.0, 0, False, 0.0, "1"]
    expected = ["int", "bool", "float", "int", "bool", "float", "str"]
    assert numbers.call("kinds", mixed) == expected
    assert [type(value).__name__ for value in numbers.call("echo", mixed)] == expected
    assert numbers.call("kinds", tuple(mixed)) == expected


def test_types_stay_apart_as_keys_and_values_of_a_dict(numbers: Any) -> None:
    answer = numbers.call("echo", {1: True, 2.0: 1, False: 1.0})
    assert [type(key).__name__ for key in answer] == ["int", "float", "bool"]
    assert [type(value).__name__ for value in answer.values()] == ["bool", "int", "float"]
    assert numbers.call("kinds", {2.0: None, True: None}) == ["float", "bool"]


def test_types_stay_apart_in_a_set(numbers: Any) -> None:
    answer = numbers.call("echo", {True, 2.0, 3})
    assert sorted(type(value).__name__ for value in answer) == ["bool", "float", "int"]


def test_bool_is_not_an_int_for_an_annotation(numbers: Any) -> None:
    with pytest.raises(InvalidArgumentsError, match=r"args\[0\]"):
        numbers.call("echo_int", True)
