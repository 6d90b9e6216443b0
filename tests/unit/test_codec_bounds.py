"""Bounds of the safe codec: levels, sizes, and messages that no encoder made."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

import numpy
import pytest
from codec_support import (
    Holder,
    Plain,
    code,
    nested,
)

from logoscore.errors import ProtocolViolationError, SerializationError
from logoscore.interface import LogosResult
from logoscore.transport.codec import SAFE
from logoscore.transport.codec import extensions as x
from logoscore.transport.codec.extensions import Ext, pack
from logoscore.transport.codec.records import Record

WRAPS = {
    "list": lambda inner: [inner],
    "dict": lambda inner: {"k": inner},
    "key": lambda inner: (
        {inner: 1} if isinstance(inner, int) else {(1, *inner) if isinstance(inner, tuple) else 2: inner}
    ),
    "tuple": lambda inner: (inner,),
    "frozenset": lambda inner: frozenset({inner}),
    "mixed": lambda inner: [inner] if isinstance(inner, tuple) else (inner,),
    "result": LogosResult.ok,
    "record": lambda inner: Record("dataclass", "no:Such", {"f": inner}),
    "dataclass": Holder,
    "struct": lambda inner: Plain(1, inner),
}
WIRE: dict[str, Any] = {
    "list": lambda inner: b"\x91" + inner,
    "dict": lambda inner: b"\x81\xa1k" + inner,
    "tuple": lambda inner: pack(Ext(x.TUPLE, b"\x91" + inner)),
    "mixed": lambda inner: pack(Ext(x.TUPLE, b"\x91\x91" + inner)),
    "record": lambda inner: pack(Ext(x.DATACLASS, b"\x92" + pack(["no:Such", ["f"]]) + inner)),
}


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
def test_the_deepest_value_travels_and_a_deeper_one_does_not(wrap: Any) -> None:
    deepest = nested(200, wrap)
    head, _ = SAFE.encode(deepest)
    assert SAFE.encode(SAFE.decode(head)) == (head, ())
    with pytest.raises(SerializationError, match="200 levels"):
        SAFE.encode(wrap(deepest))
    assert SAFE.decode(SAFE.encode([nested(199, wrap), datetime(2024, 1, 1)])[0])[1] == datetime(2024, 1, 1)
    with pytest.raises(SerializationError, match=r"^args\[1\]"):
        SAFE.encode_arguments((1, deepest))


@pytest.mark.parametrize("levels", [201, 500, 5_000, 100_000])
@pytest.mark.parametrize("wrap", WIRE.values(), ids=WIRE)
def test_a_message_that_nests_too_deeply_is_a_violation(wrap: Any, levels: int) -> None:
    if wrap not in (WIRE["list"], WIRE["dict"]):
        levels = min(levels, 5_000)  # each level copies what is in it
    head = b"\x90"
    if wrap in (WIRE["list"], WIRE["dict"]):
        head = wrap(b"") * (levels - 1) + head
    else:
        for _ in range(levels - 1):
            head = wrap(head)
    with pytest.raises(ProtocolViolationError):
        SAFE.decode(head)


MALFORMED = [
    b"", b"\xc1", b"\x01\x02", b"\xa1\xff", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff", b"\xc9\xff\xff\xff\xff\x01",
    b"\x81\x81\x01\x02\x03", pack({"a": Ext(99, b"")}), pack(Ext(-5, b"")), pack(Ext(x.TUPLE, b"")),
    pack(Ext(x.TUPLE, b"\x81\x01\x01")),
    pack(Ext(x.SET, pack([[]]))), code(x.DICT, 1), code(x.DICT, [], 1), code(x.DICT, {}, 1), code(x.RESULT, True, 1),
    code(x.RESULT, 1, 1, 1),
    code(x.DATACLASS), code(x.DATACLASS, 1), code(x.DATACLASS, [1, []]), code(x.DATACLASS, ["a:b", ["x"]]),
    code(x.DATACLASS, ["a:b", [1]], 1),
    code(x.DATACLASS, ["a:b", ["x", "x"]], 1, 2), code(x.DATACLASS, ["a:b", [[]]], 1), code(x.ENUM, ["a:b", ["x"]], 1),
    code(x.STRUCT, ["a:b", "x"], 1), pack(Ext(x.INT, bytes(x.MAX_INT_BYTES + 1))), pack(Ext(x.STR, b"\xff")),
    code(x.COMPLEX, 1),
    code(x.RANGE, b"\1", b"\1", b""), code(x.RANGE, 1, 2, 3), code(x.DATETIME, 0, 1, 1, 0, 0, 0, 0, 0, None),
    code(x.DATETIME, 2024, 1, 1),
    code(x.DATETIME, 2024, 1, 1, 0, 0, 0, 0, 5, None),
    code(x.DATETIME, 2024, 1, 1, 0, 0, 0, 0, 0, [10**15, None, None]),
    code(x.DATETIME, 2024, 1, 1, 0, 0, 0, 0, 0, [None, None, None]), code(x.DATE, 2024, 2, 30),
    code(x.TIME, 25, 0, 0, 0, 0, None),
    code(x.TIMEDELTA, 10**10, 0, 0), pack(Ext(x.DECIMAL, b"x")), pack(Ext(x.DECIMAL, b"1_0")),
    pack(Ext(x.DECIMAL, b"\xff")),
    pack(Ext(x.DECIMAL, b"1" * (x.MAX_DECIMAL_CHARS + 1))), pack(Ext(x.UUID_, b"123")), pack(Ext(x.PATH, b"")),
    pack(Ext(x.PATH, b"Zx")),
    pack(Ext(x.PATH, b"P\xff")), code(x.BUFFER, 0, "B", [3]), pack(Ext(x.BYTEARRAY, b"\x00")),
    code(x.NUMPY_SCALAR, "O", b"12345678"),
    code(x.NUMPY_SCALAR, "<f8", b"1"), code(x.NUMPY_SCALAR, ["<i4", [2]], b"12345678"), code(x.NUMPY_SCALAR, None, b""),
]  # fmt: skip


@pytest.mark.parametrize("head", MALFORMED, ids=lambda head: head.hex()[:40])
def test_a_malformed_message_is_a_violation(head: bytes) -> None:
    for message in (head, memoryview(head), b"\x91" + head):
        with pytest.raises(ProtocolViolationError):
            SAFE.decode(message)
    with pytest.raises(ProtocolViolationError):
        SAFE.decode_arguments(head, (), True)


BUFFERED = [
    code(x.BUFFER, 1, "B", [16]), code(x.BUFFER, -1, "B", [16]), code(x.BUFFER, 0, "O", [2]),
    code(x.BUFFER, 0, "P", [2]),
    code(x.BUFFER, 0, "i", [5]), code(x.BUFFER, 0, "B", [1] * 100), code(x.BUFFER, 0, "B", [-16]),
    code(x.BUFFER, 0, "B", [0]),
    code(x.BUFFER, 0, "", [16]), code(x.ARRAY, 0, "O", 8), code(x.ARRAY, 0, "q", 4), code(x.ARRAY, 0, "", 8),
    code(x.NDARRAY, 0, "O", [2], "C"), code(x.NDARRAY, 0, "|O", [2], "C"), code(x.NDARRAY, 0, "<f8,O", [1], "C"),
    code(x.NDARRAY, 0, "<f8", [3], "C"), code(x.NDARRAY, 0, "<f8", [-2], "C"), code(x.NDARRAY, 0, "<f8", [-1, -2], "C"),
    code(x.NDARRAY, 0, "<f8", [2], "K"), code(x.NDARRAY, 0, "<f8", [1] * 70 + [2], "C"),
    code(x.NDARRAY, 0, "<f8", [2**62, 4], "C"),
    code(x.NDARRAY, 0, "__import__('os')", [2], "C"), code(x.NDARRAY, 0, [["a"], ["O"], [0], 8], [2], "C"),
    code(x.NDARRAY, 0, [["a"], ["<f8"], [4], 8], [2], "C"), code(x.NDARRAY, 0, [["a"], ["<f8"], [-8], 8], [2], "C"),
    code(x.NDARRAY, 0, [["a", "a"], ["<f4", "<f4"], [0, 4], 8], [2], "C"),
    code(x.NDARRAY, 0, ["<f8", [2**40]], [1], "C"),
    code(x.NDARRAY, 0, ["<f8", 7], [2], "C"), code(x.NDARRAY, 0, "<f7", [2], "C"), code(x.NDARRAY, 0, 5, [2], "C"),
    code(x.TUPLE, Ext(x.BYTEARRAY, b"\x00"), Ext(x.BYTEARRAY, b"\x00")), pack(Ext(x.BYTEARRAY, b"\xc0")),
]  # fmt: skip


@pytest.mark.parametrize("head", BUFFERED, ids=lambda head: head.hex()[:60])
def test_a_wrong_use_of_a_buffer_is_a_violation(head: bytes) -> None:
    with pytest.raises(ProtocolViolationError):
        SAFE.decode(head, [memoryview(bytes(16))])


@pytest.mark.parametrize(("dtype", "shape"), [("<f8", [2**60, 0]), ("|S0", [2**60]), ("|V0", [10**9, 10])])
def test_an_array_without_data_cannot_be_huge(dtype: str, shape: list[int]) -> None:
    with pytest.raises(ProtocolViolationError):
        SAFE.decode(code(x.NDARRAY, 0, dtype, shape, "C"), [memoryview(b"")])
    with pytest.raises(SerializationError, match="huge shape"):
        SAFE.encode(numpy.zeros((0, x.MAX_EMPTY + 1)))


def test_an_array_where_there_is_no_numpy_is_no_fault_of_the_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    head, buffers = SAFE.encode([numpy.zeros(2)])
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(SerializationError, match="numpy cannot be imported here"):
        SAFE.decode(head, buffers)
