"""JSON from somebody else: bounded before it is parsed, and strict.

Pure. Python's own parser recurses with the input, lets the last of two equal keys win, accepts ``NaN`` and halves of
surrogate pairs. A file that somebody else wrote must do none of that to us.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["MAX_BYTES", "MAX_DEPTH", "WrongValueError", "kind", "loads", "plain", "too_large"]

MAX_BYTES = 1 << 20
MAX_DEPTH = 64
_LONGEST_NAME = 64
"""Characters of a key that an error shows."""

# What the message that tells a host of its module can say; Python converts no int of any length to text, either.
_LEAST_INT = -(1 << 63)
_GREATEST_INT = (1 << 64) - 1

# The closing quote is optional and the repeats possessive: linear on every input, also on a string that never ends.
_STRING_OR_BRACKET = r'(?s:"(?:[^"\\]++|\\.)*+"?|[\[\]{}])'
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


class WrongValueError(Exception):
    """``reason``, and where below the key being checked (``"[2]"``); the caller knows the file."""

    def __init__(self, reason: str, key: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.key = key


def loads(data: bytes) -> Any:
    """The value that the JSON text ``data`` says.

    Raises:
        WrongValueError: it is too large, nested too deeply, not UTF-8, or not strict JSON.
    """
    import json

    if len(data) > MAX_BYTES:
        raise WrongValueError(too_large(len(data)))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise WrongValueError(f"is not UTF-8: byte {data[exc.start]:#04x} at offset {exc.start}") from exc
    depth = 0
    for match in re.finditer(_STRING_OR_BRACKET, text):
        depth += _STEPS.get(match.group(), 0)
        if depth > MAX_DEPTH:
            raise WrongValueError(_too_deep())
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except json.JSONDecodeError as exc:
        raise WrongValueError(f"is not JSON: {exc.msg} at line {exc.lineno}, column {exc.colno}") from exc
    except ValueError as exc:  # an integer of more digits than Python converts
        raise WrongValueError(f"is not JSON that can be read: {exc}") from exc


def too_large(size: int) -> str:
    """The reason to refuse ``size`` bytes."""
    return f"is too large: {size} bytes where at most {MAX_BYTES} are allowed"


def _too_deep() -> str:
    return f"is nested too deeply: at most {MAX_DEPTH} levels are allowed"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            # It may have half of a surrogate pair, which could be shown nowhere.
            raise WrongValueError(
                "appears twice in one object", _shown(key.encode("utf-8", "backslashreplace").decode())
            )
        result[key] = value
    return result


def _refuse_constant(constant: str) -> Any:
    raise WrongValueError(f"is not JSON: {constant} is not a JSON number")


def plain(value: Any, key: str = "", depth: int = 0) -> Any:
    """A deep copy of ``value`` made of JSON's types alone, whole numbers of up to 64 bits.

    Raises:
        WrongValueError: something in it has no place in JSON.
    """
    if depth > MAX_DEPTH:
        raise WrongValueError(_too_deep(), key.partition("[")[0].partition(".")[0])
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise WrongValueError("has half of a surrogate pair, which is no text", key)
        return value
    if isinstance(value, Mapping):
        for name in value:
            if not isinstance(name, str):
                raise WrongValueError(f"has the key {name!r}, which is {kind(name)} and not a string", key)
            plain(name, key)
        return {
            name: plain(each, f"{key}.{_shown(name)}" if key else _shown(name), depth + 1)
            for name, each in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [plain(each, f"{key}[{index}]", depth + 1) for index, each in enumerate(value)]
    if value is None or isinstance(value, (bool, int, float)):
        return _bounded(value, key)
    raise WrongValueError(f"is {kind(value)}, which JSON does not have", key)


def _shown(name: str) -> str:
    """``name`` as it stands in a path: bounded, since a path is made for each value below it."""
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def _bounded(value: float | None, key: str) -> float | None:
    if isinstance(value, float) and not math.isfinite(value):
        raise WrongValueError(f"is {value}, which JSON does not have", key)
    if isinstance(value, int) and not _LEAST_INT <= value <= _GREATEST_INT:
        raise WrongValueError("is a whole number of more than 64 bits, which cannot be passed on", key)
    return value


def kind(value: object) -> str:
    """What ``value`` is in JSON's words, for messages."""
    for types, kind in _KINDS:
        if isinstance(value, types):
            return kind
    return f"a {type(value).__name__}"


_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (str, "a string"),
    (bool, "a boolean"),
    ((int, float), "a number"),
    ((list, tuple), "a list"),
    (Mapping, "an object"),
    (type(None), "null"),
)
