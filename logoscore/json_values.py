"""Values as the seed's cross-language pair passes them: arguments out of JSON, results and events into JSON.

Pure. Rules:

* Arguments come in two shapes: ``[{"name": …, "value": "…", "type": "int"}, …]``, as the seed's clients write them, and
  a plain JSON array of values. What cannot be kept without loss is refused, in the words that clients match.
* What goes out is valid JSON for every value that a call or an event can carry: other text than JSON's own is text,
  bytes are base64, a record is an object of its fields, and a mapping whose keys would become equal is a list of pairs.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from logoscore.interface import Event, LogosResult
from logoscore.session.wire_errors import safe_text
from logoscore.transport.codec.records import unstructure

__all__ = ["ParametersError", "as_text", "dumps", "event_text", "parse_params", "plain"]

_TYPE_KEYS: Final = frozenset({"value", "type"})
_NUMBER: Final = re.compile(
    r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:inf|infinity|nan)", re.IGNORECASE
)
_MAX_EXPONENT: Final = 400
"""Of a whole number that comes as ``"1e+21"``: a JavaScript number is below 1e309, and 1e999999999 fills the memory."""
_MAX_BITS: Final = 13_000
"""Of a whole number that Python writes in decimal; longer ones go out as the text of their hexadecimal digits."""


class ParametersError(ValueError):
    """Parameters that cannot be read; its text is the one that clients match."""


# --- in -------------------------------------------------------------------------------------------------------------


def parse_params(params: Any) -> list[Any]:
    """The arguments of a call from a list, or from JSON (``str`` or UTF-8 ``bytes``) in either shape; None: no arguments.

    Raises:
        ParametersError: ``JSON parse error: …`` or ``Invalid parameter: <name>``.
    """
    if params is None:
        return []
    if isinstance(params, (str, bytes)):
        params = _loads(params, "JSON parse error: ")
    if not isinstance(params, (list, tuple)):
        raise ParametersError("JSON parse error: the parameters are not an array")
    return [_typed(item) if _is_typed(item) else item for item in params]


def _loads(text: str | bytes, prefix: str) -> Any:
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        return json.loads(decoded, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:
        raise ParametersError(f"{prefix}{exc}") from None


def _refuse_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _is_typed(item: Any) -> bool:
    """Whether it is of the first shape. An object of an argument's own that looks like it goes as type ``json``."""
    return isinstance(item, dict) and item.keys() - {"name"} == _TYPE_KEYS and isinstance(item["type"], str)


def _typed(item: dict[str, Any]) -> Any:
    convert: Callable[[Any], Any] = _CONVERTERS.get(item["type"], _text)  # an unknown type is text, as the seed has it
    try:
        return convert(item["value"])
    except (ValueError, TypeError, OverflowError):
        raise ParametersError(f"Invalid parameter: {safe_text(item.get('name', ''))}") from None


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else dumps(value)


def _integer(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError("a boolean is no whole number")
    if isinstance(value, int):
        return value
    text = _numeral(value)
    if re.fullmatch("[+-]?[0-9]+", text):
        return int(text)
    number = Decimal(text)  # a client's number type may be floating point: 1e+21 is whole
    if not number.is_finite() or number.adjusted() > _MAX_EXPONENT or number % 1:
        raise ValueError(f"{text} is no whole number")
    return int(number)


def _real(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError("a boolean is no number")
    return float(value) if isinstance(value, (int, float)) else float(_numeral(value))


def _numeral(value: Any) -> str:
    """The text of a number, without what only Python would take for one (``1_000``)."""
    text = str(value).strip(" \t\r\n")
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text} is no number")
    return text


def _truth(value: Any) -> bool:
    try:
        return {"true": True, "1": True, "false": False, "0": False}[str(value).lower()]
    except KeyError:
        raise ValueError(f"{value!r} is neither true nor false") from None


def _json(value: Any) -> Any:
    return _loads(value, "") if isinstance(value, str) else value


def _bytes(value: Any) -> bytes:
    import base64

    if not isinstance(value, str):
        raise TypeError("bytes come as base64")
    return base64.b64decode(value, validate=True)


_CONVERTERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "string": _text,
    "QString": _text,
    "int": _integer,
    "integer": _integer,
    "float": _real,
    "double": _real,
    "bool": _truth,
    "boolean": _truth,
    "json": _json,
    "bytes": _bytes,
}


# --- out ------------------------------------------------------------------------------------------------------------


def event_text(event: Event) -> str:
    """An event as listeners get it: ``{"event":"name","data":[…]}``."""
    return dumps({"event": event.name, "data": list(event.data)})


def as_text(value: Any) -> str:
    """A result as clients show it: text as it is, everything else as JSON.

    Text with a NUL, which would end early in C, goes as a JSON string.
    """
    simple = plain(value)
    if isinstance(simple, str) and "\0" not in simple and not _has_surrogates(simple):
        return simple
    return _dumps(simple)


def dumps(value: Any) -> str:
    """Any value as compact JSON text."""
    return _dumps(plain(value))


def _dumps(simple: Any) -> str:
    text = json.dumps(simple, ensure_ascii=False, separators=(",", ":"))
    # Half of a surrogate pair has no UTF-8; escaped, it is JSON.
    return json.dumps(simple, separators=(",", ":")) if _has_surrogates(text) else text


def _has_surrogates(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def plain(value: Any) -> Any:
    """Any value as what JSON can say; see the rules above."""
    return _plain(unstructure(value))


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return hex(value) if value.bit_length() > _MAX_BITS else value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(float(value))
    if isinstance(value, LogosResult):
        return {"success": value.success, "value": plain(value.value_or(None)), "error": plain(value.error)}
    if isinstance(value, Mapping):
        return _object(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        import base64

        return base64.b64encode(value).decode()
    if callable(to_list := getattr(value, "tolist", None)):  # numpy's arrays and scalars
        return _plain(to_list())
    return _other(value)


def _object(value: Mapping[Any, Any]) -> Any:
    items = [(key if isinstance(key, str) else as_text(key), _plain(item)) for key, item in value.items()]
    named = dict(items)
    # 1 and "1" may both be keys: neither may be lost.
    return named if len(named) == len(items) else [[_plain(key), _plain(item)] for key, item in value.items()]


def _other(value: Any) -> Any:
    import msgspec

    try:
        return msgspec.to_builtins(value, str_keys=True)  # dates, times, Decimal, UUID
    except TypeError:
        return safe_text(value)
