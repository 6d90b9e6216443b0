"""What cannot travel, and the error that says where it is."""

from __future__ import annotations

import collections
import socket
import threading
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy
import pytest
from codec_support import (
    HOME,
    Base,
    Holder,
    Hostile,
    Pair,
    Plain,
    Point,
    nested,
)

from logoscore.errors import SerializationError
from logoscore.interface import LogosResult
from logoscore.transport.codec import SAFE
from logoscore.transport.codec import extensions as x
from logoscore.transport.codec.records import Record


def cyclic() -> list[Any]:
    value: list[Any] = []
    value += [value, (value,)]
    return value


REFUSED: list[tuple[Any, str, str]] = [
    (threading.Lock(), "value", "_thread.lock"),
    ([1, {"k": [1, 2, 3, Holder(len)]}], 'value[1]["k"][3].name', "builtin_function_or_method"),
    ((1, {"a": {2: print}}), 'value[1]["a"][2]', "builtin_function_or_method"),
    ({(1, len): 1}, "value.keys()[0][1]", "builtin_function_or_method"),
    ({len}, "value{<built-in function len>}", "builtin_function_or_method"),
    ([Hostile()], "value[0]", f"{HOME}.Hostile"),
    ({Hostile(): Hostile()}, "value.keys()[0]", f"{HOME}.Hostile"),
    (Plain(1, [object()]), "value.b[0]", "object"),
    (Record("struct", "a:B", {"f": [object()]}), "value.f[0]", "object"),
    (LogosResult.ok([object()]), "value.value[0]", "object"),
    (LogosResult.fail(object()), "value.error", "object"),
    (Pair(1, object()), "value[1]", "object"),
    (collections.OrderedDict(k=object()), 'value["k"]', "object"),
    (numpy.array([object()]), "value", "numpy.ndarray"),
    ([numpy.zeros(1, [("a", "O")])], "value[0]", "numpy.ndarray"),
    (numpy.ma.masked_array([1, 2], [True, False]), "value", "numpy.ma.MaskedArray"),
    ((0, Point), "value[1]", "type"),
    ([ValueError("x")], "value[0]", "ValueError"),
    ([1 << (x.MAX_INT_BYTES * 8)], "value[0]", "int"),
    ([Decimal("1" * (x.MAX_DECIMAL_CHARS + 1))], "value[0]", "decimal.Decimal"),
    ([nested(200)], "value", "list"),
    ({"k": cyclic()}, "value", "dict"),
]


@pytest.mark.parametrize(("value", "path", "type_name"), REFUSED, ids=[path for _, path, _ in REFUSED])
def test_the_error_says_what_cannot_travel_and_where(value: Any, path: str, type_name: str) -> None:
    with pytest.raises(SerializationError) as raised:
        SAFE.encode(value)
    assert (raised.value.path, raised.value.type_name) == (path, type_name)
    assert str(raised.value).startswith(f"{path} is a")
    with pytest.raises(SerializationError) as raised:
        SAFE.encode(value, "result")
    assert raised.value.path == "result" + path.removeprefix("value")


def test_the_error_names_the_argument() -> None:
    with socket.socket() as connection:
        with pytest.raises(SerializationError) as raised:
            SAFE.encode_arguments((1, {"k": connection}))
        assert raised.value.path == 'args[1]["k"]'
        assert str(raised.value).startswith('args[1]["k"] is a socket (socket.socket), which cannot travel: ')
        with pytest.raises(SerializationError) as raised:
            SAFE.encode_arguments((1,), {"fine": 1, "name": [connection]})
        assert (raised.value.path, raised.value.type_name) == ('kwargs["name"][0]', "socket.socket")
    with pytest.raises(SerializationError) as raised:
        SAFE.encode_arguments((1, cyclic()))
    assert raised.value.path == "args[1]"
    assert "nests deeper than 200 levels" in str(raised.value)


def test_fields_that_cannot_be_read_are_named() -> None:
    unset = object.__new__(Base)
    with pytest.raises(SerializationError, match="reading it raised AttributeError") as raised:
        SAFE.encode([unset])
    assert raised.value.path == "value[0]"

    @dataclass
    class Hybrid(dict):  # type: ignore[type-arg]
        a: int = 1

    with pytest.raises(SerializationError, match="builtin value in one"):
        SAFE.encode(Hybrid())


def test_a_subclass_that_its_base_does_not_equal_stays() -> None:
    class Fine(timedelta):
        def __eq__(self, other: object) -> bool:
            return False

        __hash__ = timedelta.__hash__

    with pytest.raises(SerializationError, match="not equal to the timedelta"):
        SAFE.encode(Fine(1))
