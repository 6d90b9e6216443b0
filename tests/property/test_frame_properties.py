"""Frames: nothing is lost on the way, and what is no frame is a violation and nothing else."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logoscore.errors import ProtocolViolationError
from logoscore.transport import frame as fr
from logoscore.transport import ring
from logoscore.transport.copies import Spares
from logoscore.transport.frame import (
    BUFFERS,
    HEADER,
    LENT,
    REPLY,
    START,
    VIEW_FROM,
    Frame,
    LentBytes,
    join_payload,
    make_frame,
    make_frame_in_python,
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


_makers = pytest.mark.parametrize("make", [make_frame, make_frame_in_python], ids=["used", "Python"])


@_makers
@given(_headers, _any_flags, st.text(max_size=80), _heads)
@settings(deadline=None)
def test_a_frame_is_made_as_it_is_drawn(
    make: Callable[..., bytes], header: dict[str, Any], flags: int, name: str, head: bytes
) -> None:
    h = header
    made = make(h["kind"], h["codec"], flags, h["call_id"], h["deadline"], h["token"], name, head)
    assert made == _frame(header, flags, name.encode(), head)


@_makers
@pytest.mark.parametrize(
    ("place", "values"),
    [
        (0, (256, -1)),
        (1, (256, -1)),
        (2, (1 << 16, -1)),
        (3, (1 << 64, -1)),
        (4, (1 << 64, 1.5)),
        (5, ("t" * 16, None, bytes(15), bytes(17))),
        (6, (b"name", None, "\udc80")),
        (7, ("head", None)),
    ],
)
def test_a_frame_is_not_made_of_what_does_not_fit(
    make: Callable[..., bytes], place: int, values: tuple[object, ...]
) -> None:
    arguments: list[Any] = [1, 0, 0, 1, 1, bytes(16), "add", b"head"]
    make(*arguments)
    for value in values:
        arguments[place] = value
        with pytest.raises((struct.error, OverflowError, TypeError, AttributeError, ValueError)):
            make(*arguments)


def test_a_frame_is_made_of_eight_parts() -> None:
    with pytest.raises(TypeError):
        make_frame(1, 0, 0, 1, 1, bytes(16), "add")  # type: ignore[call-arg]


def test_frames_are_compiled_where_rings_are() -> None:
    assert fr.COMPILED is ring.COMPILED
    assert (make_frame is not make_frame_in_python) is fr.COMPILED


_START = START.pack(REPLY, 0, 0, 0)
_received = (
    st.binary(max_size=120)
    | st.binary(max_size=60).map(lambda rest: _START + rest)
    | st.sampled_from([VIEW_FROM - 1, VIEW_FROM, VIEW_FROM + 1]).map(lambda size: _START.ljust(size, b"r"))
)


def _outcome(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except (TypeError, ValueError, OverflowError, struct.error) as exc:
        return type(exc)


@given(
    _received,
    st.integers(0, 2**32 - 1) | st.integers(0, 130) | st.integers(VIEW_FROM - 50, VIEW_FROM),
    st.just(_START) | st.binary(max_size=9),
    st.booleans(),
)
@example(_START.ljust(40, b"r"), 0, _START, False)
@settings(deadline=None)
def test_what_takes_frames_apart_says_the_same_in_c_and_in_python(
    data: bytes, name_length: int, start: bytes, lent: bool
) -> None:
    message = LentBytes.of(data, [memoryview(b"lent")], Spares()) if lent else data
    for name, arguments in (
        ("name_and_payload", (message, name_length)),
        ("call_id_of", (message,)),
        ("plain_payload", (message, start)),
    ):
        used, twin = getattr(fr, name), getattr(fr, f"{name}_in_python")
        assert _outcome(used, *arguments) == _outcome(twin, *arguments)
    assert _outcome(fr.unpack_header, message) == _outcome(HEADER.unpack_from, message)


def test_a_part_of_a_message_that_has_been_lent_memory_has_it_too() -> None:
    lent = [memoryview(b"lent")]
    _, payload = fr.name_and_payload(LentBytes.of(bytes(60), lent, Spares()), 3)
    assert isinstance(payload, LentBytes)
    assert payload.lent is lent
    part = fr.plain_payload(LentBytes.of(_START.ljust(60), lent, Spares()), _START)
    assert isinstance(part, LentBytes)
    assert part.lent is lent


@pytest.mark.parametrize("name", ["unpack_header", "name_and_payload", "call_id_of", "plain_payload"])
def test_what_is_no_message_is_not_taken_apart(name: str) -> None:
    function, more = getattr(fr, name), {"name_and_payload": [1], "plain_payload": [_START]}.get(name, [])
    for wrong in (None, 40):
        with pytest.raises((TypeError, struct.error)):
            function(wrong, *more)
    with pytest.raises(TypeError):
        function(bytes(60), *more, 1, 2)


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
