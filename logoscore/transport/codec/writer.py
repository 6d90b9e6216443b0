"""The slow half of encoding: a value that is not all plain becomes a tree that MessagePack can carry.

Rules
-----
1. Every type has one writer. A type is matched exactly, then by what it is (record, numpy, subclass, buffer), and the
   answer is kept per class; what nothing matches is refused.
2. What a subclass of a builtin overrides is not asked: its contents are read the base's way.
3. A writer object serves one message: it counts levels and collects the buffers.
4. Sets are written in the order of their elements' bytes, so equal sets have equal encodings in every process.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from logoscore.transport.codec import arrays, records, scalars
from logoscore.transport.codec import extensions as x
from logoscore.transport.codec.extensions import Ext, Refused, TooDeep, pack

Write = Callable[["Writer", Any], Any]

_RECORD_CODES = {"dataclass": x.DATACLASS, "struct": x.STRUCT, "enum": x.ENUM}


class Writer:
    """One message on its way out. ``plain`` are the types that are taken as they are."""

    __slots__ = ("buffers", "depth", "plain", "whole")

    def __init__(self, plain: frozenset[type], depth: int = 0) -> None:
        self.plain = plain
        self.depth = depth
        self.buffers: list[memoryview] = []
        self.whole = False  # bytes stay where they are

    def add(self, view: memoryview) -> int:
        """Send ``view`` out of band; its index."""
        self.buffers.append(view)
        return len(self.buffers) - 1

    def lower(self, value: Any) -> Any:
        """``value`` as MessagePack can carry it."""
        cls = type(value)
        return value if cls in self.plain else (_EXACT.get(cls) or _resolve(cls))(self, value)

    def items(self, values: Iterable[Any]) -> list[Any]:
        """The values one level down, each as MessagePack can carry it."""
        self.depth += 1
        if self.depth > x.MAX_DEPTH:
            raise TooDeep
        plain = self.plain
        out = []
        for value in values:  # lower(), without its frame: a message may nest deeply
            cls = type(value)
            out.append(value if cls in plain else (_EXACT.get(cls) or _resolve(cls))(self, value))
        self.depth -= 1
        return out


# --- containers -----------------------------------------------------------------------------------------------------


def _write_list(writer: Writer, value: list[Any]) -> list[Any]:
    return writer.items(value)


def _write_bytes(writer: Writer, value: bytes) -> Any:
    if len(value) < x.LARGE_BYTES or writer.whole:
        return value
    return Ext(x.BYTES, pack(writer.add(memoryview(value))))


def _write_tuple(writer: Writer, value: tuple[Any, ...]) -> Ext:
    return Ext(x.TUPLE, pack(writer.items(value)))


def _write_dict(writer: Writer, value: dict[Any, Any]) -> Any:
    values = writer.items(value.values())
    if writer.plain.issuperset(map(type, value)):
        return dict(zip(value, values, strict=True))
    whole, writer.whole = writer.whole, True  # as in _elements
    keys = writer.items(value)
    writer.whole = whole
    if x.PLAIN.issuperset(map(type, keys)):
        return dict(zip(keys, values, strict=True))
    flat = [None] * (2 * len(values))
    flat[0::2] = keys
    flat[1::2] = values
    return Ext(x.DICT, pack(flat))


def _write_set(writer: Writer, value: set[Any]) -> Ext:
    return Ext(x.SET, _elements(writer, value))


def _write_frozenset(writer: Writer, value: frozenset[Any]) -> Ext:
    return Ext(x.FROZENSET, _elements(writer, value))


def _elements(writer: Writer, value: Iterable[Any]) -> bytes:
    whole, writer.whole = writer.whole, True  # the number of a buffer says nothing of what is equal to what
    items = writer.items(value)
    writer.whole = whole
    return pack([msgspec.Raw(each) for each in sorted(map(pack, items))])


def _write_result(writer: Writer, value: Any) -> Ext:
    return Ext(x.RESULT, pack(writer.items((value.success, value._value, value.error))))


# --- records --------------------------------------------------------------------------------------------------------


def _write_instance(writer: Writer, value: Any) -> Ext:
    plan = records.plan_of(type(value))
    assert plan is not None, "resolved as a record"
    values = records.field_values(value, plan)
    return Ext(_RECORD_CODES[plan.kind], pack([plan.prefix, *writer.items(values)]))


def _write_enum(writer: Writer, value: Any) -> Ext:
    plan = records.plan_of(type(value))
    assert plan is not None, "resolved as a record"
    depth, buffers = writer.depth, len(writer.buffers)
    try:
        content = writer.items((value._name_, value._value_))
    except Refused as refused:
        if refused.too_deep:
            raise
        # The name is the member; a value that cannot travel (a class, a function) is only for who lacks the Enum.
        writer.depth = depth
        del writer.buffers[buffers:]
        content = [value._name_, None]
    return Ext(x.ENUM, pack([plan.prefix, *content]))


def _write_record(writer: Writer, value: records.Record) -> Ext:
    head = records.prefix(value.type_name, value.fields)
    return Ext(_RECORD_CODES[value.kind], pack([head, *writer.items(value.fields.values())]))


# --- which writer ---------------------------------------------------------------------------------------------------


def _leaf(write: Callable[[Any], Any]) -> Write:
    return lambda _writer, value: write(value)


def _buffered(write: Callable[[arrays.AddBuffer, Any], Any]) -> Write:
    return lambda writer, value: write(writer.add, value)


def _as(write: Write, convert: Callable[[Any], Any]) -> Write:
    return lambda writer, value: write(writer, convert(value))


def _write_buffer_or_refuse(writer: Writer, value: Any) -> Any:
    try:
        view = memoryview(value)
    except TypeError:
        raise Refused("only data travels; send what describes it, or offer a method that acts on it") from None
    return arrays.write_buffer(writer.add, view)


def _write_base(writer: Writer, value: Any) -> Any:
    return writer.lower(scalars.to_base(value))


_EXACT: dict[type, Write] = {
    **{cls: _leaf(write) for cls, write in scalars.WRITERS.items()},
    bytes: _write_bytes,
    list: _write_list,
    tuple: _write_tuple,
    dict: _write_dict,
    set: _write_set,
    frozenset: _write_frozenset,
    bytearray: _buffered(arrays.write_bytearray),
    memoryview: _buffered(arrays.write_buffer),
    records.Record: _write_record,
}
_CONTAINERS: dict[type, Write] = {
    OrderedDict: _as(_write_dict, lambda value: dict(OrderedDict.items(value))),
    dict: _as(_write_dict, lambda value: dict(dict.items(value))),
    list: _as(_write_list, list.copy),
    tuple: _as(_write_tuple, lambda value: tuple(tuple.__iter__(value))),
    set: _as(_write_set, lambda value: set(set.__iter__(value))),
    frozenset: _as(_write_frozenset, lambda value: frozenset(frozenset.__iter__(value))),
    bytearray: _buffered(arrays.write_bytearray),
}
# Types of modules that may not be imported: looked up when a value of an unknown class comes, never imported.
_ELSEWHERE: list[tuple[str, str, Write]] = [
    ("logoscore.interface", "LogosResult", _write_result),
    ("numpy", "ndarray", _buffered(arrays.write_ndarray)),
    ("numpy", "generic", _leaf(arrays.write_numpy_scalar)),
    ("pathlib", "PurePath", _leaf(scalars.write_path)),
    ("array", "array", _buffered(arrays.write_array)),
]
_known: WeakKeyDictionary[type, Write] = WeakKeyDictionary()


def _resolve(cls: type) -> Write:
    write = _known.get(cls)
    if write is None:
        write = _choose(cls)
        _known[cls] = write
    return write


def _choose(cls: type) -> Write:
    plan = records.plan_of(cls)
    family = cls.__mro__
    if plan is not None:
        records.register(cls)
        if plan.kind == "dataclass" and any(base in _EXACT or base is float for base in family):
            return _refuse_hybrid
        return _write_enum if plan.kind == "enum" else _write_instance
    for module, name, write in _ELSEWHERE:
        if getattr(sys.modules.get(module), name, None) in family:
            return write
    for base in family:
        if base in _CONTAINERS:
            return _CONTAINERS[base]
        if base in scalars.BASES:
            return _write_base
    return _write_buffer_or_refuse


def _refuse_hybrid(_writer: Writer, _value: Any) -> Any:
    raise Refused("it is a dataclass and a builtin value in one, and its fields are not all of it")
