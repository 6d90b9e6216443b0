"""Leaves that MessagePack cannot say: long ints, any str, complex, range, dates and times, Decimal, UUID, paths.

Rules
-----
1. Each type has a writer (value -> extension) and a reader (payload -> value) side by side.
2. A reader trusts nothing: payloads are decoded by typed msgspec decoders, and whatever the constructors raise the
   caller turns into a protocol violation. No reader evaluates text, and none imports what the peer names.
3. A subclass travels as its base, and only if the base is equal to it (a pandas Timestamp with nanoseconds is not).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec.msgpack import Decoder

from logoscore.errors import ProtocolViolationError, SerializationError
from logoscore.transport.codec import extensions as x
from logoscore.transport.codec.extensions import Ext, Refused, pack

_MICROSECOND = timedelta(microseconds=1)
_DECIMAL = r"-?(?:[0-9]+(?:\.[0-9]+)?(?:E[+-]?[0-9]+)?|s?NaN[0-9]*|Infinity)"
_ZONE_KEY = r"[A-Za-z0-9_+\-]+(?:/[A-Za-z0-9_+\-]+)*"
_PATHS = {"PurePosixPath": "P", "PureWindowsPath": "W", "PosixPath": "p", "WindowsPath": "w"}

Zone = tuple[int | None, str | None, str | None] | None
"""Offset in microseconds (None: not fixed), the name of a named offset, the key of a ZoneInfo."""


# --- writers --------------------------------------------------------------------------------------------------------


def int_bytes(value: int) -> bytes:
    size = value.bit_length() // 8 + 1
    if size > x.MAX_INT_BYTES:
        raise Refused(f"it has {size} bytes, and an int may have {x.MAX_INT_BYTES}")
    return value.to_bytes(size, "little", signed=True)


def write_int(value: int) -> Any:
    return value if -(1 << 63) <= value < 1 << 64 else Ext(x.INT, int_bytes(value))


def write_str(value: str) -> Any:
    try:
        value.encode()
    except UnicodeEncodeError:
        return Ext(x.STR, value.encode("utf-8", "surrogatepass"))
    return value


def write_complex(value: complex) -> Ext:
    return Ext(x.COMPLEX, pack((value.real, value.imag)))


def write_range(value: range) -> Ext:
    return Ext(x.RANGE, pack((int_bytes(value.start), int_bytes(value.stop), int_bytes(value.step))))


def _zone(zone: tzinfo | None, offset: Callable[[], timedelta | None]) -> Zone:
    if zone is None:
        return None
    if type(zone) is timezone:
        fixed, *name = zone.__getinitargs__()  # type: ignore[attr-defined]  # typeshed leaves it out
        return fixed // _MICROSECOND, name[0] if name else None, None
    now = offset()
    zoneinfo = sys.modules.get("zoneinfo")
    key = zone.key if zoneinfo is not None and isinstance(zone, zoneinfo.ZoneInfo) else None
    if key is None and now is None:
        raise Refused("its time zone is neither a fixed offset nor a ZoneInfo with a key")
    return None if now is None else now // _MICROSECOND, None, key


def write_datetime(value: datetime) -> Ext:
    zone = _zone(value.tzinfo, value.utcoffset)
    v = value
    return Ext(x.DATETIME, pack((v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond, v.fold, zone)))


def write_date(value: date) -> Ext:
    return Ext(x.DATE, pack((value.year, value.month, value.day)))


def write_time(value: time) -> Ext:
    zone = _zone(value.tzinfo, value.utcoffset)
    return Ext(x.TIME, pack((value.hour, value.minute, value.second, value.microsecond, value.fold, zone)))


def write_timedelta(value: timedelta) -> Ext:
    return Ext(x.TIMEDELTA, pack((value.days, value.seconds, value.microseconds)))


def write_decimal(value: Decimal) -> Ext:
    text = str(value).encode()
    if len(text) > x.MAX_DECIMAL_CHARS:
        raise Refused(f"it has {len(text)} characters, and a Decimal may have {x.MAX_DECIMAL_CHARS}")
    return Ext(x.DECIMAL, text)


def write_uuid(value: UUID) -> Ext:
    return Ext(x.UUID_, value.bytes)


def write_path(value: Any) -> Ext:
    kind = next(_PATHS[cls.__name__] for cls in type(value).__mro__ if cls.__name__ in _PATHS)
    return Ext(x.PATH, kind.encode() + str(value).encode("utf-8", "surrogatepass"))


WRITERS: dict[type, Callable[[Any], Any]] = {
    int: write_int, str: write_str, complex: write_complex, range: write_range, datetime: write_datetime,
    date: write_date, time: write_time, timedelta: write_timedelta, Decimal: write_decimal, UUID: write_uuid,
}  # fmt: skip

# How a subclass becomes its base, the base's own way: no method of the subclass decides what is sent.
BASES: dict[type, Callable[[Any], Any]] = {
    int: int.__int__, float: float.__float__, complex: complex.__pos__, str: str.__str__,
    bytes: lambda v: bytes(memoryview(v)),
    datetime: lambda v: datetime.combine(date(v.year, v.month, v.day), datetime.timetz(v)),
    date: lambda v: date(v.year, v.month, v.day),
    time: lambda v: time(v.hour, v.minute, v.second, v.microsecond, v.tzinfo, fold=v.fold),
    timedelta: lambda v: timedelta(v.days, v.seconds, v.microseconds),
    Decimal: Decimal, UUID: lambda v: UUID(int=v.int),
}  # fmt: skip


def to_base(value: Any) -> Any:
    """``value`` of a subclass as its base, or None if it is no subclass of these."""
    for cls in type(value).__mro__:
        if cls in BASES:
            base = BASES[cls](value)
            if cls in (datetime, date, time, timedelta) and not base == value:
                raise Refused(f"it is not equal to the {cls.__name__} that it would arrive as")
            return base
    return None


# --- readers --------------------------------------------------------------------------------------------------------

_read_complex = Decoder(tuple[float, float]).decode
_read_range = Decoder(tuple[bytes, bytes, bytes]).decode
_read_three = Decoder(tuple[int, int, int]).decode
_read_datetime = Decoder(tuple[int, int, int, int, int, int, int, int, Zone]).decode
_read_time = Decoder(tuple[int, int, int, int, int, Zone]).decode


def _tzinfo(zone: Zone) -> tzinfo | None:
    if zone is None:
        return None
    offset, name, key = zone
    if key is not None:
        if len(key) > 128 or not re.fullmatch(_ZONE_KEY, key):
            raise ProtocolViolationError("the peer sent a time zone key that is none")
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            return ZoneInfo(key)
        except (ZoneInfoNotFoundError, OSError, ValueError):
            if offset is None:
                raise SerializationError(f"the time zone {key!r} is not known on this machine") from None
            name = key
    if offset is None:
        raise ProtocolViolationError("the peer sent a time zone without an offset")
    delta = timedelta(microseconds=offset)
    return timezone(delta) if name is None else timezone(delta, name)


def read_int(data: memoryview) -> int:
    if len(data) > x.MAX_INT_BYTES:
        raise ProtocolViolationError("the peer sent an int that is too long")
    return int.from_bytes(data, "little", signed=True)


def read_range(data: memoryview) -> range:
    return range(*[read_int(memoryview(number)) for number in _read_range(data)])


def read_datetime(data: memoryview) -> datetime:
    *numbers, fold, zone = _read_datetime(data)
    return datetime(*numbers, tzinfo=_tzinfo(zone), fold=fold)  # type: ignore[misc,arg-type]  # seven ints


def read_time(data: memoryview) -> time:
    *numbers, fold, zone = _read_time(data)
    return time(*numbers, tzinfo=_tzinfo(zone), fold=fold)  # type: ignore[misc,arg-type]  # four ints


def read_decimal(data: memoryview) -> Decimal:
    text = str(data, "ascii")
    if len(text) > x.MAX_DECIMAL_CHARS or not re.fullmatch(_DECIMAL, text):
        raise ProtocolViolationError("the peer sent a Decimal that is none")
    return Decimal(text)


def read_path(data: memoryview) -> Any:
    import pathlib

    kind, text = bytes(data[:1]), str(data[1:], "utf-8", "surrogatepass")
    windows = {b"P": False, b"p": False, b"W": True, b"w": True}[kind]
    if kind.islower() and windows is (sys.platform == "win32"):
        return pathlib.Path(text)
    return pathlib.PureWindowsPath(text) if windows else pathlib.PurePosixPath(text)


READERS: dict[int, Callable[[memoryview], Any]] = {
    x.INT: read_int,
    x.STR: lambda data: str(data, "utf-8", "surrogatepass"),
    x.COMPLEX: lambda data: complex(*_read_complex(data)),
    x.RANGE: read_range,
    x.DATETIME: read_datetime,
    x.DATE: lambda data: date(*_read_three(data)),
    x.TIME: read_time,
    x.TIMEDELTA: lambda data: timedelta(*_read_three(data)),
    x.DECIMAL: read_decimal,
    x.UUID_: lambda data: UUID(bytes=bytes(data)),
    x.PATH: read_path,
}
