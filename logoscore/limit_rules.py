"""Who may say what of a module's limits: the keys and values that metadata and the app may give, and whose count. Pure.

For each key the app's value for the module wins, then the app's ``"*"``, then the metadata's.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from typing import Any, Final

from logoscore.bounded_json import WrongValueError, kind
from logoscore.limits import NO_LIMITS, Limits

__all__ = ["EVERY_MODULE", "app_limits", "check_limits", "effective_limits"]

EVERY_MODULE: Final = "*"
"""The key of the app's limits for all modules; the built-in ones excepted."""

_KEYS: Final = Limits.__struct_fields__
_LARGEST: Final = 1 << 62
_MOST_NICE: Final = 39  # from one end of the range to the other
_SMALLEST: Final = {"address_space": 1, "cpu_time": 1, "open_files": 1, "core_size": 0, "nice": -_MOST_NICE}


class _WrongTypeError(WrongValueError):
    """It is the type that is wrong."""


def check_limits(value: Any) -> dict[str, int | float]:
    """``value``, if it is an object of limits as metadata and the app give them.

    Raises:
        WrongValueError: it is not, with the key (``.cpu_time``) and the reason.
    """
    if not isinstance(value, Mapping):
        raise _WrongTypeError(f"must be an object, not {kind(value)}")
    for key, limit in value.items():
        try:
            _check(key, limit)
        except WrongValueError as exc:
            exc.key = f".{key}"
            raise
    return dict(value)


def _check(key: object, limit: Any) -> None:
    if key not in _KEYS:
        raise WrongValueError(f"is no limit; limits are {', '.join(_KEYS)}")
    if key == "hang_timeout":
        if isinstance(limit, bool) or not isinstance(limit, (int, float)):
            raise _WrongTypeError(f"must be a number of seconds, not {kind(limit)}")
        if not 0 < limit < math.inf:
            raise WrongValueError(f"must be a positive number of seconds, but is {limit}")
        return
    if isinstance(limit, bool) or not isinstance(limit, int):
        shown = limit if isinstance(limit, float) else kind(limit)
        raise _WrongTypeError(f"must be a whole number, not {shown}")
    smallest, largest = _SMALLEST[str(key)], _MOST_NICE if key == "nice" else _LARGEST
    if not smallest <= limit <= largest:
        bound = f"at least {smallest}" if limit < smallest else f"at most {largest}"
        shown = str(limit) if abs(limit) <= _LARGEST else f"a number of {limit.bit_length()} bits"
        raise WrongValueError(f"must be {bound}, but is {shown}")


def app_limits(value: Any, builtin: Container[str] = ()) -> dict[str, Limits]:
    """The ``limits`` that an app gives its Core: by module name, or ``"*"``; those ``builtin`` have none.

    Raises:
        TypeError, ValueError: it is not that; the message names the key.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"limits is a mapping of module name (or '*') to limits, not {type(value).__name__}")
    result = {}
    for module, limits in value.items():
        if not isinstance(module, str):
            raise TypeError(f"limits: a key is a module's name or '*', not {module!r}")
        if module in builtin:
            raise ValueError(f"limits: {module!r} is built in and has no limits")
        try:
            result[module] = Limits(**check_limits(limits))  # type: ignore[arg-type]  # checked by its keys
        except WrongValueError as exc:
            wrong = TypeError if isinstance(exc, _WrongTypeError) else ValueError
            raise wrong(f"limits[{module!r}]{exc.key}: {exc.reason}") from None
    return result


def effective_limits(module: str, declared: Mapping[str, int | float], app: Mapping[str, Limits]) -> Limits:
    """The limits of ``module``: what it ``declared`` in its metadata, with those of the ``app`` over it."""
    merged = dict(declared)
    for key in (EVERY_MODULE, module):
        merged |= app.get(key, NO_LIMITS).to_dict()
    return Limits(**merged)  # type: ignore[arg-type]  # checked by their keys
