"""What the safe codec's files share: extension codes, bounds, MessagePack in one C call, and the check for plain data.

Rules
-----
1. MessagePack carries ``None bool int(64 bit) float str bytes list dict`` by itself; everything else is an extension,
   so no value of a user can look like one of our tags.
2. Only content whose every type was verified as exactly plain goes to msgspec as it is: msgspec would silently turn a
   tuple into a list, a datetime into text, a dataclass into a dict.
3. Codes are part of the protocol: they are added, never reused.
4. A level is a container (list, tuple, dict, set, record, result). Extensions nest inside MessagePack and the other way
   round; the bound counts both together, and both directions refuse what exceeds it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import msgspec

from logoscore.errors import ProtocolViolationError

# Containers: the payload is a MessagePack array of the contents.
TUPLE, SET, FROZENSET, DICT, RESULT, DATACLASS, STRUCT, ENUM = range(1, 9)
# Leaves: the payload is complete in itself.
INT, STR, COMPLEX, RANGE, DATETIME, DATE, TIME, TIMEDELTA, DECIMAL, UUID_, PATH, NUMPY_SCALAR = range(16, 28)
# Leaves whose data travels out of band; the payload names a buffer.
BUFFER, BYTEARRAY, ARRAY, NDARRAY, BYTES = range(32, 37)

MAX_DEPTH = 200
"""Levels that a value may nest, the array of the arguments included."""
MAX_INT_BYTES = 1 << 16
"""The longest int: about 157,000 decimal digits."""
MAX_DECIMAL_CHARS = 1 << 17
MAX_EMPTY = 1 << 24
"""Elements that an array without bytes may claim to have (counting a zero dimension as one)."""

PLAIN = frozenset({type(None), bool, int, float, str, bytes})
SHORT = PLAIN - {bytes}
"""Plain types that stay in the head whatever their length."""
LARGE_BYTES = 1 << 15
"""Bytes from which on a bytes object travels out of band."""
CERTAIN = SHORT - {int, str}
"""Plain types of which MessagePack takes every value: an int may be too long, a str may hold lone surrogates."""
_LONG = 12  # from so many items on, the check that runs in C is the faster one
# Every byte that could open a container or an extension (fixmap, fixarray, ext, fixext, array, map), and the others.
_OPENERS = frozenset([*range(0x80, 0xA0), *range(0xC7, 0xCA), *range(0xD4, 0xD9), *range(0xDC, 0xE0)])
_OTHERS = bytes(byte for byte in range(256) if byte not in _OPENERS)

Ext = msgspec.msgpack.Ext
pack: Callable[[Any], bytes] = msgspec.msgpack.Encoder().encode


class Refused(Exception):  # noqa: N818 - a signal between the codec's files that becomes a SerializationError
    """A value cannot travel; the text says why. ``too_deep``: because of the levels above it."""

    too_deep = False


class TooDeep(Refused):
    too_deep = True


class ExtensionFound(Exception):  # noqa: N818 - a signal: this message needs the full reader
    """Plain decoding met an extension."""


def _found(_code: int, _data: memoryview) -> Any:
    raise ExtensionFound


unpack_plain: Callable[[bytes | memoryview], Any] = msgspec.msgpack.Decoder(ext_hook=_found).decode


def is_plain(value: Any, levels: int) -> bool:
    """Whether MessagePack alone carries ``value`` without loss, int and str ranges aside, within so many levels."""
    cls = type(value)
    if cls in PLAIN:
        return cls is not bytes or len(value) < LARGE_BYTES
    if not levels:
        return False
    if cls is list:
        if len(value) >= _LONG and _is_long_plain(value, levels):
            return True
        for item in value:  # noqa: SIM110 - all() of a generator takes twice as long
            if type(item) not in SHORT and not is_plain(item, levels - 1):
                return False
        return True
    if cls is dict:
        for key, item in value.items():
            if type(key) not in PLAIN or (type(item) not in SHORT and not is_plain(item, levels - 1)):
                return False
        return True
    return False


def _is_long_plain(value: list[Any], levels: int) -> bool:
    """:func:`is_plain` for the two common long lists, of plain values and of flat dicts; False settles nothing."""
    kinds = set(map(type, value))
    if kinds <= SHORT:
        return True
    return (
        kinds == {dict}
        and levels > 1
        and PLAIN.issuperset(map(type, chain.from_iterable(value)))
        and SHORT.issuperset(map(type, chain.from_iterable(map(dict.values, value))))
    )


def may_be_deep(head: bytes | memoryview) -> bool:
    """Whether ``head`` has enough bytes that could open a level to exceed the bound. Cheap, and never wrongly False."""
    return len(head) > MAX_DEPTH and len(bytes(head).translate(None, _OTHERS)) > MAX_DEPTH


def violation(error: Exception) -> ProtocolViolationError:
    """The error for a message that could not be decoded because of ``error``."""
    if isinstance(error, ProtocolViolationError):
        return error
    # Only msgspec's own texts are repeated; others may come from a user's __hash__ and raise when asked.
    reason = str(error) if type(error).__module__ == "msgspec" else type(error).__name__
    return ProtocolViolationError(f"the peer sent a value that cannot be decoded: {reason}")
