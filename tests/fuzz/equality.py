"""Whether two values that went through the codec are the same: equal, and of the same types at every depth."""

from __future__ import annotations

import array
import dataclasses
import enum
from datetime import datetime, time
from decimal import Decimal
from typing import Any

import msgspec
import numpy

from logoscore.interface import LogosResult
from logoscore.transport.codec.records import Record


def same(a: Any, b: Any) -> bool:
    """NaN is the same as NaN, 0.0 not as -0.0, 1 not as True; the order of a dict counts."""
    if type(a) is not type(b):
        return False
    if isinstance(a, enum.Enum):
        return a is b
    if isinstance(a, set | frozenset):
        return _same_elements(list(a), list(b))
    parts, others = _parts(a), _parts(b)
    if parts is None or others is None:
        return bool(a == b)
    return len(parts) == len(others) and all(map(same, parts, others))


def _parts(value: Any) -> list[Any] | None:  # noqa: C901 - a table, in the only form that matches classes
    """What has to be the same of a value that is not compared as a whole."""
    match value:
        case numpy.ndarray() | numpy.generic():
            return [str(value.dtype), value.dtype.itemsize, value.shape, value.tobytes()]
        case float() | complex() | Decimal():
            return [repr(value)]
        case list() | tuple():
            return list(value)
        case dict():
            return list(value.items())
        case memoryview():
            return [value.format, value.shape, value.tobytes()]
        case array.array():
            return [value.typecode, value.tobytes()]
        case LogosResult():
            return [value.success, value._value, value.error]
        case Record():
            return [value.kind, value.type_name, value.fields]
        case msgspec.Struct():
            return [getattr(value, name) for name in value.__struct_fields__]
        case datetime() | time():
            return [value.replace(tzinfo=None).isoformat(), value.fold, repr(value.tzinfo)]
        case _ if dataclasses.is_dataclass(value):
            return [object.__getattribute__(value, each.name) for each in dataclasses.fields(value)]
    return None


def _same_elements(left: list[Any], right: list[Any]) -> bool:
    for item in left:
        found = next((index for index, other in enumerate(right) if same(item, other)), None)
        if found is None:
            return False
        del right[found]
    return not right
