"""Frames: ``parse``, ``split_payload``.

The input is a frame as it comes out of a ring. Property: ProtocolViolationError or parts which, put together again, are the
very same bytes; no part is longer than the frame.
"""

from __future__ import annotations

from fuzz.target import Target
from logoscore.errors import ProtocolViolationError
from logoscore.transport import frame as fr


def check(data: bytes) -> bool:
    try:
        frame = fr.parse(data)
    except ProtocolViolationError:
        assert len(data) < fr.HEADER_SIZE or int.from_bytes(data[4:8], "little") > len(data) - fr.HEADER_SIZE
        return False
    header = fr.HEADER.pack(
        frame.kind, frame.codec, frame.flags, len(frame.name), frame.call_id, frame.deadline, frame.token
    )
    assert b"".join((header, frame.name, frame.payload)) == data, "the parts are not the frame"
    try:
        head, buffers = fr.split_payload(frame.payload, frame.flags)
    except ProtocolViolationError:
        assert frame.flags & fr.BUFFERS, "a payload without buffers has no table to be wrong"
        return False
    joined = fr.join_payload(bytes(head), buffers) if frame.flags & fr.BUFFERS else [head]
    assert b"".join(joined) == frame.payload, "head and buffers are not the payload"
    return True


def seeds() -> list[bytes]:
    token = bytes(range(16))
    plain = fr.HEADER.pack(fr.REPLY, 0, 0, 0, 7, 0, fr.NO_TOKEN)
    call = fr.HEADER.pack(fr.CALL, 0, fr.KWARGS, 3, 7, fr.FOREVER, token) + b"add"
    carrying = fr.HEADER.pack(fr.EVENT, 1, fr.BUFFERS, 1, 2**64 - 1, 0, token) + b"e"
    views = [memoryview(b"abc"), memoryview(b""), memoryview(bytes(9))]
    return [
        plain,
        plain + b"\x01",
        plain + bytes(3000),
        call + b"\x92\x90\x80",
        carrying + b"".join(fr.join_payload(b"head", views)),
        carrying + b"".join(fr.join_payload(b"", [])),
    ]


TARGET = Target("frame", check, seeds, bytes_per_byte=64)
