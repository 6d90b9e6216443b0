"""The sample module test_basic: the plain calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from logoscore import Core
from logoscore.errors import InvalidArgumentsError


@pytest.fixture(scope="module")
def basic(shared_core: Core) -> Iterator[Any]:
    return shared_core.load_plugin("test_basic")


@pytest.mark.parametrize(
    ("method", "args", "expected"),
    [
        ("do_nothing", (), None),
        ("do_nothing_with_args", (1, "two", [3]), None),
        ("return_true", (), True),
        ("return_false", (), False),
        ("is_positive", (5,), True),
        ("is_positive", (0,), False),
        ("is_positive", (-3,), False),
        ("return_int", (), 42),
        ("add_ints", (3, 4), 7),
        ("add_ints", (-5, 10), 5),
        ("string_length", ("hello",), 5),
        ("string_length", ("",), 0),
        ("return_string", (), "test_basic"),
        ("echo", ("round",), "round"),
        ("echo", ("",), ""),
        ("echo", ("grüße \N{SNOWMAN} \N{GRINNING FACE} \0 end",), "grüße \N{SNOWMAN} \N{GRINNING FACE} \0 end"),
        ("concat", ("foo", "bar"), "foobar"),
        ("concat", ("", ""), ""),
    ],
)
def test_call_returns(basic: Any, method: str, args: tuple[Any, ...], expected: Any) -> None:
    answer = basic.call(method, *args)
    assert answer == expected
    assert type(answer) is type(expected)


@pytest.mark.parametrize(
    ("method", "args", "word"),
    [
        ("string_length", (), "text"),
        ("add_ints", (3,), "'b'"),
        ("add_ints", (1, 2, 3), "too many"),
        ("do_nothing", ("surplus",), "too many"),
        ("add_ints", (), "'a'"),
    ],
)
def test_wrong_number_of_arguments(basic: Any, method: str, args: tuple[Any, ...], word: str) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        basic.call(method, *args)
    assert "test_basic" in str(caught.value)
    assert method in str(caught.value)
    assert word in str(caught.value)
    assert (caught.value.module, caught.value.method) == ("test_basic", method)
    assert isinstance(caught.value, TypeError)
    assert basic.call("add_ints", 3, 4) == 7


def test_client_knows_its_name(shared_core: Core, basic: Any) -> None:
    assert basic.name == "test_basic"
    assert shared_core.get_client("test_basic").call("return_int") == 42
    assert shared_core.api.get_client("test_basic").call("return_int") == 42


def test_caller_is_the_app(shared_core: Core, basic: Any) -> None:
    assert shared_core.api.name == "core"
    assert basic.call("caller_name") == "core"


def test_submit_gives_a_future(basic: Any) -> None:
    pending = [basic.submit("add_ints", number, number) for number in range(50)]
    assert [each.result(timeout=10) for each in pending] == [2 * number for number in range(50)]
    assert all(each.done() for each in pending)


def test_methods_are_the_marked_ones(shared_core: Core, basic: Any) -> None:
    names = {each.name for each in basic.methods()}
    assert {"do_nothing", "return_int", "add_ints", "echo", "concat"} <= names
    assert not names & {"helper", "_secret", "init_logos", "limit", "__init__"}
    assert names == {each.name for each in shared_core.get_plugin_methods("test_basic")}
