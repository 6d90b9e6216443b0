"""The sample module coercion: arguments and results are fitted to annotations, or refused with their path."""

from __future__ import annotations

from typing import Any

import pytest

from logoscore import Core
from logoscore.errors import InvalidArgumentsError


@pytest.fixture(scope="module")
def coercion(shared_core: Core) -> Any:
    return shared_core.load_plugin("coercion")


@pytest.mark.parametrize(
    ("method", "args", "expected"),
    [
        ("take_int", (3,), ["int", 3]),
        ("take_int", (3.0,), ["int", 3]),
        ("take_int", (-(2**63),), ["int", -(2**63)]),
        ("take_float", (3,), ["float", 3.0]),
        ("take_float", (2.5,), ["float", 2.5]),
        ("take_unsigned", (0,), ["int", 0]),
        ("take_unsigned", (2**64 - 1,), ["int", 2**64 - 1]),
        ("take_bool", (True,), ["bool", True]),
        ("take_bool", (False,), ["bool", False]),
        ("take_str", ("",), ["str", ""]),
        ("take_list", ([],), ["list", []]),
        ("take_list", (["a", "b"],), ["list", ["a", "b"]]),
        ("take_dict", ({"a": 1},), ["dict", {"a": 1}]),
        ("take_optional", (), ["NoneType", None]),
        ("take_optional", (None,), ["NoneType", None]),
        ("take_optional", (4,), ["int", 4]),
        ("take_literal", ("read",), ["str", "read"]),
        ("take_nested", ([{"a": [1]}, {}],), ["list", [{"a": [1]}, {}]]),
        ("take_second", ("x", [1, 2.0]), ["list", ["x", [1, 2]]]),
        ("take_rest", (1, 2, 3), ["list", [1, 2, 3]]),
        ("take_rest", (), ["list", []]),
    ],
)
def test_accepted(coercion: Any, method: str, args: tuple[Any, ...], expected: list[Any]) -> None:
    kind, value = coercion.call(method, *args)
    assert [kind, value] == expected
    assert type(value) is type(expected[1])


@pytest.mark.parametrize(
    ("method", "args", "path"),
    [
        ("take_int", (3.7,), "args[0]"),
        ("take_int", ("abc",), "args[0]"),
        ("take_int", ("3",), "args[0]"),
        ("take_int", (True,), "args[0]"),
        ("take_int", (None,), "args[0]"),
        ("take_int", (float("inf"),), "args[0]"),
        ("take_int", (float("nan"),), "args[0]"),
        ("take_float", ("1.5",), "args[0]"),
        ("take_float", (True,), "args[0]"),
        ("take_unsigned", (-1,), "args[0]"),
        ("take_bool", (1,), "args[0]"),
        ("take_bool", (0.0,), "args[0]"),
        ("take_bool", ("true",), "args[0]"),
        ("take_str", (5,), "args[0]"),
        ("take_str", (b"bytes",), "args[0]"),
        ("take_list", (["a", "b", "c", 4],), "args[0][3]"),
        ("take_list", (["a", None],), "args[0][1]"),
        ("take_list", ("abc",), "args[0]"),
        ("take_list", ({"a": 1},), "args[0]"),
        ("take_dict", ({"a": 1, "b": "two"},), "args[0]"),
        ("take_dict", ({1: 1},), "args[0]"),
        ("take_optional", ("none",), "args[0]"),
        ("take_literal", ("append",), "args[0]"),
        ("take_literal", ("",), "args[0]"),
        ("take_nested", ([{"a": [1]}, {"b": [1, "x"]}],), "args[0][1]"),
        ("take_second", ("label", [1, 2, "three"]), "args[1][2]"),
        ("take_second", (1, [1]), "args[0]"),
        ("take_rest", (1, 2, "three"), "args[2]"),
    ],
)
def test_refused(coercion: Any, method: str, args: tuple[Any, ...], path: str) -> None:
    ran = coercion.call("calls")
    with pytest.raises(InvalidArgumentsError) as caught:
        coercion.call(method, *args)
    message = str(caught.value)
    assert path in message
    assert "coercion" in message
    assert method in message
    assert (caught.value.module, caught.value.method) == ("coercion", method)
    assert coercion.call("calls") == ran, "the method ran although its arguments were refused"
    assert coercion.call("take_int", 3.0) == ["int", 3]


@pytest.mark.parametrize(("method", "path"), [("give_wrong", "result"), ("give_wrong_inside", "result[2]")])
def test_result_that_does_not_fit_is_refused(coercion: Any, method: str, path: str) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        coercion.call(method)
    assert path in str(caught.value)
    assert method in str(caught.value)
    assert coercion.call("take_str", "still serving") == ["str", "still serving"]


def test_result_is_converted(coercion: Any) -> None:
    answer = coercion.call("give_float_for_int")
    assert type(answer) is int
    assert answer == 3
