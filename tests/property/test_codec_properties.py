"""The safe codec over random values and random bytes: nothing is lost, and garbage is only ever a violation."""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy
from codec_support import Base, Colour, Derived, Frozen, Holder, IntPerm, Number, Perm, Plain, Point, Tagged, same
from hypothesis import assume, example, given
from hypothesis import strategies as st

from logoscore.errors import ProtocolViolationError, SerializationError
from logoscore.interface import LogosResult
from logoscore.transport.codec import SAFE
from logoscore.transport.codec import extensions as x
from logoscore.transport.codec.extensions import Ext, pack
from logoscore.transport.codec.records import Record, unstructure

_names = st.text(min_size=1, max_size=5)
_zones = st.none() | st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)))
_zones |= st.sampled_from([ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")])
_hashable_leaves = (
    st.none() | st.booleans() | st.integers() | st.integers(-(2**300), 2**300) | st.floats() | st.binary(max_size=20)
    | st.text(max_size=10) | st.text(st.characters(categories=["Cs", "L"]), max_size=3) | st.complex_numbers()
    | st.datetimes(timezones=_zones) | st.dates() | st.times() | st.timedeltas() | st.uuids()
    | st.decimals(allow_nan=False) | st.sampled_from([*Colour, *Number, Perm.R | Perm.W, IntPerm(70)])
    | st.builds(range, st.integers(), st.integers(), st.integers(1))
)  # fmt: skip
_leaves = (
    _hashable_leaves | st.builds(bytearray, st.binary(max_size=20)) | st.builds(memoryview, st.binary(max_size=20))
)
_leaves |= st.builds(numpy.array, st.lists(st.floats(), max_size=5))
_keys = st.recursive(
    _hashable_leaves,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3) | st.builds(Base, inner),
    max_leaves=5,
)


def _fields(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(_names, inner, max_size=3)


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple) | st.dictionaries(_keys, inner, max_size=4)
        | st.dictionaries(st.text(max_size=3), inner, max_size=4) | st.sets(_keys, max_size=4)
        | st.builds(LogosResult, st.booleans(), inner, inner) | st.builds(Holder, inner)
        | st.builds(Frozen, st.builds(Point, st.integers(), tags=st.lists(inner, max_size=2)), st.tuples(inner))
        | st.builds(Plain, inner, inner) | st.builds(Derived, inner, inner) | st.builds(Tagged, first_name=_names)
        | st.builds(Record, st.sampled_from(["dataclass", "struct"]), st.just("no.such:Class"), _fields(inner))
    )  # fmt: skip


values = st.recursive(_leaves, _containers, max_leaves=25)


@given(values)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    head, buffers = SAFE.encode(value)
    there = SAFE.decode(head, buffers)
    assert same(there, value)
    assert SAFE.encode(there)[0] == head


@given(st.lists(values, max_size=3), st.dictionaries(_names, values, max_size=3))
def test_arguments_come_back_as_they_were(args: list[Any], kwargs: dict[str, Any]) -> None:
    head, buffers = SAFE.encode_arguments(tuple(args), kwargs)
    assert same(SAFE.decode_arguments(memoryview(head), buffers, bool(kwargs)), (args, kwargs))


@given(values)
def test_a_process_that_lacks_every_class_echoes_the_same_bytes(value: Any) -> None:
    head, buffers = SAFE.encode([value])
    strange = head.replace(b"codec_support:", b"nowhere_at_al:")
    assume(strange.count(b"nowhere_at_al:") == head.count(b"codec_support:"))
    there = SAFE.decode(strange, buffers)
    again, buffers_again = SAFE.encode(there)
    # Elements of a set are ordered by their bytes, buffers by their place: only a buffer in a set could move.
    assert again == strange
    assert [bytes(each) for each in buffers_again] == [bytes(each) for each in buffers]


@given(values)
def test_unstructure_leaves_no_record_outside_of_keys(value: Any) -> None:
    def check(item: Any) -> None:
        assert not isinstance(item, Record | Holder | Plain | Tagged | Point)
        if isinstance(item, list | tuple):
            for each in item:
                check(each)
        if isinstance(item, dict):
            for each in item.values():
                check(each)

    check(unstructure(value))


def _decode(head: bytes, buffers: Any = ()) -> None:
    try:
        value = SAFE.decode(head, buffers)
    except ProtocolViolationError:
        return
    except SerializationError as error:
        assert "time zone" in str(error)  # noqa: PT017 - sound, but not known here
        return
    repr(value)


@given(st.binary(max_size=200))
@example(b"\xdd\xff\xff\xff\xff")
def test_garbage_is_a_violation(head: bytes) -> None:
    _decode(head)
    _decode(head, [memoryview(bytes(16))] * 3)


@given(st.integers(-128, 127), st.binary(max_size=60), st.lists(st.binary(max_size=20).map(memoryview), max_size=2))
def test_garbage_in_an_extension_is_a_violation(code: int, payload: bytes, buffers: list[memoryview]) -> None:
    _decode(pack([Ext(code, payload)]), buffers)


_plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=12,
)


@given(st.integers(1, 40), st.lists(_plain, max_size=9), st.lists(st.binary(max_size=20).map(memoryview), max_size=2))
def test_a_wrong_payload_is_a_violation(code: int, payload: list[Any], buffers: list[memoryview]) -> None:
    _decode(pack([Ext(code, pack(payload))]), buffers)
    if payload:
        _decode(pack([Ext(code, pack(payload[0]))]), buffers)


@given(values, st.data())
def test_a_changed_message_is_a_violation_or_another_value(value: Any, data: st.DataObject) -> None:
    head, buffers = SAFE.encode(value)
    changed = bytearray(head)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(changed) - 1))
        changed[place] = data.draw(st.integers(0, 255))
    _decode(bytes(changed), buffers)
    _decode(bytes(changed[: data.draw(st.integers(0, len(changed)))]), buffers)
    _decode(bytes(changed), buffers[:-1])


@given(st.lists(st.sampled_from([b"\x91", b"\x81\xa1k", b"\x92\xc0", b"\x82\x01\x02\x03"]), max_size=400))
def test_plain_levels_are_bounded_exactly(openers: list[bytes]) -> None:
    head = b"".join(openers) + b"\x90"
    try:
        SAFE.decode(head)
    except ProtocolViolationError:
        assert len(openers) + 1 > x.MAX_DEPTH
    else:
        assert len(openers) + 1 <= x.MAX_DEPTH
