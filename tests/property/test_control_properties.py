"""The control plane's bytes: any cutting gives the same messages, and garbage is a violation and nothing else."""

from __future__ import annotations

import struct
import types
import typing
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logoscore.errors import ProtocolViolationError
from logoscore.transport import messages as m
from logoscore.transport.control import Parser

_MAX = 100
_DESCRIPTORS = 3
_HEADER = struct.Struct("<II")

_messages = st.lists(st.tuples(st.binary(max_size=_MAX), st.integers(0, _DESCRIPTORS)), max_size=8)


def _stream(messages: list[tuple[bytes, int]]) -> bytes:
    return b"".join(_HEADER.pack(len(message), count) + message for message, count in messages)


@given(_messages, st.data())
@settings(deadline=None)
def test_any_cutting_gives_the_same_messages(messages: list[tuple[bytes, int]], data: st.DataObject) -> None:
    stream = _stream(messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    parser = Parser(_MAX, _DESCRIPTORS)
    seen = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        seen += parser.feed(stream[start:end])
    assert seen == messages
    assert Parser(_MAX, _DESCRIPTORS).feed(stream) == messages


@given(_messages)
@settings(deadline=None)
def test_byte_by_byte_a_message_comes_with_its_last_byte(messages: list[tuple[bytes, int]]) -> None:
    parser = Parser(_MAX, _DESCRIPTORS)
    for message, count in messages:
        *beginning, last = _stream([(message, count)])
        for byte in beginning:
            assert parser.feed(bytes([byte])) == []
        assert parser.feed(bytes([last])) == [(message, count)]


@given(_messages, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
@example([], _MAX + 1, 0)
@example([], 0, _DESCRIPTORS + 1)
@settings(deadline=None)
def test_what_is_too_long_is_refused_before_it_comes(
    messages: list[tuple[bytes, int]], length: int, descriptors: int
) -> None:
    parser = Parser(_MAX, _DESCRIPTORS)
    header = _HEADER.pack(length, descriptors)
    if length > _MAX or descriptors > _DESCRIPTORS:
        parser.feed(_stream(messages))
        with pytest.raises(ProtocolViolationError, match=str(length)):
            parser.feed(header)
    else:
        assert parser.feed(_stream(messages) + header + bytes(length)) == [*messages, (bytes(length), descriptors)]


@given(st.lists(st.binary(max_size=60), max_size=8))
@settings(deadline=None)
def test_garbage_is_messages_within_the_bounds_or_a_violation(chunks: list[bytes]) -> None:
    parser = Parser(_MAX, _DESCRIPTORS)
    try:
        for chunk in chunks:
            for message, count in parser.feed(chunk):
                assert len(message) <= _MAX
                assert count <= _DESCRIPTORS
    except ProtocolViolationError:
        pass  # as it should be


# --- the messages themselves ------------------------------------------------------------------------------------------

_TO_PARTY = typing.get_args(m.ToParty)
_FROM_PARTY = typing.get_args(m.FromParty)
_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
_integers = st.integers(-(2**63), 2**64 - 1)
_plain = st.recursive(
    st.none() | st.booleans() | _integers | st.floats(allow_nan=False) | _text | st.binary(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=8,
)
_SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    int: _integers, str: _text, bytes: st.binary(max_size=10), bool: st.booleans(), type(None): st.none(),
    float: st.floats(allow_nan=False), Any: _plain,
}  # fmt: skip


def _of(kind: Any) -> st.SearchStrategy[Any]:
    if kind in _SCALARS:
        return _SCALARS[kind]
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in {typing.Union, types.UnionType}:
        return st.one_of([_of(arm) for arm in args])
    if origin is tuple and args[-1] is not ...:
        return st.tuples(*map(_of, args))
    if origin in {tuple, list}:
        return st.lists(_of(args[0]), max_size=3).map(origin)
    if origin is dict:
        return st.dictionaries(_of(args[0]), _of(args[1]), max_size=3)
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{name: _of(hints[name]) for name in kind.__struct_fields__})


@pytest.mark.parametrize("kind", _TO_PARTY, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_what_the_core_says_is_understood(kind: Any, data: st.DataObject) -> None:
    message = data.draw(_of(kind))
    assert m.decode_to_party(m.encode(message)) == message
    if kind not in _FROM_PARTY:
        with pytest.raises(ProtocolViolationError, match="cannot be read"):
            m.decode_from_party(m.encode(message))


@pytest.mark.parametrize("kind", _FROM_PARTY, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_what_a_host_says_is_understood(kind: Any, data: st.DataObject) -> None:
    message = data.draw(_of(kind))
    assert m.decode_from_party(m.encode(message)) == message
    if kind not in _TO_PARTY:
        with pytest.raises(ProtocolViolationError, match="cannot be read"):
            m.decode_to_party(m.encode(message))


def _decode(data: bytes) -> None:
    for decode, allowed in ((m.decode_from_party, _FROM_PARTY), (m.decode_to_party, _TO_PARTY)):
        try:
            message: Any = decode(data)
        except ProtocolViolationError:
            continue
        assert type(message) in allowed


@given(st.binary(max_size=200))
@example(b"")
@example(b"\x93\xa4Done\x01" + b"\x91" * 100_000 + b"\xc0")
@example(b"\x93\xa4Done\x01\xdd\xff\xff\xff\xff")
@example(b"\x93\xa4Done\x01\xdf\xff\xff\xff\xff")
@example(b"\x93\xa4Done\x01\x81\x80\x01")
@example(b"\x93\xa4Done\x01\xa1\xff")
@example(b"\x93\xa4Done\x01\xc7\x0c\xff" + b"\xff" * 12)
@settings(deadline=None, max_examples=300)
def test_garbage_is_a_violation(data: bytes) -> None:
    _decode(data)


@given(st.sampled_from([kind.__name__ for kind in {*_TO_PARTY, *_FROM_PARTY}]), st.lists(_plain, max_size=8))
@settings(deadline=None, max_examples=300)
def test_wrong_fields_are_a_violation(name: str, fields: list[Any]) -> None:
    _decode(msgspec.msgpack.encode([name, *fields]))
    _decode(msgspec.msgpack.encode({"type": name, "fields": fields}))


@given(st.sampled_from([*_TO_PARTY, *_FROM_PARTY]), st.data())
@settings(deadline=None, max_examples=300)
def test_a_cut_or_changed_message_is_a_violation_or_another_one(kind: Any, data: st.DataObject) -> None:
    whole = m.encode(data.draw(_of(kind)))
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(ProtocolViolationError):
        m.decode_from_party(cut)
    with pytest.raises(ProtocolViolationError):
        m.decode_to_party(cut)
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    _decode(bytes(changed))
