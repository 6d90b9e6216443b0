"""Errors across a channel: nothing of ours is lost, nothing of the module's can break the report."""

from __future__ import annotations

import pickle
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logoscore import errors
from logoscore.errors import CallError, LogosError, ModuleCrashedError, RemoteError, StateError
from logoscore.session.wire_errors import RemoteTraceback, from_wire, remote_error, safe_text, to_wire
from logoscore.transport.messages import WireError

CLASSES = [getattr(errors, name) for name in errors.__all__]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(WireError).decode
_LONGEST = 64 * 1024
"""A text's share of an error: generous, but far from what an exception's str() may give."""


def travel(error: LogosError) -> LogosError:
    return from_wire(_decode(_encode(to_wire(error))))


def raised(exc: BaseException) -> BaseException:
    """With a traceback, as the module's code leaves it."""
    with pytest.raises(type(exc)) as caught:
        raise exc
    return caught.value


# --- ours -------------------------------------------------------------------------------------------------------------


def test_every_class_of_the_module_is_known() -> None:
    defined = {cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, LogosError)}
    assert defined == set(CLASSES)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_comes_back_with_its_fields(cls: type[LogosError]) -> None:
    error = cls("what went wrong", **{name: f"the {name}" for name in cls.fields})
    there = travel(error)
    assert type(there) is cls
    assert str(there) == "what went wrong"
    assert {name: getattr(there, name) for name in cls.fields} == {name: f"the {name}" for name in cls.fields}
    empty = travel(cls())
    assert (type(empty), str(empty)) == (cls, "")
    assert all(getattr(empty, name) is None for name in cls.fields)
    assert pickle.dumps(pickle.loads(pickle.dumps(error))) == pickle.dumps(error)


@pytest.mark.parametrize("pid", [0, 1, 2**31, 2**63 - 1, -(2**63), 2**64 - 1])
def test_numbers_stay_numbers(pid: int) -> None:
    there = travel(ModuleCrashedError("x", module="m", pid=pid, exit_code=-11, signal_name=None))
    assert isinstance(there, ModuleCrashedError)
    assert (there.pid, there.exit_code, there.signal_name, there.stderr) == (pid, -11, None, None)


@pytest.mark.parametrize("value", [True, 1.5, b"bytes", ["list"], object(), ValueError("x")])
def test_a_field_of_any_value_travels_as_something(value: Any) -> None:
    there = travel(ModuleCrashedError("x", pid=value))
    assert isinstance(there, ModuleCrashedError)
    assert there.pid is not None


def test_a_class_of_somebody_elses_travels_as_the_nearest_of_ours() -> None:
    class Special(CallError):  # noqa: N818 - a name like any other
        fields = (*CallError.fields, "extra")

    there = travel(Special("x", module="m", method="f", extra="y"))
    assert type(there) is CallError
    assert isinstance(there, CallError)
    assert (there.module, there.method) == ("m", "f")

    class RemoteError(LogosError):  # a name of ours, and not ours
        pass

    assert type(travel(RemoteError("x"))) is LogosError


def test_the_remote_traceback_is_shown_as_the_cause() -> None:
    there = travel(RemoteError("x", remote_traceback="Traceback: here"))
    assert isinstance(there.__cause__, RemoteTraceback)
    assert "Traceback: here" in str(there.__cause__)
    assert travel(RemoteError("x")).__cause__ is None
    assert travel(StateError("x")).__cause__ is None


# --- from the other side ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["", "Nobody", "Exception", "SystemExit", "KeyError", "annotations", "Any", "\0", "é"])
def test_an_unknown_kind_is_a_remote_error_of_that_name(kind: str) -> None:
    error = from_wire(WireError(kind, "text", {"module": "m", "exploit": 1}))
    assert type(error) is RemoteError
    assert (error.type_name, error.message) == (kind, "text")
    assert "text" in str(error)


_anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=9)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_fields = st.sampled_from(sorted({name for cls in CLASSES for name in cls.fields} | {"self", "message", "args"}))


@given(
    st.sampled_from([cls.__name__ for cls in CLASSES]) | st.text(max_size=10),
    st.text(max_size=20),
    st.dictionaries(
        _fields | st.text(max_size=8), st.none() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=9), max_size=6
    ),
)
@settings(deadline=None)
def test_whatever_a_peer_says_becomes_an_error_of_ours(kind: str, message: str, fields: dict[str, Any]) -> None:
    error = from_wire(_decode(_encode(WireError(kind, message, fields))))
    assert type(error) in CLASSES
    assert message in str(error)
    repr(error)
    assert travel(error).args[0] == str(error)


@given(_anything.filter(lambda value: value is not None and type(value) not in (int, str)))
@settings(deadline=None)
def test_a_field_that_is_neither_text_nor_number_is_refused(value: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        _decode(_encode(["ModuleCrashedError", "died", {"module": value}]))


# --- the module's own ---------------------------------------------------------------------------------------------------


class Silent(Exception):  # noqa: N818 - a name like any other
    def __str__(self) -> str:
        raise self

    __repr__ = __str__


class Quitter(Exception):  # noqa: N818 - likewise
    def __str__(self) -> str:
        raise SystemExit(3)

    __repr__ = __str__


class Liar(Exception):  # noqa: N818 - likewise
    def __str__(self) -> Any:
        return 5

    __repr__ = __str__


class _Text(str):
    __slots__ = ()

    def encode(self, *_: Any) -> Any:
        raise ZeroDivisionError

    def __len__(self) -> int:
        return 1

    def __format__(self, _: str) -> str:
        raise ValueError


class Subtle(Exception):  # noqa: N818 - likewise
    def __str__(self) -> str:
        return _Text("subtle")

    __repr__ = __str__


class Endless(Exception):  # noqa: N818 - likewise
    def __str__(self) -> str:
        return str(self)


class _Nameless(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]  # the point
        raise ZeroDivisionError


class Anonymous(Exception, metaclass=_Nameless):  # noqa: N818 - likewise
    pass


@pytest.mark.parametrize("cls", [Silent, Quitter, Liar, Subtle, Endless, Anonymous], ids=repr)
def test_an_exception_that_cannot_be_shown_is_reported_all_the_same(cls: type[Exception]) -> None:
    error = remote_error(raised(cls("x")), "m", "f")
    there = travel(error)
    assert type(there) is RemoteError
    assert (there.module, there.method) == ("m", "f")
    for text in (str(there), there.type_name, there.message, there.remote_traceback):
        assert type(text) is str
        assert text


def test_one_names_the_class_the_text_and_where() -> None:
    error = remote_error(raised(KeyError("deliberate")), "m", "f")
    assert str(error) == "m.f raised KeyError: 'deliberate'"
    assert (error.module, error.method, error.type_name, error.message) == ("m", "f", "KeyError", "'deliberate'")
    assert error.remote_traceback is not None
    assert error.remote_traceback.rstrip().endswith("KeyError: 'deliberate'")


def test_an_error_of_ours_raised_by_a_module_is_a_remote_error_too() -> None:
    there = travel(remote_error(raised(StateError("not the platform's")), "m", "f"))
    assert type(there) is RemoteError
    assert there.type_name == "StateError"


@pytest.mark.parametrize("text", ["x" * 10_000_000, "é" * 5_000_000, "\ud800" * 5_000_000, "\n" * 1_000_000])
def test_huge_texts_are_bounded(text: str) -> None:
    named = type("E" * 1_000_000, (Exception,), {})
    for exc in (ValueError(text), named(text), ExceptionGroup(text, [ValueError(text)] * 3)):
        error = remote_error(raised(exc), "m", "f")
        wire = _encode(to_wire(error))
        assert len(wire) < 8 * _LONGEST
        there = from_wire(_decode(wire))
        assert type(there) is RemoteError
        assert text[:100].encode("utf-8", "backslashreplace").decode()[:100] in str(there) + str(there.message)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\udc80" * 3, "\ud83d\ude00", "\0", "\x1b[31m", "🎉"])
def test_every_text_travels(text: str) -> None:
    there = travel(remote_error(raised(ValueError(text)), "m", "f"))
    assert isinstance(there, RemoteError)
    assert there.message == text.encode("utf-8", "backslashreplace").decode()
    assert safe_text(text) == there.message


def test_the_end_of_a_long_traceback_is_kept() -> None:
    """It is the part that says what was raised, and where."""

    def ping(depth: int) -> None:
        return pong(depth - 1) if depth else int("not a number")  # type: ignore[return-value]  # it raises

    def pong(depth: int) -> None:
        return ping(depth)

    with pytest.raises(ValueError, match="not a number") as caught:
        ping(300)
    error = remote_error(caught.value, "m", "f")
    assert error.remote_traceback is not None
    assert "invalid literal for int" in error.remote_traceback


def test_chains_and_cycles_of_causes_are_reported() -> None:
    first, second = ValueError("first"), KeyError("second")
    first.__cause__, second.__context__ = second, first
    error = remote_error(raised(first), "m", "f")
    assert error.remote_traceback is not None
    assert "second" in error.remote_traceback

    long = ValueError("0")
    for number in range(1, 3000):
        following = ValueError(str(number))
        following.__context__ = long
        long = following
    there = travel(remote_error(raised(long), "m", "f"))
    assert isinstance(there, RemoteError)
    assert there.message == "2999"


def test_an_exception_that_was_never_raised_is_reported() -> None:
    assert remote_error(ValueError("x"), "m", "f").message == "x"
