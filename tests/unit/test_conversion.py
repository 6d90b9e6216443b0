"""What fits an annotation is converted, what does not is refused, and nothing else is touched."""

from __future__ import annotations

import collections.abc as abc
import dataclasses
import enum
import math
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    Optional,
    Protocol,
    TypedDict,
    TypeVar,
    Union,
)

import msgspec
import numpy
import numpy.typing
import pytest
from signature_support import bound, refused, taking

from logoscore.session.conversion import checkable, convert

if TYPE_CHECKING:
    from nowhere import Unimported  # type: ignore[import-not-found]  # only a type checker would look for it

T = TypeVar("T")
UserId = NewType("UserId", int)
WHEN = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
ID = uuid.UUID("6f1f6e3c-6a55-4c9b-9d2b-0d8f5a1b2c3d")


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


@dataclass
class Point:
    x: int
    y: int = 0
    tags: list[int] = field(default_factory=list)


@dataclass
class Line:
    start: Point
    end: Point | None = None


@dataclass
class Circle:
    centre: Point
    radius: float


@dataclass
class Computed:
    x: int
    double: int = field(init=False, default=0)


@dataclass
class Box(Generic[T]):
    content: T


@dataclass
class Lazy:
    """As people write it who import types for the type checker only."""

    name: str
    other: Unimported | None = None


class Struct(msgspec.Struct):
    a: int
    b: list[int] = []


class Row(NamedTuple):
    a: int
    b: str = ""


class Options(TypedDict):
    depth: int


class Closable(Protocol):
    def close(self) -> None: ...


def exactly(value: Any, expected: Any) -> bool:
    """Equal, and of the same types at any depth."""
    if type(value) is not type(expected) or value != expected:
        return False
    if isinstance(expected, (list, tuple)):
        return all(map(exactly, value, expected))
    if isinstance(expected, dict):
        types = {key: type(key) for key in expected}
        return all(type(key) is types[key] and exactly(item, expected[key]) for key, item in value.items())
    if dataclasses.is_dataclass(expected):
        # (A default may stand on the class alone.)
        return all(exactly(getattr(value, f.name), getattr(expected, f.name)) for f in dataclasses.fields(expected))
    return True


# --- whole floats are ints, anywhere --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (int, 3.0, 3),
        (int, -0.0, 0),
        (int, 2.0**100, 2**100),
        (int | None, 3.0, 3),
        (Optional[int], 3.0, 3),  # noqa: UP045 - the old spelling is another object
        (Union[int, str], 3.0, 3),  # noqa: UP007 - likewise
        (Annotated[int, msgspec.Meta(ge=0)], 3.0, 3),
        (UserId, 3.0, 3),
        (list[int], [1, 2.0, 3.0], [1, 2, 3]),
        (list[list[int]], [[1.0], []], [[1], []]),
        (tuple[int, ...], (1.0, 2), (1, 2)),
        (tuple[int, str], (1.0, "x"), (1, "x")),
        (set[int], {1.0}, {1}),
        (frozenset[int], frozenset({1.0}), frozenset({1})),
        (abc.Sequence[int], [1.0], [1]),
        (dict[str, int], {"a": 1.0}, {"a": 1}),
        (dict[int, str], {1.0: "a"}, {1: "a"}),
        (dict[int, int], {1.0: 2.0, 3: 4}, {1: 2, 3: 4}),
        (abc.Mapping[str, int], {"a": 1.0}, {"a": 1}),
        (dict[str, list[int]] | None, {"a": [1.0]}, {"a": [1]}),
        (Options, {"depth": 3.0}, {"depth": 3}),
        (Point, {"x": 1.0, "tags": [2.0]}, Point(1, 0, [2])),
        (Point, Point(1.0, 2.0), Point(1, 2)),  # type: ignore[arg-type]  # the point
        (Line, Line(Point(1.0)), Line(Point(1))),  # type: ignore[arg-type]  # likewise
        (list[Line], [{"start": {"x": 1.0}, "end": {"x": 2.0}}], [Line(Point(1), Point(2))]),
        (dict[str, Point], {"a": {"x": 1.0}}, {"a": Point(1)}),
        (Struct, {"a": 1.0, "b": [2.0]}, Struct(1, [2])),
        (float, 3, 3.0),
        (list[float], [1, 2.5], [1.0, 2.5]),
        (int | float, 3.0, 3.0),
        (float | None, 3.0, 3.0),
    ],
    ids=repr,
)
def test_a_whole_float_passes_for_an_int(hint: Any, value: Any, expected: Any) -> None:
    assert exactly(convert(value, hint), expected)
    assert exactly(bound(taking(hint), value), expected)


@pytest.mark.parametrize(
    "value", [3.7, 1e-9, math.inf, -math.inf, math.nan, "3", True, None, b"3", [3], Decimal(3)], ids=repr
)
@pytest.mark.parametrize(
    ("hint", "wrap", "path"),
    [
        (int, lambda v: v, "args[0]"),
        (list[int], lambda v: [1, 2.0, v], "args[0][2]"),
        (dict[str, list[int]], lambda v: {"k": [v]}, "args[0][...][0]"),
        (tuple[str, int], lambda v: ("x", v), "args[0][1]"),
        (Point, lambda v: {"x": 1, "tags": [1.0, v]}, "args[0].tags[1]"),
        (Point, lambda v: Point(1, tags=[1.0, v]), "args[0].tags[1]"),
        (list[Line], lambda v: [{"start": {"x": v}}], "args[0][0].start.x"),
    ],
    ids=["plain", "list", "dict", "tuple", "record as dict", "record", "nested"],
)
def test_nothing_else_passes_for_an_int_and_the_path_leads_to_it(hint: Any, wrap: Any, path: str, value: Any) -> None:
    assert refused(taking(hint), wrap(value)).startswith(f"value ({path}): Expected `int`, got ")


# --- scalars --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (uuid.UUID, str(ID), ID), (uuid.UUID, ID, ID), (list[uuid.UUID], [str(ID), ID], [ID, ID]),
        (datetime, WHEN.isoformat(), WHEN), (datetime, WHEN, WHEN), (date, "2024-05-06", date(2024, 5, 6)),
        (date, date(2024, 5, 6), date(2024, 5, 6)), (time, "07:08:09", time(7, 8, 9)), (time, time(7), time(7)),
        (timedelta, timedelta(1), timedelta(1)), (Decimal, "1.50", Decimal("1.50")), (Decimal, Decimal(2), Decimal(2)),
        (bytes, b"YWJj", b"YWJj"), (bytearray, bytearray(b"x"), bytearray(b"x")), (str, "YWJj", "YWJj"),
        (Colour, Colour.RED, Colour.RED), (Colour, "red", Colour.RED), (Level, 1, Level.LOW),
        (list[Colour], [Colour.RED, "red"], [Colour.RED] * 2), (Literal["a", 1], 1, 1), (Literal["a", 1], "a", "a"),
        (None, None, None), (complex, 1j, 1j), (Path, Path("x"), Path("x")),
    ],
    ids=repr,
)  # fmt: skip
def test_scalars_are_accepted(hint: Any, value: Any, expected: Any) -> None:
    assert exactly(convert(value, hint), expected)


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (bytes, "YWJj"), (bytearray, "YWJj"), (bytes | None, "YWJj"), (list[bytes], ["YWJj"]), (memoryview, "YWJj"),
        (str, b"x"), (str, 5), (str, None), (bool, 1), (bool, 0.0), (bool, "true"), (float, "1.5"), (float, True),
        (uuid.UUID, "no uuid"), (uuid.UUID, 5), (datetime, "yesterday"), (datetime, 5), (date, "2024-05"),
        (Literal["a", 1], "b"), (Literal[1], True), (Literal[1], 1.0), (Literal["1"], 1), (Colour, "blue"), (Level, 2),
        (Annotated[int, msgspec.Meta(ge=0)], -1), (Annotated[int, msgspec.Meta(ge=0)], -1.0),
        (Annotated[str, msgspec.Meta(max_length=2)], "abc"), (None, 0), (list[str], "abc"), (list[str], {"a": 1}),
        (dict[str, int], []), (dict[str, int], {1: 1}), (tuple[int, int], (1,)), (set[str], {1}),
        (Path, "x"), (complex, "1j"),
    ],
    ids=repr,
)  # fmt: skip
def test_scalars_are_refused(hint: Any, value: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        convert(value, hint)
    assert "args[0]" in refused(taking(hint), value)


# --- records --------------------------------------------------------------------------------------------------------------


def test_optional_fields_may_be_left_out_and_required_ones_may_not() -> None:
    assert convert({"start": {"x": 1}}, Line) == Line(Point(1))
    assert convert({"start": {"x": 1}, "end": None}, Line) == Line(Point(1))
    assert "missing required field `x`" in refused(taking(Line), {"start": {}})
    assert refused(taking(Line), {"start": {"x": 1}, "end": {"x": "1"}}).startswith("value (args[0].end.x): ")


def test_a_field_that_init_does_not_take_is_kept() -> None:
    computed = Computed(1)
    computed.double = 2
    assert convert(computed, Computed) == computed


def test_where_no_record_is_annotated_a_record_is_left_alone() -> None:
    inside = Point(1)
    assert convert({"a": [inside]}, dict[str, Any])["a"][0] is inside
    assert bound(lambda value: value, Line(Point(1))) == Line(Point(1))


@pytest.mark.parametrize("hint", [Point | Circle, Union[Point, Circle, None], Circle | Point])  # noqa: UP007 - likewise
def test_a_union_of_records_takes_each_of_them(hint: Any) -> None:
    for value in (Point(1), Circle(Point(1), 2.5)):
        assert convert(value, hint) == value
    assert convert({"x": 1}, hint) == Point(1)
    assert convert({"centre": {"x": 1.0}, "radius": 1}, hint) == Circle(Point(1), 1.0)
    for wrong in ({"z": 1}, 5, "x", []):
        with pytest.raises(msgspec.ValidationError):
            convert(wrong, hint)


def test_a_generic_record_is_taken_as_itself_and_as_a_dict() -> None:
    assert convert(Box(1), Box[int]) == Box(1)
    assert convert({"content": 1}, Box[int]) == Box(1)
    with pytest.raises(msgspec.ValidationError):
        convert(Box("x"), Box[int])


def test_a_named_tuple_is_taken_as_itself_and_as_a_list() -> None:
    assert exactly(convert(Row(1, "x"), Row), Row(1, "x"))
    assert exactly(convert([1], Row), Row(1))


def test_a_record_whose_fields_cannot_be_resolved_is_checked_by_its_class() -> None:
    assert convert(Lazy("x"), Lazy) == Lazy("x")
    assert convert([Lazy("x")], list[Lazy]) == [Lazy("x")]
    assert convert(Lazy("x"), Lazy | None) == Lazy("x")


def test_a_record_that_refuses_its_values_is_an_invalid_argument() -> None:
    @dataclass
    class Picky:
        x: int

        def __post_init__(self) -> None:
            {1: "one"}[self.x]

    assert convert({"x": 1}, Picky) == Picky(1)
    assert refused(taking(Picky), {"x": 2}).startswith("value (args[0]): KeyError")


# --- what msgspec cannot check ------------------------------------------------------------------------------------------


def test_what_cannot_be_checked_is_let_through() -> None:
    array = numpy.arange(3)
    for hint in (numpy.ndarray, numpy.typing.NDArray[numpy.int64], Closable, Point | Closable):
        assert convert(array, hint) is array
    for hint in (abc.Callable, abc.Callable[[int], str], abc.Callable[[int], str] | None):
        assert convert(len, hint) is len
    with pytest.raises(msgspec.ValidationError, match="ndarray"):
        convert([1, 2], numpy.ndarray)


@pytest.mark.parametrize("hint", [Any, object, "Unresolved", T])
def test_some_annotations_say_nothing(hint: Any) -> None:
    assert not checkable(hint)


def test_the_value_itself_is_not_changed() -> None:
    rows = [{"a": [1.0]}, {"b": [2]}]
    assert convert(rows, list[dict[str, list[int]]]) == [{"a": [1]}, {"b": [2]}]
    assert exactly(rows, [{"a": [1.0]}, {"b": [2]}])
    point = Point(1.0)  # type: ignore[arg-type]  # the point
    convert(point, Point)
    assert type(point.x) is float


def test_a_key_that_does_not_fit_is_named_like_everything_else() -> None:
    message = refused(taking(list[dict[int, str]]), [{"x": "y"}])
    assert message.startswith("value (args[0][0]): ")
    assert message.endswith("Expected `int`, got `str`")
    assert "$" not in message


@pytest.mark.parametrize(
    ("hint", "value", "reason"),
    [
        (int, None, "value (args[0]): Expected `int`, got `None`"),
        (None, 1, "value (args[0]): Expected `None`, got `int`"),
        (int | None, "x", "value (args[0]): Expected `int | None`, got `str`"),
        (list[int], [1, None], "value (args[0][1]): Expected `int`, got `None`"),
        (dict[str, int], [], "value (args[0]): Expected `dict`, got `list`"),
        (list[int], {}, "value (args[0]): Expected `list`, got `dict`"),
        (tuple[int, int], {1: 2}, "value (args[0]): Expected `tuple`, got `dict`"),
        (Annotated[set[int], msgspec.Meta(min_length=1)], 5, "value (args[0]): Expected `set`, got `int`"),
        (str, (1, 2), "value (args[0]): Expected `str`, got `tuple`"),
        (Point, 5, "value (args[0]): Expected `Point`, got `int`"),
        (str, Point(1), "value (args[0]): Expected `str`, got `Point`"),
        (list[str], [[1]], "value (args[0][0]): Expected `str`, got `list`"),
        (Annotated[list[int], msgspec.Meta(min_length=1)], [], "value (args[0]): Expected `list` of length >= 1"),
        (dict[int, str], {None: ""}, "value (args[0]): key: Expected `int`, got `None`"),
        (Literal["null"], "got `null`", "value (args[0]): Invalid enum value 'got `null`'"),
    ],
    ids=str,
)
def test_a_mismatch_is_told_in_the_words_of_python(hint: Any, value: Any, reason: str) -> None:
    assert refused(taking(hint), value) == reason
