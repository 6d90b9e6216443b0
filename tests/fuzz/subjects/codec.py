"""The safe codec: ``SAFE.decode`` and ``SAFE.decode_arguments``, with buffers that travelled out of band.

Two targets. ``codec`` takes the bytes as they come: one that says how to decode, then the payload of a frame.
``codec_tree`` builds a message that is well formed on the outside from them (see ``fuzz.trees``) and decodes that.

Property: ProtocolViolationError, or SerializationError where the machine lacks what a sound value takes (a time zone), or a
value that encodes, and decodes again to the same value, with no more bytes out of band than there were; and no code of the
peer's choosing has run. A second encoding is the first, byte for byte.
"""

from __future__ import annotations

from typing import Any

import codec_support
import numpy

from fuzz.equality import same
from fuzz.target import Tape, Target, random_rows
from fuzz.trees import tree, trees
from logoscore.errors import ProtocolViolationError, SerializationError
from logoscore.transport.codec import SAFE
from logoscore.transport.codec.extensions import pack
from logoscore.transport.frame import BUFFERS, join_payload, split_payload

_KWARGS = 1
_ARGUMENTS = 4  # BUFFERS of the frame is 2


def check(data: bytes) -> bool:
    return _check_quiet(data[1:], data[0] if data else 0)


def check_tree(data: bytes) -> bool:
    tape = Tape(data)
    mode = tape.byte()
    buffers = [memoryview(tape.take(tape.byte() % 33)) for _ in range(mode >> 4 & 3 if mode & BUFFERS else 0)]
    head = pack(trees(tape) if mode & _ARGUMENTS else tree(tape))
    payload = b"".join(join_payload(head, buffers)) if mode & BUFFERS else head
    return _check_quiet(payload, mode)


def _check_quiet(payload: bytes, mode: int) -> bool:
    codec_support.RAN.clear()
    accepted = _check(payload, mode)
    assert not codec_support.RAN, f"letting go of a value ran {codec_support.RAN}"
    return accepted


def _check(payload: bytes, mode: int) -> bool:
    try:
        head, buffers = split_payload(payload, mode & BUFFERS)
        value = _decode(head, buffers, mode)
    except ProtocolViolationError as error:
        str(error).encode()
        return False
    except SerializationError as error:
        return _lacks_time_zone(error)
    finally:
        assert not codec_support.RAN, f"decoding ran {codec_support.RAN}"
    encoded = _encode(value, mode)
    assert sum(map(len, encoded[1])) <= sum(map(len, buffers)), "a buffer became several"
    again = _decode(*encoded, mode)
    assert same(value, again), f"{value!r} became {again!r}"
    assert _joined(_encode(again, mode)) == _joined(encoded), f"{value!r} has two encodings"
    assert not codec_support.RAN, f"encoding ran {codec_support.RAN}"
    return True


def _lacks_time_zone(error: SerializationError) -> bool:
    """False, since the value was not accepted; but nothing else can be missing here."""
    assert "not known on this machine" in str(error)
    return False


def _decode(head: Any, buffers: Any, mode: int) -> Any:
    if mode & _ARGUMENTS:
        return SAFE.decode_arguments(head, buffers, bool(mode & _KWARGS))
    return SAFE.decode(head, buffers)


def _encode(value: Any, mode: int) -> tuple[bytes, tuple[memoryview, ...]]:
    if not mode & _ARGUMENTS:
        return SAFE.encode(value)
    args, kwargs = value
    if mode & _KWARGS and not kwargs:  # what a caller without keyword arguments sends has no map
        return SAFE.encode([args, kwargs])
    return SAFE.encode_arguments(tuple(args), kwargs)


def _joined(encoded: tuple[bytes, tuple[memoryview, ...]]) -> bytes:
    return b"".join(join_payload(*encoded))


def seeds() -> list[bytes]:
    inputs = []
    for value in [*codec_support.VALUES, *_arrays()]:
        head, buffers = SAFE.encode(value)
        if len(head) < 2000:  # a longer one of the same kind finds nothing more
            inputs.append(_input(BUFFERS, join_payload(head, buffers)) if buffers else _input(0, [head]))
    head, buffers = SAFE.encode_arguments((1, "two", bytearray(b"three")), {"four": (4,), "five": {5}})
    inputs.append(_input(_ARGUMENTS | _KWARGS | BUFFERS, join_payload(head, buffers)))
    inputs.append(_input(_ARGUMENTS, [SAFE.encode_arguments((1, 2.5, "x"))[0]]))
    return inputs


def _input(mode: int, parts: Any) -> bytes:
    return bytes([mode]) + b"".join(parts)


def _arrays() -> list[Any]:
    plain = numpy.arange(6, dtype="<i2").reshape(2, 3)
    fields = numpy.dtype([("a", "<i4"), ("b", "<f8", (2,))])
    scalars = [numpy.float32(1.5), numpy.str_("text"), numpy.bytes_(b"x\0"), numpy.datetime64("2024-02-29", "D")]
    return [plain, plain.T, numpy.zeros((0, 4)), numpy.zeros(2, fields), numpy.array(["a", "bc"]), *scalars]


def tree_seeds() -> list[bytes]:
    return [b"\x00", *random_rows(check_tree)]


# A time zone that nobody used before is read from the machine's files and kept.
TARGET = Target("codec", check, seeds, constant=1 << 20)
TREE_TARGET = Target("codec_tree", check_tree, tree_seeds, max_length=1024, bytes_per_byte=4096, constant=1 << 20)
