"""Bytes to messages that are well formed on the outside: lengths fit, tags exist, and what is inside may be anything.

Mutated bytes seldom keep MessagePack's nested lengths right, so most of them end at the first one. Here the input decides
what a message consists of instead, and every decision leads to bytes that a reader has to look into.
"""

from __future__ import annotations

from typing import Any, Final

from fuzz.target import Tape
from logoscore.transport.codec import extensions as x
from logoscore.transport.codec.extensions import Ext, pack

INTS: Final = (
    *(-1, -2, -(1 << 31), -(1 << 63), 127, 128, 255, 256, 65535, 65536, 86399, 999_999, 1_000_000, 1 << 31),
    *((1 << 32) - 1, 1 << 32, (1 << 53) + 1, (1 << 61) - 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1),
)
FLOATS: Final = (0.0, -0.0, 1.0, 0.5, -1e300, 1e308, 5e-324, float("inf"), float("-inf"), float("nan"))
TEXTS: Final = (
    *("", "a", "name", "value", "x", "True", "\0", "é☃𝄞", "a" * 70, "__class__", "../up", "index>=1.2,<2"),
    *("RED", "CALL", "ONE", "R", "first_name", "nan", "1e999"),
)
_ENUM: Final = ("name", "value")
RECORDS: Final[
    tuple[tuple[int, str, tuple[str, ...]], ...]
] = (  # as they travel; some of them must not be put together
    (x.DATACLASS, "codec_support:Point", ("x", "y", "tags", "area")),
    (x.DATACLASS, "codec_support:Frozen", ("inner", "key")),
    (x.DATACLASS, "codec_support:Derived", ("a", "b")),
    (x.DATACLASS, "codec_support:Evil", ("x",)),
    (x.DATACLASS, "codec_support:Guarded", ("x",)),
    (x.DATACLASS, "codec_support:Deleter", ("path",)),
    (x.DATACLASS, "logoscore.interface:MethodInfo", ("name", "parameters", "returns", "doc")),
    (x.DATACLASS, "logoscore.interface:Event", ("module", "name", "data", "sequence", "timestamp")),
    (x.DATACLASS, "logoscore.metadata:Dependency", ("name", "specifier")),
    (x.DATACLASS, "no:Such", ("a", "b")),
    (x.STRUCT, "codec_support:Plain", ("a", "b")),
    (x.STRUCT, "codec_support:Tagged", ("first_name", "next_one")),
    (x.STRUCT, "codec_support:Checked", ("a",)),
    (x.STRUCT, "logoscore.transport.messages.links:Plant", ("request", "peer", "incoming", "outgoing")),
    (x.ENUM, "codec_support:Colour", _ENUM),
    (x.ENUM, "codec_support:Number", _ENUM),
    (x.ENUM, "codec_support:Perm", _ENUM),
    (x.ENUM, "codec_support:IntPerm", _ENUM),
    (x.ENUM, "re:RegexFlag", _ENUM),
    (x.ENUM, "no:Such", _ENUM),
    (x.DATACLASS, "codec_support:same", ("x",)),
    (x.DATACLASS, "codec_support:Point.x", ()),
    (x.STRUCT, "msgspec:Struct", ()),
    (x.ENUM, "enum:Enum", _ENUM),
    (x.DATACLASS, "builtins:int", ()),
    (x.DATACLASS, ":", ()),
    (x.DATACLASS, "", ()),
)
ZONES: Final = (None, "UTC", "Europe/Berlin", "", "Nowhere/Land", "../UTC", "UTC/", "a" * 200, "posixrules", "Europe")
DTYPES: Final = (
    *(
        "<i4",
        ">f8",
        "|b1",
        "<U3",
        "|S5",
        "|V7",
        "<M8[ns]",
        "<m8",
        "|O",
        "<U0",
        "|V0",
        "<c16",
        "=i8",
        "<M8[25s]",
        "<f16",
    ),
    *("|S999999999", "<i9", "<M8[generic]", "<m8[0D]", "<U999999999"),
)
PATHS: Final = (b"P", b"p", b"W", b"w", b"", b"Q")
FORMATS: Final = (*"bBhHiIlLqQnNefd?cuw", "", "@i", "xx", "O", "P")
CODES: Final = (*range(1, 9), *range(16, 28), *range(32, 36))
_MANY: Final = 24
_LEVELS: Final = 50  # more of them, by decisions, would be too deep for whoever builds; see _deep


def number(tape: Tape) -> int:
    """A small number mostly, else one of those at which things change."""
    byte = tape.byte()
    return byte % 64 if byte < 192 else INTS[byte % len(INTS)]


def text(tape: Tape) -> str:
    byte = tape.byte()
    return TEXTS[byte % len(TEXTS)] if byte < 192 else tape.take(byte - 191).decode("latin-1")


def tree(tape: Tape, extensions: bool = True) -> Any:
    """A value for ``pack``, extensions among it or (as in control messages) hardly any."""
    byte = tape.byte()
    if byte >= 240 or not tape.left or tape.level >= _LEVELS:
        return (None, True, False, 0, "", b"", [], {})[byte % 8]
    tape.level += 1
    value = _node(tape, byte % 16, extensions)
    tape.level -= 1
    return value


def _node(tape: Tape, kind: int, extensions: bool) -> Any:
    if kind < 3:
        return number(tape)
    if kind == 3:
        return tape.choice(FLOATS)
    if kind == 4:
        return text(tape)
    if kind == 5:
        return tape.take(tape.byte())
    if kind == 8:
        return {_key(tape): tree(tape, extensions) for _ in range(_size(tape))}
    if kind == 9:
        return _odd(tape, extensions)
    return trees(tape, extensions) if kind < 8 or not extensions else extension(tape)


def trees(tape: Tape, extensions: bool = True) -> list[Any]:
    return [tree(tape, extensions) for _ in range(_size(tape))]


def _odd(tape: Tape, extensions: bool) -> Any:
    """An extension of any code, timestamps among them; many levels; or something usual."""
    turn = tape.byte() % 8
    if turn == 0:
        return Ext(tape.byte() - 128, tape.take(tape.byte()))
    return _deep(tape, extensions) if turn == 1 else tree(tape, extensions)


def _deep(tape: Tape, extensions: bool) -> Any:
    """Up to 255 levels around something flat, all of a kind or in turns."""
    levels, kinds = tape.byte(), tape.byte()
    before, tape.level = tape.level, _LEVELS
    value = tree(tape, extensions)
    tape.level = before
    for level in range(levels):
        kind = kinds >> level % 4 * 2 & 3 if extensions else 0
        value = ([value], {0: value}, Ext(x.TUPLE, pack([value])), Ext(x.DICT, pack([0, value])))[kind]
    return value


def _size(tape: Tape) -> int:
    return min(tape.byte() % _MANY, tape.left)


def _key(tape: Tape) -> Any:
    """A key that packing can hash."""
    kind = tape.byte() % 4
    return (
        number(tape) if kind == 0 else tape.choice(FLOATS) if kind == 1 else text(tape) if kind == 2 else tape.take(4)
    )


def extension(tape: Tape) -> Ext:
    """An extension whose content is what its code asks for, or, one time in many, something else."""
    code = tape.choice(CODES)
    turn = tape.byte()
    if turn >= 250:
        return Ext(code, tape.take(turn - 240))
    if turn >= 240:
        return Ext(code, pack(tree(tape)))
    if code in (x.DATACLASS, x.STRUCT, x.ENUM):
        return _record(tape, code)
    return Ext(code, _content(tape, code))


def _content(tape: Tape, code: int) -> bytes:
    if code < x.INT:
        return pack([tree(tape), tree(tape), tree(tape)] if code == x.RESULT else trees(tape))
    if code >= x.BUFFER:
        return _buffer(tape, code)
    return _leaf(tape, code)


def _record(tape: Tape, code: int) -> Ext:
    """A record as its class has it; or with the code, the names or the number of fields of another."""
    right, type_name, names = tape.choice(RECORDS)
    wrong = tape.byte()
    fields: Any = trees(tape) if wrong >= 250 else tape.choice(RECORDS)[2] if wrong >= 225 else names
    values = [tree(tape) for _ in (range(_size(tape)) if wrong % 16 == 15 else fields)]
    return Ext(code if wrong % 16 == 14 else right, pack([[type_name, fields], *values]))


def _buffer(tape: Tape, code: int) -> bytes:
    index = tape.byte() % 4
    shape = [number(tape) for _ in range(tape.byte() % 4)]
    if code == x.BUFFER:
        return pack((index, tape.choice(FORMATS), shape))
    if code == x.ARRAY:
        return pack((index, tape.choice(FORMATS), tape.byte() % 9))
    return pack((index, dtype(tape), shape, "CF?"[tape.byte() % 3])) if code == x.NDARRAY else pack(index)


def dtype(tape: Tape) -> Any:
    """What a peer may say that a numpy dtype is."""
    kind = tape.byte() % 8
    if kind < 5 or not tape.left:
        return tape.choice(DTYPES)
    if kind == 5:
        return [dtype(tape), [number(tape) for _ in range(tape.byte() % 3)]]
    count = tape.byte() % 4
    names = [text(tape) for _ in range(count)]
    return [names, [dtype(tape) for _ in range(count)], [number(tape) for _ in range(count)], number(tape)]


def _zone(tape: Tape) -> Any:
    kind = tape.byte() % 4
    if not kind:
        return None
    return (number(tape) if kind & 1 else None, text(tape) if kind & 2 else None, tape.choice(ZONES))


def _bytes_of_int(tape: Tape) -> bytes:
    return number(tape).to_bytes(9, "little", signed=True) if tape.byte() % 4 else tape.take(tape.byte())


def _leaf(tape: Tape, code: int) -> bytes:  # noqa: C901 - one line a code
    if code == x.INT:
        return _bytes_of_int(tape)
    if code == x.COMPLEX:
        return pack((tape.choice(FLOATS), tape.choice(FLOATS)))
    if code == x.RANGE:
        return pack([_bytes_of_int(tape) for _ in range(3)])
    if code == x.DATETIME:
        return pack((*(number(tape) for _ in range(7)), tape.byte() % 3, _zone(tape)))
    if code == x.TIME:
        return pack((*(number(tape) for _ in range(4)), tape.byte() % 3, _zone(tape)))
    if code in (x.DATE, x.TIMEDELTA):
        return pack([number(tape) for _ in range(3)])
    if code == x.DECIMAL:
        return b"".join(
            tape.choice((b"1", b"9", b"0", b".", b"E", b"-", b"+", b"NaN", b"s", b"Infinity")) for _ in range(6)
        )
    if code == x.UUID_:
        return tape.take(16)
    if code == x.PATH:
        return tape.choice(PATHS) + tape.take(tape.byte() % 32)
    if code == x.NUMPY_SCALAR:
        spec = tape.choice(("U", "S", dtype(tape)))
        return pack((spec, tape.take(tape.byte() % 33)))
    return tape.take(tape.byte())
