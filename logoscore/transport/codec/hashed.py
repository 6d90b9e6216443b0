"""Sets and dicts of what a peer sent: built in a time that grows with their size, or refused.

Rules
-----
1. Python hashes text and bytes with a secret, but numbers and whatever is made of them without one. So a peer can choose
   keys that all collide, or that all lie on one chain of full places, and every one of them is compared with all before:
   a megabyte keeps the whole process busy for minutes.
2. No look at the keys tells (hashes may all differ), the work does: building goes in pieces, and what takes many times
   longer than any honest keys is refused. The clock is this thread's CPU time, so a busy machine refuses nothing.
3. What MessagePack itself calls a map is built by msgspec in one go. So a long message is looked through for large maps
   first: their keys are built like that, on trial, before msgspec sees them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from itertools import islice
from typing import Any, TypeVar

import msgspec

from logoscore.errors import ProtocolViolationError
from logoscore.transport.codec import extensions as x

__all__ = ["LONG", "build_dict", "build_set", "check_maps"]

_Built = TypeVar("_Built", bound="dict[Any, Any] | set[Any]")

_PIECE = 128
_TEXT = {str, bytes}
_SMALL = 64  # from so many keys on they can do harm
_GRACE_NS = 10_000_000
_NS_A_KEY = {True: 2_000, False: 50_000}  # honest numbers take 50 to 100; keys with a __hash__ of their own, thousands
_cpu_ns = time.thread_time_ns

LONG = 1 << 13
"""Bytes from which on a message's maps are looked at."""
_LARGE = 256  # entries from which on a map can do harm,
_LARGE_BYTES = 1 << 11  # and what it has at least
_LARGE_MAP = re.compile(rb"\xde[^\x00]|\xdf")
_MAPS = {0xDE: 2, 0xDF: 4}  # large ones, with the bytes of their count
_ARRAYS = {*range(0x80, 0xA0), 0xDC, 0xDD}
_EXTENSIONS = {0xC8: 4, 0xC9: 6}  # long ones, with the bytes before their payload
_NESTED = {x.TUPLE, x.SET, x.FROZENSET, x.DICT, x.RESULT, x.DATACLASS, x.STRUCT, x.ENUM}
_FLOAT, _FLOAT_SIZE = 0xCB, 9

_split = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_unpack = msgspec.msgpack.Decoder(list[Any]).decode


def _fill(built: _Built, items: Iterable[Any], keys: list[Any]) -> _Built:
    budget = _NS_A_KEY[set(map(type, keys)) <= x.PLAIN]
    rest = iter(items)
    began = _cpu_ns()
    for done in range(0, len(keys), _PIECE):
        built.update(islice(rest, _PIECE))
        if _cpu_ns() - began > _GRACE_NS + budget * done:
            raise ProtocolViolationError(f"the peer sent {len(keys)} keys that were chosen to collide")
    return built


def build_set(items: list[Any]) -> set[Any]:
    """``set(items)``. Raises ProtocolViolationError if that would take for ever."""
    return set(items) if len(items) < _SMALL else _fill(set(), items, items)


def build_dict(items: list[Any]) -> dict[Any, Any]:
    """The dict of alternating keys and values. Raises ProtocolViolationError likewise, ValueError if one is left over."""
    keys, values = items[0::2], items[1::2]
    pairs = zip(keys, values, strict=True)
    return dict(pairs) if len(keys) < _SMALL else _fill({}, pairs, keys)


def check_maps(head: bytes | memoryview) -> None:
    """Refuse a message of at least LONG bytes with a map that would take for ever to build.

    Raises:
        ProtocolViolationError: there is one, or one with keys that no honest message has in a map.
    """
    if _LARGE_MAP.search(head) is not None:
        _look_through(memoryview(head), 0)


def _look_through(value: memoryview, depth: int) -> None:
    """One value as it lies in the message; what cannot be read at all is for the decoder to refuse."""
    if depth > x.MAX_DEPTH:
        raise ProtocolViolationError(f"the peer sent a value that nests deeper than {x.MAX_DEPTH} levels")
    kind = value[0]
    if kind in _EXTENSIONS:
        start = _EXTENSIONS[kind]
        if value[start - 1] in _NESTED:
            _look_through(value[start:], depth + 1)
        return
    if kind in _MAPS:
        items = _split(_as_array(value, _MAPS[kind]))
        if len(items) >= 2 * _LARGE:
            _try_keys(items[0::2])
    elif kind in _ARRAYS and not _all_floats(value):
        items = _split(_as_array(value, 0) if kind < 0x90 else value)
    else:
        return
    for item in items:
        if len(item) >= _LARGE_BYTES:
            _look_through(memoryview(item), depth + 1)


def _all_floats(value: memoryview) -> bool:
    """A long list of floats has every byte now and then, and nothing in it."""
    first = {0xDC: 3, 0xDD: 5}.get(value[0], 1)
    floats = bytes(value[first::_FLOAT_SIZE])
    return floats.count(_FLOAT) == len(floats) == int.from_bytes(value[1:first], "big")


def _as_array(value: memoryview, size: int) -> bytes:
    """A map, with a count of ``size`` bytes, as the array of its keys and values."""
    count = int.from_bytes(value[1 : 1 + size], "big") if size else value[0] & 0x0F
    return b"\xdd" + min(2 * count, 0xFFFFFFFF).to_bytes(4, "big") + value[1 + size :]


def _try_keys(raw: list[msgspec.Raw]) -> None:
    keys = _unpack(b"\xdd" + len(raw).to_bytes(4, "big") + b"".join(raw))
    kinds = set(map(type, keys))
    if not kinds <= x.PLAIN:
        raise ProtocolViolationError("the peer sent a map with keys that are neither text nor numbers")
    if not kinds <= _TEXT:
        _fill({}, zip(keys, keys, strict=True), keys)
