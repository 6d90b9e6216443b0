"""Frames: nothing is lost on the way, and what is no frame is a violation and nothing else."""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logoscore.errors import ProtocolViolationError
from logoscore.transport.frame import (
    BUFFERS,
    HEADER,
    LENT,
    Frame,
    join_payload,
    parse,
    split_payload,
)

_any_flags = st.integers(0, 2**16 - 1)
_headers = st.fixed_dictionaries(
    {
        "kind": st.integers(0, 255),
        "codec": st.integers(0, 255),
        "call_id": st.integers(0, 2**64 - 1),
        "deadline": st.integers(0, 2**64 - 1),
        "token": st.binary(min_size=16, max_size=16),
    }
)
# (Small payloads are copied and large ones viewed, so both sizes matter.)
_heads = st.binary(max_size=200) | st.integers(1000, 5000).map(lambda n: bytes(range(256)) * (n // 256))
_buffers = st.lists(st.binary(max_size=100), max_size=6)


def _frame(header: dict[str, Any], flags: int, name: bytes, payload: bytes) -> bytes:
    h = header
    return (
        HEADER.pack(h["kind"], h["codec"], flags, len(name), h["call_id"], h["deadline"], h["token"]) + name + payload
    )


@given(_headers, _any_flags, st.binary(max_size=80), _heads)
@settings(deadline=None)
def test_a_frame_comes_apart_as_it_was_put_together(
    header: dict[str, Any], flags: int, name: bytes, head: bytes
) -> None:
    frame = parse(_frame(header, flags, name, head))
    assert msgspec.structs.asdict(frame) | {"payload": bytes(frame.payload)} == header | {
        "flags": flags,
        "name": name,
        "payload": head,
    }
    if not flags & BUFFERS:
        whole, buffers = split_payload(frame.payload, flags)
        assert (bytes(whole), list(buffers)) == (head, [])


@given(_headers, _any_flags, st.binary(max_size=80), _heads, _buffers)
@settings(deadline=None)
def test_buffers_travel_beside_the_head(
    header: dict[str, Any], flags: int, name: bytes, head: bytes, buffers: list[bytes]
) -> None:
    pieces = join_payload(head, [memoryview(each) for each in buffers])
    frame = parse(_frame(header, (flags | BUFFERS) & ~LENT, name, b"".join(pieces)))
    there, views = split_payload(frame.payload, frame.flags)
    assert bytes(there) == head
    assert [bytes(each) for each in views] == buffers


@given(st.lists(st.sampled_from(["B", "H", "i", "Q", "d"]), max_size=3), st.integers(0, 5))
@settings(deadline=None)
def test_buffers_of_any_item_size_are_counted_in_bytes(formats: list[str], items: int) -> None:
    buffers = [memoryview(bytes(struct.calcsize(each) * items)).cast(each) for each in formats]
    payload = memoryview(b"".join(join_payload(b"head", buffers)))
    head, there = split_payload(payload, BUFFERS)
    assert bytes(head) == b"head"
    assert [bytes(each) for each in there] == [each.tobytes() for each in buffers]


def _take_apart(data: bytes) -> None:
    """Whatever ``data`` is: a frame whose parts lie within it, or a violation."""
    try:
        frame = parse(data)
        head, buffers = split_payload(frame.payload, frame.flags)
    except ProtocolViolationError:
        return
    assert isinstance(frame, Frame)
    assert HEADER.size + len(frame.name) + len(frame.payload) == len(data)
    table = 4 + 8 * len(buffers) if frame.flags & BUFFERS else 0
    assert table + len(head) + sum(map(len, buffers)) == len(frame.payload)


@given(st.binary(max_size=300))
@example(b"")
@settings(deadline=None, max_examples=300)
def test_garbage_is_a_violation(data: bytes) -> None:
    _take_apart(data)


@given(_headers, _any_flags, st.integers(0, 2**32 - 1), st.binary(max_size=200))
@settings(deadline=None)
def test_any_announced_length_of_a_name_is_a_violation_or_right(
    header: dict[str, Any], flags: int, name_length: int, rest: bytes
) -> None:
    h = header
    data = HEADER.pack(h["kind"], h["codec"], flags, name_length, h["call_id"], h["deadline"], h["token"]) + rest
    if name_length > len(rest):
        with pytest.raises(ProtocolViolationError, match="name"):
            parse(data)
    else:
        assert parse(data).name == rest[:name_length]


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 2**64 - 1), max_size=4), st.binary(max_size=80))
@example(0xFFFFFFFF, [], b"")
@example(2, [2**64 - 1, 1], b"")
@example(1, [0], b"")
@settings(deadline=None)
def test_any_table_of_lengths_is_a_violation_or_right(count: int, lengths: list[int], rest: bytes) -> None:
    for announced in (count, len(lengths)):
        payload = struct.pack(f"<I{len(lengths)}Q", announced, *lengths) + rest
        try:
            head, buffers = split_payload(memoryview(payload), BUFFERS)
        except ProtocolViolationError:
            assert announced != len(lengths) or sum(lengths) > len(rest)
        else:
            assert len(buffers) == announced
            assert 4 + 8 * announced + len(head) + sum(map(len, buffers)) == len(payload)


@given(_headers, st.binary(max_size=30), _heads, _buffers, st.data())
@settings(deadline=None)
def test_a_cut_or_changed_frame_is_a_violation_or_another_frame(
    header: dict[str, Any], name: bytes, head: bytes, buffers: list[bytes], data: st.DataObject
) -> None:
    whole = _frame(header, BUFFERS, name, b"".join(join_payload(head, [memoryview(each) for each in buffers])))
    cut = data.draw(st.integers(0, len(whole)))
    _take_apart(whole[:cut])
    if cut < HEADER.size + len(name):
        with pytest.raises(ProtocolViolationError):
            parse(whole[:cut])
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    _take_apart(bytes(changed))


def test_more_buffers_than_allowed_are_refused_on_both_sides() -> None:
    too_many = (1 << 16) + 1
    with pytest.raises(ValueError, match="65536 buffers"):
        join_payload(b"", [memoryview(b"")] * too_many)
    payload = struct.pack("<I", too_many) + bytes(8 * too_many)
    with pytest.raises(ProtocolViolationError, match="65537 buffers"):
        split_payload(memoryview(payload), BUFFERS)
    head, buffers = split_payload(memoryview(b"".join(join_payload(b"", [memoryview(b"")] * (1 << 16)))), BUFFERS)
    assert (len(head), len(buffers)) == (0, 1 << 16)
