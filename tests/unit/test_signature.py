"""A method's signature: which argument meets which annotation, and what cannot be resolved."""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal

import msgspec
import pytest
from signature_support import bound, refused, taking

from logoscore.errors import InvalidArgumentsError, ProtocolViolationError
from logoscore.interface import ParameterInfo, PluginInterface, invokable
from logoscore.session.signature import Method, defines, invokable_methods
from logoscore.transport.codec import SAFE

# --- binding ----------------------------------------------------------------------------------------------------------


def everything(a: int, b: str = "b", *rest: int, key: str = "key", **named: float) -> Any:
    return a, b, rest, key, named


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [
        ((1,), {}, (1, "b", (), "key", {})),
        ((1.0, "x", 2, 3.0, 4), {}, (1, "x", (2, 3, 4), "key", {})),
        ((), {"a": 1.0}, (1, "b", (), "key", {})),
        ((1, "x", 2), {"key": "k", "z": 1}, (1, "x", (2,), "k", {"z": 1.0})),
        ((1,), {"rest": 1, "named": 2}, (1, "b", (), "key", {"rest": 1.0, "named": 2.0})),
    ],
)
def test_every_argument_meets_its_own_annotation(args: Any, kwargs: Any, expected: Any) -> None:
    result = bound(everything, *args, **kwargs)
    assert result == expected
    assert [type(each) for each in result[2]] == [int] * len(result[2])
    assert {type(each) for each in result[4].values()} <= {float}


@pytest.mark.parametrize(
    ("args", "kwargs", "path"),
    [
        (("x",), {}, "a (args[0]): "),
        ((1, 2), {}, "b (args[1]): "),
        ((1, "x", 2, "x"), {}, "rest (args[3]): "),
        ((1, "x", 2, 3, 4, "x"), {}, "rest (args[5]): "),
        ((1,), {"key": 5}, 'kwargs["key"]: '),
        ((1,), {"other": "x"}, 'kwargs["other"]: '),
        ((1,), {"rest": "x"}, 'kwargs["rest"]: '),
        ((), {"a": "x"}, 'kwargs["a"]: '),
    ],
)
def test_a_refusal_names_the_argument(args: Any, kwargs: Any, path: str) -> None:
    assert refused(everything, *args, **kwargs).startswith(path)


def test_rest_arguments_are_checked_whatever_follows_them() -> None:
    def with_key(*rest: int, key: str = "") -> Any:
        return rest

    def with_named(*rest: int, **named: str) -> Any:
        return rest

    for function in (with_key, with_named):
        assert bound(function, 1, 2.0, 3) == (1, 2, 3)
        assert refused(function, 1, 2, "x").startswith("rest (args[2]): ")


def test_a_positional_only_name_is_free_for_the_named_rest() -> None:
    def function(a: int, /, **named: str) -> Any:
        return a, named

    assert bound(function, 1, a="x") == (1, {"a": "x"})
    assert refused(function, 1, a=5).startswith('kwargs["a"]: ')


@pytest.mark.parametrize(
    ("args", "kwargs", "reason"),
    [
        ((), {}, "missing a required argument: 'a'"),
        ((1,), {"a": 1}, "multiple values for argument 'a'"),
        ((1, "b", "c"), {}, "too many positional arguments"),
        ((1,), {"x": 1}, "unexpected keyword argument 'x'"),
    ],
)
def test_a_wrong_number_of_arguments_is_refused_with_the_signature(args: Any, kwargs: Any, reason: str) -> None:
    def function(a: int, b: str = "b") -> Any: ...

    message = refused(function, *args, **kwargs)
    assert reason in message
    assert "method(a: 'int', b: 'str' = 'b')" in message


def test_methods_without_annotations_take_anything() -> None:
    def function(a, *rest, b=None, **named):  # type: ignore[no-untyped-def]  # the point
        return a, rest, b, named

    assert bound(function, 1.0, "x", b={1}, c=(2,)) == (1.0, ("x",), {1}, {"c": (2,)})


def test_scalars_take_the_short_way_to_the_same_answer() -> None:
    def function(a: int, b: str, c: bool, d: float, e: bytes, f: None) -> Any:
        return a, b, c, d, e, f

    good = (1, "b", True, 1.5, b"e", None)
    assert bound(function, *good) == good
    assert bound(function, 2**200, "\ud800", False, 1, b"", None) == (2**200, "\ud800", False, 1.0, b"", None)
    for index, wrong in enumerate(["1", 2, 3, "4", "NQ==", 0]):
        args = [*good[:index], wrong, *good[index + 1 :]]
        assert refused(function, *args).startswith(f"{'abcdef'[index]} (args[{index}]): Expected ")


def test_garbage_is_a_violation_on_either_way() -> None:
    def short(a: int) -> Any: ...

    def long(a: list[int]) -> Any: ...

    for function in (short, long):
        method = Method("mod", "method", function)
        for head in (b"", b"\xc1", b"\x91", b"\x80", b"\x91\x01\x01", b"\xdd\xff\xff\xff\xff", b"\x91" * 100_000):
            with pytest.raises(ProtocolViolationError):
                method.arguments(SAFE, memoryview(head), (), False)


# --- annotations ------------------------------------------------------------------------------------------------------


def test_an_annotation_that_cannot_be_resolved_spoils_no_other() -> None:
    def function(a: Missing, b: int, *rest: AlsoMissing.deep, c: list[Missing2] = (), **named: int) -> Missing3:  # type: ignore[name-defined]  # noqa: F821 - the point
        return a, b, rest, c, named

    assert bound(function, [1], 2.0, "x", c="y", z=3.0) == ([1], 2, ("x",), "y", {"z": 3})
    assert refused(function, 1, "b").startswith("b (args[1]): ")
    assert refused(function, 1, 2, z="x").startswith('kwargs["z"]: ')


def test_an_annotation_that_raises_anything_counts_as_none() -> None:
    function = taking("1 / 0")
    assert bound(function, "anything") == "anything"


@pytest.mark.parametrize(
    "hint",
    [Annotated[int, ["a list"]], Annotated[int, {"a": "dict"}], list[Annotated[int, []]]],
    ids=repr,
)
def test_annotations_that_cannot_be_hashed_are_annotations_like_others(hint: Any) -> None:
    value = [3] if "list[" in repr(hint)[:5] else 3
    assert bound(taking(hint), value) == value
    assert "args[0]" in refused(taking(hint), "x")


def test_literals_and_constraints() -> None:
    def function(mode: Literal["read", "write"], size: Annotated[int, msgspec.Meta(ge=0, lt=10)]) -> Any:
        return mode, size

    assert bound(function, "read", 9.0) == ("read", 9)
    assert refused(function, "append", 1).startswith("mode (args[0]): ")
    assert refused(function, "read", -1).startswith("size (args[1]): Expected `int` >= 0")
    assert refused(function, "read", 10.0).startswith("size (args[1]): ")


# --- results ----------------------------------------------------------------------------------------------------------


def result(hint: Any, value: Any) -> Any:
    def function() -> Any: ...

    function.__annotations__ = {"return": hint}
    return Method("mod", "method", function).result(value)


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [(int, 3.0, 3), (float, 3, 3.0), (list[int], [1.0], [1]), (None, None, None), (Any, {1}, {1}), (str, "x", "x")],
)
def test_results_are_converted_like_arguments(hint: Any, value: Any, expected: Any) -> None:
    there = result(hint, value)
    assert (there, type(there)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("hint", "value", "path"),
    [
        (int, "x", "result: "),
        (int, True, "result: "),
        (None, 0, "result: "),
        (list[int], [1, "x"], "result[1]: "),
        (dict[str, int], {"a": None}, "result[...]: "),
        (bytes, "eA==", "result: "),
    ],
)
def test_a_result_that_does_not_fit_is_refused(hint: Any, value: Any, path: str) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        result(hint, value)
    assert str(caught.value).startswith(f"mod.method(): {path}")
    assert (caught.value.module, caught.value.method) == ("mod", "method")


def test_an_unannotated_or_streaming_method_gives_what_it_gives() -> None:
    def plain(): ...  # type: ignore[no-untyped-def]  # the point

    def stream() -> int:  # type: ignore[misc]  # an annotation of whatever kind says nothing of the items
        yield "x"

    for function in (plain, stream):
        value = object()
        assert Method("mod", "method", function).result(value) is value


# --- the table of methods ---------------------------------------------------------------------------------------------


def logged(function: Any) -> Any:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return inner


class Base(PluginInterface):
    @invokable
    def hidden(self) -> None: ...

    @invokable
    def kept(self, a: int, *rest: str, b: float = 1.5, **more: Any) -> list[int]:
        """What it does."""
        return [a]

    def private(self) -> None: ...


class Derived(Base):
    def hidden(self) -> None: ...

    @invokable
    @logged
    def wrapped(self, value: int) -> Any:
        return value

    @invokable
    @staticmethod
    def static(value: int) -> int:
        return value

    @invokable
    async def later(self) -> None: ...

    @invokable
    def items(self) -> Any:
        yield 1


def test_the_most_derived_definition_counts() -> None:
    instance = Derived()
    methods = invokable_methods("mod", instance)
    assert sorted(methods) == ["items", "kept", "later", "static", "wrapped"]
    assert all(defines(instance, name) for name in ("hidden", "private", "init_logos", "kept"))
    assert not defines(instance, "nothing")


def test_a_method_is_described_as_it_was_written() -> None:
    info = invokable_methods("mod", Derived())["kept"].info
    assert (info.name, info.return_type, info.doc) == ("kept", "list[int]", "What it does.")
    assert info.parameters == [
        ParameterInfo("a", "int", None, True, "positional"),
        ParameterInfo("rest", "str", None, False, "var_positional"),
        ParameterInfo("b", "float", 1.5, False, "keyword"),
        ParameterInfo("more", "Any", None, False, "var_keyword"),
    ]
    kinds = {
        name: (method.info.is_async, method.info.is_stream)
        for name, method in invokable_methods("m", Derived()).items()
    }
    assert kinds["later"] == (True, False)
    assert kinds["items"] == (False, True)


def test_wrapped_and_static_methods_are_checked_too() -> None:
    methods = invokable_methods("mod", Derived())
    for name in ("wrapped", "static"):
        assert bound(methods[name].function, 3.0) == 3
        refused(methods[name].function, "x")


def test_parameters_that_go_by_keyword_only_are_named_with_the_way_to_give_them() -> None:
    def function(item: str, *, price: int, colour: str = "red") -> Any:
        return item, price, colour

    assert bound(function, "tea", price=3) == ("tea", 3, "red")
    for args in (("tea",), ("tea", 3), ()):
        assert refused(function, *args).endswith(
            "it is method(item: 'str', *, price: 'int', colour: 'str' = 'red') -> 'Any' "
            "(price, colour by keyword, which only a client's bind() can)"
        )


def test_an_annotation_that_cannot_be_resolved_is_told(caplog: pytest.LogCaptureFixture) -> None:
    def function(a: Missing, b: int) -> 1 / 0:  # type: ignore[name-defined,valid-type]  # noqa: F821 - the point
        return a, b

    with caplog.at_level("WARNING", "logoscore"):
        Method("mod", "method", function)
    assert [record.getMessage() for record in caplog.records] == [
        "mod.method(): the annotation 'Missing' of a cannot be resolved, so what comes there is not checked: "
        "NameError: name 'Missing' is not defined",
        "mod.method(): the annotation '1 / 0' of the result cannot be resolved, so what comes there is not checked: "
        "ZeroDivisionError: division by zero",
    ]
