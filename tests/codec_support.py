"""Values of every kind that the safe codec carries, classes that misbehave, and an equality that tells types apart."""

from __future__ import annotations

import array
import dataclasses
import enum
import math
import pathlib
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import numpy

from logoscore.interface import Event, LogosResult, MethodInfo, ParameterInfo
from logoscore.transport.codec import SAFE
from logoscore.transport.codec.extensions import Ext, pack
from logoscore.transport.codec.records import Record

HOME = __name__
RAN: list[str] = []


@dataclass
class Point:
    x: int
    y: float = 0.0
    tags: list[str] = field(default_factory=list)
    area: float = field(init=False, default=0.0)
    kind: ClassVar[str] = "point"


@dataclass(frozen=True, slots=True)
class Frozen:
    inner: Point
    key: tuple[int, ...] = ()


@dataclass(frozen=True)
class Base:
    a: int


@dataclass(frozen=True)
class Derived(Base):
    b: object = None


@dataclass
class Evil:
    x: int

    def __new__(cls, *_args: object) -> Evil:
        RAN.append("new")
        return object.__new__(cls)

    def __init__(self, x: int) -> None:
        RAN.append("init")
        object.__setattr__(self, "x", x)

    def __post_init__(self) -> None:
        RAN.append("post_init")

    def __setattr__(self, name: str, _value: object) -> None:
        RAN.append("setattr")

    def __reduce__(self) -> Any:
        RAN.append("reduce")
        return list, ()

    def __setstate__(self, state: object) -> None:
        RAN.append("setstate")


@dataclass
class Guarded:
    x: int

    def _set(self, _value: int) -> None:
        RAN.append("property")

    x = property(lambda _self: 1, _set)  # type: ignore[assignment]  # noqa: PIE794 - what a dataclass must not hide


@dataclass
class Deleter:
    path: str

    def __del__(self) -> None:
        RAN.append(f"del {self.path}")


class Plain(msgspec.Struct):
    a: int
    b: Any = None


class Tagged(msgspec.Struct, tag="t", frozen=True, array_like=True, kw_only=True, rename="camel"):
    first_name: str
    next_one: Plain | None = None


class Checked(msgspec.Struct):
    a: int

    def __post_init__(self) -> None:
        RAN.append("struct post_init")


class Colour(enum.Enum):
    RED = 1
    ROUGE = 1  # noqa: PIE796 - an alias
    DEEP = (1, Decimal("2.5"))
    CALL = len

    @classmethod
    def _missing_(cls, _value: object) -> Any:
        RAN.append("missing")
        return cls.RED


class Number(enum.IntEnum):
    ONE = 1


class Word(enum.StrEnum):
    HELLO = "hello"


class Perm(enum.Flag):
    R = 4
    W = 2
    X = 1


class IntPerm(enum.IntFlag):
    R = 4
    W = 2


class Pair(NamedTuple):
    left: int
    right: Any


class MyStr(str):
    __slots__ = ()


class MyInt(int):
    def __int__(self) -> int:
        raise AssertionError("not asked")


class MyList(list):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        raise AssertionError("not asked")


class Later(datetime):
    pass


def trip(value: Any) -> Any:
    return SAFE.decode(*SAFE.encode(value))


def code(number: int, *items: Any) -> bytes:
    """The encoding of an extension with an array in it."""
    return pack(Ext(number, pack(list(items))))


def record(kind: int, type_name: str, **fields: Any) -> bytes:
    return code(kind, [type_name, list(fields)], *fields.values())


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("repr")

    def __hash__(self) -> int:
        return 1

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    @property
    def __class__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("class")

    def __buffer__(self, _flags: int) -> memoryview:
        raise RuntimeError("buffer")


@dataclass
class Holder:
    name: Any


def nested(levels: int, wrap: Any = lambda inner: [inner]) -> Any:
    value: Any = wrap(0)
    for _ in range(levels - 1):
        value = wrap(value)
    return value


VALUES = [
    None, True, False, 0, 1, -1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, 2**64, -(2**63) - 1, 2**200, -(2**200),
    0.0, -0.0, 1.0, math.inf, -math.inf, math.nan, 5e-324, "", "text", "snow ☃ 𝄞", "\ud800 lone", "\0", b"",
    b"\xc1\xff",
    b"x" * 100_000, [], [1, 1.0, True], (), (1, 1.0, True), ((),), [[], ()], {}, {"a": 1, "b": 1.0, "c": True},
    {1: "a", 2.5: "b", None: "c", b"d": "d", "e": "e"}, {(1, 2): "tuple", frozenset({1}): "set", Colour.RED: "enum"},
    {2**100: 1, "\ud800": 2}, {math.nan: 1}, {"b": 1, "a": 2}, set(), {1, 2, "x", (1,), None}, frozenset(),
    frozenset({1.0}),
    {frozenset({frozenset()})}, {2**70, -(2**70)}, 0j, complex(-0.0, math.nan), range(0), range(1, 10, 3),
    range(2**70, 0, -(2**65)),
    datetime(2024, 2, 29, 12, 30, 1, 999_999), datetime(1, 1, 1), datetime.max, datetime(2024, 10, 27, 2, 30, fold=1),
    datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=-5, microseconds=7))),
    datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1), "CET")),
    datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")), date(2024, 2, 29), date.min,
    time(1, 2, 3, 4, fold=1),
    time(1, tzinfo=UTC), time(1, tzinfo=ZoneInfo("Europe/Berlin")), timedelta(0), timedelta.max, timedelta.min,
    Decimal(0), Decimal("-0.00"), Decimal("1E+5"), Decimal("1E-999999"), Decimal("NaN"), Decimal("-sNaN12"),
    Decimal("-Infinity"),
    Decimal("1." + "3" * 500), uuid.UUID(int=0), uuid.uuid5(uuid.NAMESPACE_DNS, "x"), pathlib.Path("/srv/ü"),
    pathlib.Path(),
    pathlib.PurePosixPath("a/b"), pathlib.PureWindowsPath("c:\\x"), pathlib.Path("\udcff"), Colour.RED, Colour.ROUGE,
    Colour.DEEP,
    Colour.CALL, Number.ONE, Word.HELLO, Perm.R, Perm.R | Perm.X, Perm(0), IntPerm.R | IntPerm.W, IntPerm(0),
    IntPerm(64),
    Point(1, 2.0, ["a"]), Frozen(Point(1), (1, 2)), Derived(1, {"k": (1,)}), {Base(1), Base(2)}, {Base(1): Derived(2)},
    Plain(1, [Plain(2)]), Tagged(first_name="n", next_one=Plain(1)), LogosResult.ok((1,)), LogosResult.fail({"e"}),
    LogosResult.ok(),
    MethodInfo("m", [ParameterInfo("p", "int", (1,))], "str"), Event("m", "n", (1, (2,)), 1, 2.0),
    Record("dataclass", "no:Such", {"a": (1,)}),
    Record("enum", "no:Such", {"name": "A", "value": 1}), Record("struct", "no:Such", {}),
    bytearray(b"abc"), bytearray(), array.array("d", [1.5, -0.0]), array.array("b"), memoryview(b"abc"),
    memoryview(b""),
    memoryview(array.array("i", [1, 2])), memoryview(bytes(24)).cast("h", [2, 6]), memoryview(bytes(4)).cast("i", []),
]  # fmt: skip


def show(value: Any) -> str:
    return type(value).__name__


def same(a: Any, b: Any) -> bool:
    """Whether both are equal and of the same types at every depth. NaN is the same as NaN, 0.0 not as -0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, enum.Enum):
        return a is b
    parts = _parts(a)
    if parts is not None:
        others = _parts(b)
        return others is not None and len(parts) == len(others) and all(map(same, parts, others))
    if isinstance(a, set | frozenset):
        return _same_elements(list(a), list(b))
    return repr(a) == repr(b) if isinstance(a, float | complex | Decimal) else bool(a == b)


def _parts(value: Any) -> list[Any] | None:
    """What has to be the same of a value that is not compared as a whole."""
    match value:
        case list() | tuple():
            return list(value)
        case dict():
            return list(value.items())
        case numpy.ndarray():
            return [value.dtype, value.shape, value.tobytes()]
        case memoryview():
            return [value.format, value.shape, value.tobytes()]
        case LogosResult():
            return [value.success, value._value, value.error]
        case Record():
            return [value.kind, value.type_name, value.fields]
        case msgspec.Struct():
            return [getattr(value, name) for name in value.__struct_fields__]
        case datetime() | time():
            return [value.replace(tzinfo=None).isoformat(), value.fold, repr(value.tzinfo)]
        case _ if dataclasses.is_dataclass(value):
            return [getattr(value, each.name) for each in dataclasses.fields(value)]
    return None


def _same_elements(left: list[Any], right: list[Any]) -> bool:
    for item in left:
        found = next((index for index, other in enumerate(right) if same(item, other)), None)
        if found is None:
            return False
        del right[found]
    return not right
