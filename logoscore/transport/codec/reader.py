"""The slow half of decoding: a message with extensions, within its bounds.

Rules
-----
1. Whatever a peer wrote is a claim: indices, counts, names and levels are checked before they are used, and nothing is
   set aside for a count, and no set or dict is built of keys that collide. Any exception out of here means that the
   message was malformed; ``codec`` says so.
2. Levels are counted twice. Nested extensions are counted as they open, before the stack grows; a message that is long
   enough to nest too deeply in other ways is measured once it is decoded.
3. Readers are kept and used again, one message at a time: to make a msgspec decoder takes longer than to decode.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

from msgspec.msgpack import Decoder

from logoscore.errors import ProtocolViolationError
from logoscore.transport.codec import arrays, hashed, records, scalars
from logoscore.transport.codec import extensions as x
from logoscore.transport.copies import LentBuffers, Spares

_SPARE_READERS = 8
_LEAVES = {**scalars.READERS, x.NUMPY_SCALAR: arrays.read_numpy_scalar}
_MEASURED = x.PLAIN | {bytearray, memoryview, range}


class Reader:
    """One message at a time on its way in."""

    __slots__ = ("_buffers", "_spares", "decode", "depth")

    def __init__(self) -> None:
        self._buffers: list[memoryview | None] = []
        self._spares: Spares | None = None
        self.depth = 0
        self.decode: Callable[[bytes | memoryview], Any] = Decoder(ext_hook=self._extension).decode

    def hold(self, buffers: Sequence[memoryview]) -> None:
        """These are the buffers of the message that comes next."""
        self._buffers = list(buffers)
        self._spares = buffers.spares if isinstance(buffers, LentBuffers) else None

    def take(self, index: int) -> memoryview:
        if not 0 <= index < len(self._buffers):
            raise ProtocolViolationError("the peer named a buffer that it did not send")
        view = self._buffers[index]
        if view is None:
            raise ProtocolViolationError("the peer named a buffer twice")
        self._buffers[index] = None
        return view.toreadonly()

    def take_bytes(self, index: int) -> bytes:
        return (self._spares or Spares()).to_bytes(self.take(index))

    def _extension(self, code: int, data: memoryview) -> Any:
        leaf = _LEAVES.get(code)
        if leaf is not None:
            return leaf(data)
        build = _CONTAINERS.get(code)
        if build is None:
            buffered = arrays.READERS.get(code)
            if buffered is None:
                raise ProtocolViolationError(f"the peer sent an extension of an unknown code, {code}")
            return buffered(self, data)
        self.depth += 1
        if self.depth > x.MAX_DEPTH:
            raise ProtocolViolationError(f"the peer sent a value that nests deeper than {x.MAX_DEPTH} levels")
        items = self.decode(data)
        self.depth -= 1
        if type(items) is not list:
            raise ProtocolViolationError("the peer sent a container that is none")
        return build(items)


def _result(items: list[Any]) -> Any:
    from logoscore.interface import LogosResult

    success, value, error = items
    if type(success) is not bool:
        raise ProtocolViolationError("the peer sent a LogosResult that is none")
    return LogosResult(success, value, error)


_CONTAINERS: dict[int, Callable[[list[Any]], Any]] = {
    x.TUPLE: tuple,
    x.SET: hashed.build_set,
    x.FROZENSET: lambda items: frozenset(hashed.build_set(items)),
    x.DICT: hashed.build_dict,
    x.RESULT: _result,
    x.DATACLASS: lambda items: records.build("dataclass", items),
    x.STRUCT: lambda items: records.build("struct", items),
    x.ENUM: lambda items: records.build("enum", items),
}
_spare: list[Reader] = []


def read(head: bytes | memoryview, buffers: Sequence[memoryview]) -> Any:
    """The value of a message that has extensions."""
    try:
        reader = _spare.pop()
    except IndexError:
        reader = Reader()
    reader.hold(buffers)
    reader.depth = 0
    try:
        return reader.decode(head)
    finally:
        reader.hold(())  # a spare reader must not hold on to shared memory
        if len(_spare) < _SPARE_READERS:
            _spare.append(reader)


def measure(value: Any) -> None:
    """Check a decoded value's levels.

    Raises:
        ProtocolViolationError: it nests too deeply.
    """
    level = [value]
    for _ in range(x.MAX_DEPTH):
        level = _below(level)
        if not level:
            return
    if any(type(item) in (list, dict) or _contents(item) for item in level):
        raise ProtocolViolationError(f"the peer sent a value that nests deeper than {x.MAX_DEPTH} levels")


def _below(level: list[Any]) -> list[Any]:
    """What is in the containers of ``level``, save what holds nothing for sure."""
    lists = [item for item in level if type(item) is list]
    dicts = [item for item in level if type(item) is dict]
    contents: list[Iterable[Any]] = [*lists, *dicts, *map(dict.values, dicts)]
    if len(lists) + len(dicts) < len(level):
        contents += [content for item in level for content in _contents(item)]
    below = list(chain.from_iterable(contents))  # a decoded value shares nothing: never longer than its message
    return [] if _MEASURED.issuperset(map(type, below)) else [item for item in below if type(item) not in _MEASURED]


def _contents(value: Any) -> tuple[Iterable[Any], ...]:
    """What is one level below ``value``, list and dict aside; nothing if it is a leaf."""
    cls = type(value)
    if cls in (tuple, set, frozenset):
        return (value,)
    if cls is records.Record:
        return (value.fields.values(),)
    plan = records.plan_of(cls)
    if plan is not None:
        return () if plan.kind == "enum" else (records.field_values(value, plan),)
    if cls is getattr(sys.modules.get("logoscore.interface"), "LogosResult", None):
        return ((value._value, value.error),)
    return ()
