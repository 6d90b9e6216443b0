"""The frame: a fixed binary header with the token in it, then the method's name, then the payload. Pure.

    ┌──────┬───────┬───────┬─────────────┬─────────┬─────────────┬─────────┬──────────┬─────────┐
    │ kind │ codec │ flags │ name length │ call id │ deadline ns │ token   │ name     │ payload │
    │ u8   │ u8    │ u16   │ u32         │ u64     │ u64         │ 16 bytes│          │         │
    └──────┴───────┴───────┴─────────────┴─────────┴─────────────┴─────────┴──────────┴─────────┘

With flag BUFFERS the payload is ``count u32 | length u64 × count | head | buffers``, otherwise it is the head alone.
With LENT beside it the buffers are not in it, but one after the other, each from a multiple of 64 on, in memory that
the message has been lent (see ``buffers.py``).

Rules:

* The token stands at a fixed place, so that the callee checks it before it looks at anything of variable length.
* Little endian, no padding. Whoever parses has a private copy (the ring made it) and checks every length against what
  is really there; what does not fit is a ProtocolViolationError.
* A reply has the call id of its call and no token: its channel says whose it is.
* The deadline is on the monotonic clock of the machine, which all its processes share.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from logoscore.errors import ProtocolViolationError
from logoscore.transport.copies import LentBuffers, Spares

__all__ = [
    "COMPILED",
    "HEADER",
    "HEADER_SIZE",
    "NO_TOKEN",
    "START",
    "VIEW_FROM",
    "Frame",
    "Header",
    "LentBytes",
    "call_id_of",
    "join_payload",
    "lent_places",
    "lent_table",
    "make_frame",
    "name_and_payload",
    "parse",
    "parse_rest",
    "plain_payload",
    "split_payload",
    "unpack_header",
    "with_flag",
]

HEADER: Final = struct.Struct("<BBHIQQ16s")
HEADER_SIZE: Final = HEADER.size
Header = tuple[int, int, int, int, int, int, bytes]
"""Kind, codec, flags, length of the name, call id, deadline, token."""
START: Final = struct.Struct("<BBHI")
START_SIZE: Final = START.size
VIEW_FROM: Final = 2048
"""Bytes of a frame from which on its payload is looked at where it is; a smaller one is quicker copied."""
NO_TOKEN: Final = bytes(16)
MAX_BUFFERS: Final = 1 << 16
_COUNT: Final = struct.Struct("<I")
_ALIGNMENT: Final = 64  # what numpy and vector instructions like

# Kinds, from caller to callee. All carry the pair's token.
CALL: Final = 1
SYSTEM: Final = 2  # to the ModuleProxy itself: token hand-over, introspection
STREAM_OPEN: Final = 3
STREAM_NEXT: Final = 4  # call id of the stream; head: how many items are wanted
STREAM_CLOSE: Final = 5
# From callee to caller.
REPLY: Final = 16
ERROR: Final = 17
STREAM_ITEMS: Final = 18  # a batch of items, the stream goes on
STREAM_END: Final = 19  # the last batch
# From publisher to subscriber: call id is the sequence number, deadline the time of the event in ns since the epoch.
EVENT: Final = 32

# Flags.
KWARGS: Final = 1  # the head is [args, kwargs]
BUFFERS: Final = 2  # the payload has out-of-band buffers
LENT: Final = 4  # which lie in lent memory

#: A deadline that never comes.
FOREVER: Final = (1 << 63) - 1


class Frame(msgspec.Struct, frozen=True, gc=False):  # the quickest record to make: a call makes one
    """A parsed frame. ``payload`` still holds head and buffers; see :func:`split_payload`."""

    kind: int
    codec: int
    flags: int
    call_id: int
    deadline: int
    token: bytes
    name: bytes
    payload: bytes | memoryview


class LentBytes(bytes):
    """A message, or a part of one, that has been lent memory.

    ``lent`` holds the one view of it, until the buffers are made of that: then they alone keep it, whoever still has the
    message. Where nobody asks for them, it goes with the last part of the message. ``spares``: what ``bytes`` are made by.
    """

    lent: list[memoryview]
    spares: Spares

    @classmethod
    def of(cls, data: bytes, lent: list[memoryview], spares: Spares) -> LentBytes:
        message = cls(data)
        message.lent = lent
        message.spares = spares
        return message

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        return LentBytes.of(part, self.lent, self.spares) if type(part) is bytes else part


# --- what each call does with its frames ----------------------------------------------------------------------------------
# Also in _frame.c, which is used where it could be built: there it says why. (It takes those for long messages from here, so
# the import comes after them.)


def make_frame_in_python(
    kind: int, codec: int, flags: int, call_id: int, deadline: int, token: bytes, name: str, head: bytes
) -> bytes:
    """A frame whose payload is ``head``, or begins with it.

    Raises:
        UnicodeEncodeError: ``name`` has lone surrogates.
        ValueError: ``token`` has not 16 bytes.
    """
    if len(token) != len(NO_TOKEN):
        raise ValueError(f"a frame's token has {len(NO_TOKEN)} bytes, not {len(token)}")
    encoded = name.encode()
    return HEADER.pack(kind, codec, flags, len(encoded), call_id, deadline, token) + encoded + head


def name_and_payload_in_python(frame: bytes, name_length: int) -> tuple[bytes, bytes | memoryview]:
    """What follows a frame's header. Where it has less than its name says, both are shorter."""
    end = HEADER_SIZE + name_length
    return frame[HEADER_SIZE:end], frame[end:] if len(frame) < VIEW_FROM else memoryview(frame)[end:]


def call_id_of_in_python(frame: bytes) -> int:
    """The call id alone; 0, which no call has, if this is no frame."""
    return int.from_bytes(frame[8:16], "little") if len(frame) >= HEADER_SIZE else 0


def plain_payload_in_python(frame: bytes, start: bytes) -> bytes | memoryview | None:
    """The payload of a frame without a name that begins with ``start`` (see START); None: it is another one."""
    if frame[:START_SIZE] != start:
        return None
    return frame[HEADER_SIZE:] if len(frame) < VIEW_FROM else memoryview(frame)[HEADER_SIZE:]


if TYPE_CHECKING:
    make_frame = make_frame_in_python
    name_and_payload = name_and_payload_in_python
    call_id_of = call_id_of_in_python
    plain_payload = plain_payload_in_python
    COMPILED: bool

    def unpack_header(frame: bytes, /) -> Header:
        """The fields of the header. Raises struct.error if it is too short for one."""

else:
    try:
        from logoscore.transport._frame import call_id_of, make_frame, name_and_payload, plain_payload, unpack_header
    except ImportError:  # it was installed without a C compiler
        make_frame, unpack_header = make_frame_in_python, HEADER.unpack_from
        name_and_payload, call_id_of = name_and_payload_in_python, call_id_of_in_python
        plain_payload, COMPILED = plain_payload_in_python, False
    else:
        COMPILED = True


def parse(data: bytes) -> Frame:
    """Take a frame apart.

    Raises:
        ProtocolViolationError: ``data`` is shorter than it says.
    """
    if len(data) < HEADER_SIZE:
        raise ProtocolViolationError(f"a frame has at least {HEADER_SIZE} bytes, this one {len(data)}")
    return parse_rest(data, HEADER.unpack_from(data))


def parse_rest(data: bytes, header: Header) -> Frame:
    """The same, where the header was unpacked before (to look at its token). Raises likewise."""
    kind, codec, flags, name_length, call_id, deadline, token = header
    size = len(data)
    if HEADER_SIZE + name_length > size:
        raise ProtocolViolationError(f"the frame's name has {name_length} bytes, but the frame only {size}")
    return Frame(kind, codec, flags, call_id, deadline, token, *name_and_payload(data, name_length))


def join_payload(head: bytes, buffers: Sequence[memoryview]) -> list[bytes | memoryview]:
    """The pieces of a payload with out-of-band ``buffers``, to be sent one after the other (flag BUFFERS)."""
    if len(buffers) > MAX_BUFFERS:
        raise ValueError(f"at most {MAX_BUFFERS} buffers travel in one message, not {len(buffers)}")
    flat = [buffer.cast("B") for buffer in buffers]
    table = struct.pack(f"<I{len(flat)}Q", len(flat), *map(len, flat))
    return [table + head, *flat]


def split_payload(payload: bytes | memoryview, flags: int) -> tuple[bytes | memoryview, Sequence[memoryview]]:
    """Head and buffers of a payload, as views on it.

    Raises:
        ProtocolViolationError: the table of lengths does not fit the payload.
    """
    if not flags & BUFFERS:
        return payload, ()
    whole = payload
    payload = memoryview(payload)
    if len(payload) < _COUNT.size:
        raise ProtocolViolationError("the frame announces buffers and has no room for their number")
    (count,) = _COUNT.unpack_from(payload)
    head_start = _COUNT.size + 8 * count
    if count > MAX_BUFFERS or head_start > len(payload):
        raise ProtocolViolationError(f"the frame announces {count} buffers and has {len(payload)} bytes")
    lengths = struct.unpack_from(f"<{count}Q", payload, _COUNT.size)
    if flags & LENT:
        return payload[head_start:], _lent_buffers(whole, lengths)
    position = len(payload) - sum(lengths)
    if position < head_start:
        raise ProtocolViolationError(f"the frame's buffers have {sum(lengths)} bytes, the frame only {len(payload)}")
    head = payload[head_start:position]
    buffers = []
    for length in lengths:
        buffers.append(payload[position : position + length])
        position += length
    return head, buffers


# --- lent memory ------------------------------------------------------------------------------------------------------


def lent_places(lengths: Sequence[int]) -> tuple[list[int], int]:
    """Where buffers of these lengths begin in lent memory, and how much of it they take in all."""
    places = []
    end = 0
    for length in lengths:
        places.append(end)
        end += -(-length // _ALIGNMENT) * _ALIGNMENT
    return places, end


def with_flag(start: bytes, flag: int) -> bytes:
    """A frame's beginning with one flag more."""
    flags = int.from_bytes(start[2:4], "little") | flag
    return start[:2] + flags.to_bytes(2, "little") + start[4:]


def lent_table(lengths: Sequence[int]) -> bytes:
    """What stands before the head of a payload whose buffers lie in lent memory (flags BUFFERS and LENT).

    Raises:
        ValueError: there are too many.
    """
    if len(lengths) > MAX_BUFFERS:
        raise ValueError(f"at most {MAX_BUFFERS} buffers travel in one message, not {len(lengths)}")
    return struct.pack(f"<I{len(lengths)}Q", len(lengths), *lengths)


def _lent_buffers(payload: bytes | memoryview, lengths: Sequence[int]) -> LentBuffers:
    owner = payload.obj if isinstance(payload, memoryview) else payload
    if not isinstance(owner, LentBytes) or not owner.lent:
        raise ProtocolViolationError("the frame's buffers lie in lent memory, and it has none")
    lent = owner.lent.pop()
    places, end = lent_places(lengths)
    if end > len(lent):
        raise ProtocolViolationError(f"the frame's buffers have {end} bytes, and it has been lent {len(lent)}")
    buffers = (lent[place : place + length] for place, length in zip(places, lengths, strict=True))
    return LentBuffers(buffers, owner.spares)
