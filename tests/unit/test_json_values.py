"""Arguments out of JSON without loss, results and events into valid JSON whatever they are."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import math
import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logoscore import Event, LogosResult
from logoscore.json_values import ParametersError, as_text, dumps, event_text, parse_params
from logoscore.transport.codec.records import Record


def typed(value: Any, kind: str) -> Any:
    (argument,) = parse_params(json.dumps([{"name": "x", "value": value, "type": kind}]))
    return argument


@pytest.mark.parametrize(
    ("value", "kind", "argument"),
    [
        ("5", "int", 5),
        ("-9223372036854775808", "integer", -(2**63)),
        ("18446744073709551615", "int", 2**64 - 1),
        ("9007199254740993", "int", 2**53 + 1),
        (str(2**200), "int", 2**200),
        (9007199254740993, "int", 2**53 + 1),
        ("1e+21", "int", 10**21),
        ("3.0", "int", 3),
        (" 7\n", "int", 7),
        ("0.1", "double", 0.1),
        ("-0.0", "float", -0.0),
        ("1", "double", 1.0),
        ("Infinity", "double", math.inf),
        ("1e400", "double", math.inf),
        ("TRUE", "bool", True),
        ("0", "boolean", False),
        (True, "bool", True),
        ("héllo ☃ 𝄞", "string", "héllo ☃ 𝄞"),
        ("5", "string", "5"),
        ("", "QString", ""),
        (None, "string", ""),
        (5, "string", "5"),
        ("5", "whatever", "5"),
        ('{"a": [1, null, 9007199254740993]}', "json", {"a": [1, None, 2**53 + 1]}),
        ('"text"', "json", "text"),
        ([{"value": 1, "type": 2}], "json", [{"value": 1, "type": 2}]),
        ("AP8=", "bytes", b"\0\xff"),
        ("", "bytes", b""),
    ],
)
def test_typed_parameters(value: Any, kind: str, argument: Any) -> None:
    found = typed(value, kind)
    assert found == argument
    assert type(found) is type(argument)
    assert math.copysign(1, found) == math.copysign(1, argument) if isinstance(argument, float) else True


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("x", "int"), ("", "int"), ("3.7", "int"), ("1_000", "int"), ("٣", "int"), (True, "int"), (None, "int"),
        ("NaN", "int"), ("inf", "int"), ("1e999999999", "int"), ([1], "int"),
        pytest.param("9" * 5000, "int", id="long number"),
        ("x", "double"), ("1_0", "double"), ("0x10", "double"), (True, "double"), pytest.param(10**400, "double", id="large"),
        ("yes", "bool"), ("2", "bool"), ("", "bool"), ({}, "bool"),
        ("{", "json"), ("", "json"), ("NaN", "json"), pytest.param("[" * 100_000, "json", id="deep"),
        ("%", "bytes"), ("AAA", "bytes"), (5, "bytes"), (["AAAA"], "bytes"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_by_name(value: Any, kind: str) -> None:
    with pytest.raises(ParametersError, match=r"^Invalid parameter: x$"):
        typed(value, kind)


def test_plain_parameters() -> None:
    text = '[1, 2.5, "three", null, true, [4], {"five": 5}, 18446744073709551616, {"value": 1}, {"type": "int"}]'
    assert parse_params(text) == parse_params(text.encode()) == json.loads(text)
    assert parse_params(None) == parse_params([]) == parse_params("[]") == []
    assert parse_params([1, b"x"]) == [1, b"x"]
    assert parse_params('[{"value": "1", "type": "int"}, 2]') == [1, 2]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1,]", "null", "{}", '"text"', "5", "[NaN]", "[Infinity]", b"\xff", b"[\xff]",
     pytest.param("[" * 100_000, id="deep"), pytest.param(f"[{'9' * 5000}]", id="long number")],
)  # fmt: skip
def test_garbage_is_a_parse_error(text: str | bytes) -> None:
    with pytest.raises(ParametersError, match=r"^JSON parse error: "):
        parse_params(text)


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    inner: Any


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"), (True, "true"), (5, "5"), (2**63, "9223372036854775808"), (0.1, "0.1"), ("text", "text"),
        ("5", "5"), ("", ""), ("nul \0 in it", '"nul \\u0000 in it"'),
        pytest.param("half \ud800", '"half \\ud800"', id="surrogate"),
        (math.nan, "nan"), (-math.inf, "-inf"), (b"\0\xff", "AP8="), (memoryview(b"ab"), "YWI="), (bytearray(b"ab"), "YWI="),
        ([1, [2, (3, {4})]], "[1,[2,[3,[4]]]]"), ({"ä": math.nan}, '{"ä":"nan"}'), ({1: 2, None: 3}, '{"1":2,"null":3}'),
        ({1: "a", "1": "b"}, '[[1,"a"],["1","b"]]'), ({(1, 2): 3}, '{"[1,2]":3}'), (frozenset(), "[]"),
        (LogosResult(True, {"a": b"x"}, None), '{"success":true,"value":{"a":"eA=="},"error":null}'),
        (LogosResult(False, None, "no"), '{"success":false,"value":null,"error":"no"}'),
        (Point(1, [math.inf, Colour.RED]), '{"x":1,"inner":["inf","red"]}'), (Colour.RED, "red"),
        (Record("dataclass", "far:Away", {"x": 1, "y": math.nan}), '{"x":1,"y":"nan"}'),
        (datetime.date(2020, 1, 2), "2020-01-02"), (decimal.Decimal("1.10"), "1.10"), (datetime.timedelta(seconds=3), "PT3S"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"), ([uuid.UUID(int=0).hex], '["' + "0" * 32 + '"]'),
        (np.arange(3), "[0,1,2]"), (np.float32(0.5), "0.5"), ({"a": np.array([[math.nan]])}, '{"a":[["nan"]]}'),
        pytest.param(1 << 20_000, hex(1 << 20_000), id="long number"), (3 + 4j, "(3+4j)"),
    ],
)  # fmt: skip
def test_results(value: Any, text: str) -> None:
    assert as_text(value) == text
    strictly(dumps(value))


def test_an_event() -> None:
    event = Event("calc", 'odd "name"', (1, "two", math.nan), 1, 0.0)
    assert event_text(event) == '{"event":"odd \\"name\\"","data":[1,"two","nan"]}'


_KEYS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.tuples(st.integers())
_VALUES = st.recursive(
    _KEYS | st.complex_numbers() | st.decimals() | st.datetimes() | st.timedeltas() | st.uuids(),
    lambda inner: st.lists(inner) | st.dictionaries(_KEYS, inner) | st.builds(Point, st.integers(), inner),
)


@given(_VALUES)
def test_whatever_the_value_it_is_valid_json(value: Any) -> None:
    strictly(dumps(value))
    as_text(value).encode()
    assert "\0" not in as_text(value)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(_JSON)
def test_json_comes_through_unchanged(value: Any) -> None:
    text = dumps(value)
    assert json.loads(text) == value
    assert typed(text, "json") == value


def strictly(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    text.encode()  # and UTF-8
    return json.loads(text, parse_constant=refuse)
