"""The safe codec carries every type at any depth without loss; cloudpickle carries the rest."""

from __future__ import annotations

import collections
import ctypes
import mmap
import os
import subprocess
import sys
import threading
import uuid
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy
import pytest
from codec_support import (
    VALUES,
    Frozen,
    Later,
    MyInt,
    MyList,
    MyStr,
    Pair,
    Point,
    code,
    same,
    show,
    trip,
)

from logoscore.errors import ProtocolViolationError, SerializationError
from logoscore.interface import LogosResult
from logoscore.transport.codec import CLOUDPICKLE, SAFE, by_id
from logoscore.transport.codec import extensions as x
from logoscore.transport.codec.extensions import Ext, pack

_STRUCTURED = numpy.dtype([("a", "<i4"), ("b", "<f8", (2,)), ("c", [("d", "<U3"), ("e", ">u2")])])
ARRAYS = [
    numpy.arange(6).reshape(2, 3), numpy.asfortranarray(numpy.arange(6.0).reshape(2, 3)), numpy.array(3.5),
    numpy.array([], "f4"),
    numpy.zeros((0, 3)), numpy.zeros((3, 0, 2), "i1"), numpy.array([1, 2], ">i2"), numpy.array([True, False]),
    numpy.array(["a", "bcd"]),
    numpy.array([b"a", b"bcd"]), numpy.array(["2024-01-01", "NaT"], "M8[D]"), numpy.array([1, 2], "m8[25s]"),
    numpy.array([1j]),
    numpy.array([1.5], "f2"), numpy.array([1.5], "g"), numpy.zeros(3, _STRUCTURED), numpy.zeros(2, "V3"),
    numpy.zeros(2, numpy.dtype([("a", "i1"), ("b", "f8")], align=True)), numpy.arange(10)[::2],
    numpy.arange(6).reshape(2, 3).T[::-1],
    numpy.zeros(2, "M8"),
    numpy.zeros(2, numpy.dtype({"names": ["a", "b"], "formats": ["i4", "i4"], "offsets": [4, 0]})),
]  # fmt: skip
SCALARS = [
    numpy.float64(1.5), numpy.float32("nan"), numpy.int8(-1), numpy.uint64(2**64 - 1), numpy.bool_(True),
    numpy.complex64(1j),
    numpy.str_("a\0"), numpy.str_("\ud800"), numpy.bytes_(b"a\0"), numpy.str_(""), numpy.datetime64("2024-01-01"),
    numpy.timedelta64(3, "D"),
    numpy.zeros(1, _STRUCTURED)[0], numpy.longdouble(1.5), numpy.void(b"ab"),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=show)
def test_a_value_comes_back_as_it_was_at_any_depth(value: Any) -> None:
    assert same(trip(value), value)
    deep = [{"k": (value, [value])}, LogosResult.ok(value), Frozen(Point(1, tags=[value]), (value,))]
    assert same(trip(deep), deep)
    args, kwargs = SAFE.decode_arguments(*SAFE.encode_arguments((value, 1), {"name": value}), True)
    assert same(args, [value, 1])
    assert same(kwargs, {"name": value})
    assert same(SAFE.decode_arguments(*SAFE.encode_arguments((value,)), False), ([value], {}))
    assert same(SAFE.decode_arguments(*SAFE.encode_arguments((value,), {}), False), ([value], {}))


def holds_text(dtype: Any) -> bool:
    if dtype.fields is not None:
        return any(holds_text(field[0]) for field in dtype.fields.values())
    return bool(dtype.base.kind == "U")


@pytest.mark.parametrize("value", ARRAYS, ids=show)
def test_an_array_comes_back_as_a_read_only_view(value: Any) -> None:
    head, buffers = SAFE.encode([value, {"k": value}])
    assert [buffer.nbytes for buffer in buffers] == [value.nbytes] * 2
    assert all(buffer.format == "B" and buffer.ndim == 1 for buffer in buffers)
    there = SAFE.decode(head, buffers)[1]["k"]
    assert same(there, value)
    assert not there.flags.writeable
    if value.size and (value.flags.c_contiguous or value.flags.f_contiguous):
        # Text is copied first and looked at then: the buffer may be memory that the peer can still write to.
        assert numpy.shares_memory(there, value) is not holds_text(value.dtype)
        assert there.flags.f_contiguous == value.flags.f_contiguous


@pytest.mark.parametrize("value", SCALARS, ids=show)
def test_a_numpy_scalar_comes_back(value: Any) -> None:
    there = trip([value])[0]
    assert type(there) is type(value)
    assert there.tobytes() == value.tobytes()
    assert there.dtype == value.dtype


def test_buffers_travel_out_of_band_without_a_copy_and_arrive_read_only() -> None:
    source = bytearray(b"0123")
    head, (buffer,) = SAFE.encode({"k": memoryview(source)})
    source[0] = ord("x")
    there = SAFE.decode(head, [buffer])["k"]
    assert bytes(there) == b"x123"
    assert there.readonly
    with mmap.mmap(-1, 16) as mapped:
        mapped[:3] = b"abc"
        head, buffers = SAFE.encode(mapped)
        assert bytes(SAFE.decode(head, buffers))[:3] == b"abc"
        for each in buffers:
            each.release()


def test_other_buffers_arrive_as_memoryviews_of_the_nearest_format() -> None:
    longs = trip((ctypes.c_long * 3)(1, 2, 3))
    assert longs.tolist() == [1, 2, 3]
    assert trip(ctypes.c_double(1.5)).tolist() == 1.5
    assert trip((ctypes.c_uint16.__ctype_be__ * 2)(1, 2)).format == "B"
    assert trip(memoryview(b"012345")[::2]).tobytes() == b"024"


@pytest.mark.parametrize(
    ("value", "base"),
    [
        (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (collections.defaultdict(list, a=[1]), {"a": [1]}),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (Pair(1, (2,)), (1, (2,))),
        (MyStr("s"), "s"),
        (MyInt(2**80), 2**80),
        (MyList([1, (2,)]), [1, (2,)]),
        (type("F", (float,), {})(1.5), 1.5),
        (type("B", (bytes,), {})(b"x"), b"x"),
        (type("S", (frozenset,), {})({1}), frozenset({1})),
        (type("D", (Decimal,), {})("1.50"), Decimal("1.50")),
        (type("U", (uuid.UUID,), {})(int=5), uuid.UUID(int=5)),
        (Later(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)),
        (type("A", (bytearray,), {})(b"x"), bytearray(b"x")),
        (type("R", (LogosResult,), {})(True, 1), LogosResult.ok(1)),
        (numpy.zeros(2).view(numpy.recarray), numpy.zeros(2)),
    ],
    ids=show,
)
def test_a_subclass_of_a_builtin_travels_as_its_base(value: Any, base: Any) -> None:
    assert same(trip([value])[0], base)


def test_an_ordered_dict_keeps_its_own_order() -> None:
    value = collections.OrderedDict(a=1, b=2)
    value.move_to_end("a")
    assert list(trip(value)) == ["b", "a"]


def test_a_foreign_time_zone_travels_as_its_offset() -> None:
    class Zone(tzinfo):
        def utcoffset(self, _when: datetime | None) -> timedelta:
            return timedelta(hours=3)

    value = datetime(2024, 1, 1, tzinfo=Zone())
    assert trip(value) == value
    assert trip(value).tzinfo == timezone(timedelta(hours=3))


def test_an_unknown_zone_key_becomes_its_offset() -> None:
    zone = [3_600_000_000, None, "No/Such_Zone"]
    assert SAFE.decode(code(x.DATETIME, 2024, 1, 1, 0, 0, 0, 0, 0, zone)).utcoffset() == timedelta(hours=1)
    with pytest.raises(SerializationError, match="No/Such_Zone"):
        SAFE.decode(code(x.TIME, 0, 0, 0, 0, 0, [None, None, "No/Such_Zone"]))
    for key in ("../../etc/passwd", "/etc/passwd", "a/../b", "", "x" * 1000):
        with pytest.raises(ProtocolViolationError):
            SAFE.decode(code(x.DATETIME, 2024, 1, 1, 0, 0, 0, 0, 0, [0, None, key]))


def test_no_dict_or_list_of_a_user_is_taken_for_a_tag() -> None:
    for tag in range(-128, 128):
        value = [
            {"__ext__": tag, tag: [1]},
            [tag, b"\x01\x02"],
            {"type": "tuple", "code": tag},
            [["os:system", ["x"]], 1],
        ]
        assert same(trip(value), value)


def test_plain_data_is_plain_messagepack() -> None:
    assert SAFE.encode_arguments((1, "a", [2.5, {"k": None}])) == (pack([1, "a", [2.5, {"k": None}]]), ())
    assert SAFE.encode_arguments((), None) == (pack([]), ())


def test_equal_sets_have_equal_encodings() -> None:
    words = [f"word{number}" for number in range(100)]
    assert SAFE.encode(set(words)) == SAFE.encode({*words[50:], *words[:50]})


def test_arguments_are_a_list_and_keyword_arguments_a_map_of_names() -> None:
    for head, has_kwargs in [
        (pack({"a": 1}), False), (pack(1), False), (pack([1]), True), (pack([[], []]), True),
        (pack([[], {1: 2}]), True),
        (pack([{}, {}]), True), (pack([[], {}, 1]), True), (pack(Ext(x.TUPLE, pack([1]))), False),
    ]:  # fmt: skip
        with pytest.raises(ProtocolViolationError):
            SAFE.decode_arguments(head, (), has_kwargs)


def test_a_spare_reader_holds_no_buffer() -> None:
    source = bytearray(b"abc")
    head, buffers = SAFE.encode(source)
    there = SAFE.decode(head, buffers)
    for each in buffers:
        each.release()
    source.append(1)
    assert there == b"abc"


def test_importing_the_codec_imports_nothing_heavy() -> None:
    # Into a bare package, without what its own __init__ imports.
    script = (
        "import sys, types, msgspec; bare = types.ModuleType('logoscore'); bare.__path__ = [sys.argv[1]];"
        "sys.modules['logoscore'] = bare; before = set(sys.modules); import logoscore.transport.codec;"
        "heavy = {'numpy', 'dataclasses', 'zoneinfo', 'pathlib', 'pickle', 'cloudpickle', 'asyncio', 'logging'};"
        "print(sorted(heavy & (set(sys.modules) - before)))"
    )
    command = [sys.executable, "-S", "-c", script, str(Path(x.__file__).parents[2])]
    paths = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=paths)
    assert done.stdout.strip() == "[]"


# --- cloudpickle -----------------------------------------------------------------------------------------------------


def test_cloudpickle_carries_functions_and_sends_arrays_out_of_band() -> None:
    big = numpy.arange(1000)
    head, buffers = CLOUDPICKLE.encode([lambda number: number + 1, big])
    assert [buffer.nbytes for buffer in buffers] == [big.nbytes]
    function, there = CLOUDPICKLE.decode(head, [buffer.toreadonly() for buffer in buffers])
    assert function(1) == 2
    assert same(there, big)
    assert not there.flags.writeable
    assert CLOUDPICKLE.decode_arguments(*CLOUDPICKLE.encode_arguments((1, (2,)), {"k": 3}), True) == (
        [1, (2,)],
        {"k": 3},
    )
    assert CLOUDPICKLE.decode_arguments(*CLOUDPICKLE.encode_arguments((1,))) == ([1], {})


def test_cloudpickle_says_which_argument_failed() -> None:
    with pytest.raises(SerializationError) as raised:
        CLOUDPICKLE.encode_arguments((1, threading.Lock()))
    assert (raised.value.path, raised.value.type_name) == ("args[1]", "_thread.lock")
    with pytest.raises(SerializationError) as raised:
        CLOUDPICKLE.encode_arguments((1,), {"k": threading.Lock()})
    assert raised.value.path == 'kwargs["k"]'
    with pytest.raises(ProtocolViolationError):
        CLOUDPICKLE.decode(b"")
    with pytest.raises(ProtocolViolationError):
        CLOUDPICKLE.decode(b"junk")
    with pytest.raises(SerializationError):
        CLOUDPICKLE.decode(b"cno_such_module\nThing\n.")
    with pytest.raises(ProtocolViolationError):
        CLOUDPICKLE.decode_arguments(CLOUDPICKLE.encode(1)[0], (), False)


def test_codecs_are_found_by_number() -> None:
    assert by_id(0) is SAFE
    assert by_id(1) is CLOUDPICKLE
    with pytest.raises(ProtocolViolationError):
        by_id(2)
