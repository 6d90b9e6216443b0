"""Values against annotations: msgspec's strict conversion, and the few things that it sees otherwise than we do. Pure."""

from __future__ import annotations

import enum
import functools
import re
import types
import typing
from collections.abc import Callable
from typing import Any, Final

import msgspec

from logoscore.transport.codec.records import unstructure

__all__ = ["checkable", "convert", "mismatch"]

#: Values of these types arrive as themselves, so text is never taken for them (base64 would be a guess).
_NATIVE: Final = (bytes, bytearray, memoryview)

#: In the texts of msgspec.
_PLACE: Final = r" - at (?P<key>`key` in )?`\$(?P<path>[^`]*)`$"
_PYTHON: Final = {"null": "None", "array": "list", "object": "dict"}
_CONTAINERS: Final = frozenset({"array", "object"})


def checkable(hint: Any) -> bool:
    """Whether there is anything to check for this annotation."""
    if hint is Any or hint is object:
        return False
    return not isinstance(hint, (str, typing.TypeVar))


def convert(value: Any, hint: Any) -> Any:
    """``value`` as the annotation ``hint`` wants it.

    Raises:
        msgspec.ValidationError: it does not fit; the text ends with the path, as msgspec words it.
    """
    plain = unstructure(value) if _mentions_records(hint) else value
    try:
        return _convert(plain, hint, value)
    except msgspec.ValidationError:
        whole = _integral(unstructure(value), hint)
        if whole is plain:
            raise
        return _convert(whole, hint, value)


def mismatch(error: msgspec.ValidationError, value: Any, hint: Any) -> tuple[str, str]:
    """What :func:`convert` raised, as (path below ``value``, reason in the words of Python, not JSON's)."""
    text = str(error)
    place = re.search(_PLACE, text)
    reason = text if place is None else text[: place.start()]
    whole = place is None or not (place["path"] or place["key"])
    found = re.match(r"Expected `([^`]+)`", reason)
    if found is not None:
        expected = " | ".join(_PYTHON.get(word, word) for word in found[1].split(" | "))
        if whole and found[1] in _CONTAINERS:
            expected = _name(hint) or expected
        reason = f"Expected `{expected}`{reason[found.end() :]}"
        got = re.search(r", got `([^`]+)`$", reason)
        if got is not None:
            name = type(value).__name__ if whole and got[1] in _CONTAINERS else _PYTHON.get(got[1], got[1])
            reason = f"{reason[: got.start()]}, got `{name}`"
    if not reason and error.__cause__ is not None:  # a record's own check, which said nothing more
        reason = type(error.__cause__).__name__
    if place is None:
        return "", reason
    return place["path"], f"key: {reason}" if place["key"] else reason


def _name(hint: Any) -> str | None:
    """Of the class that an annotation is about, if it is about one."""
    if typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    kind = typing.get_origin(hint) or hint
    return kind.__name__ if isinstance(kind, type) else None


def _mentions_records(hint: Any) -> bool:
    """Whether a dataclass, struct or enum stands somewhere in ``hint``: these are checked field by field.

    (Elsewhere a record is left as it is: under ``dict[str, Any]`` it keeps its class.)
    """
    try:
        return _mentions_records_cached(hint)
    except TypeError:  # unhashable, as Annotated with a list in it
        return any(map(_mentions_records, typing.get_args(hint)))


@functools.lru_cache(maxsize=1024)
def _mentions_records_cached(hint: Any) -> bool:
    kind = typing.get_origin(hint) or hint
    if isinstance(kind, type) and (_is_dataclass(kind) or issubclass(kind, (msgspec.Struct, enum.Enum))):
        return True
    return any(map(_mentions_records, typing.get_args(hint)))


def _is_dataclass(cls: type) -> bool:
    """As ``dataclasses.is_dataclass``, which a process that has none need not import."""
    return hasattr(cls, "__dataclass_fields__")


def _convert(plain: Any, hint: Any, original: Any) -> Any:
    try:
        converted = msgspec.convert(plain, hint, builtin_types=_NATIVE)
    except msgspec.ValidationError:
        raise
    except (TypeError, NameError):  # an annotation that msgspec does not support, or cannot resolve
        return _by_instance(original, hint)
    if (
        isinstance(hint, type)
        and not typing.is_typeddict(hint)
        and type(original) is not hint
        and isinstance(original, hint)
    ):
        return original  # of a subclass: it fits, and has more to it than the annotation says
    return converted


def _by_instance(value: Any, hint: Any) -> Any:
    """For annotations that msgspec does not support."""
    arms = typing.get_args(hint) if typing.get_origin(hint) in {typing.Union, types.UnionType} else (hint,)
    for arm in arms:
        kind = typing.get_origin(arm) or arm
        if kind is Callable or not isinstance(kind, type):
            return value
        try:
            if isinstance(value, kind):
                return value
        except TypeError:  # a Protocol that cannot be checked at run time
            return value
    if len(arms) > 1:
        for arm in arms:
            try:
                return convert(value, arm)
            except msgspec.ValidationError:
                continue
    import inspect

    raise msgspec.ValidationError(f"Expected `{inspect.formatannotation(hint)}`, got `{type(value).__name__}`")


def _integral(value: Any, hint: Any) -> Any:
    """``value`` with floats that have no fraction made ints where ``hint`` wants ints; the same object if there are none."""
    origin = typing.get_origin(hint)
    args = typing.get_args(hint)
    if hint is int:
        return int(value) if type(value) is float and value.is_integer() else value
    if isinstance(hint, typing.NewType):
        return _integral(value, hint.__supertype__)
    if origin is typing.Annotated:
        return _integral(value, args[0])
    if origin in {typing.Union, types.UnionType}:
        return value if float in args else next((v for arm in args if (v := _integral(value, arm)) is not value), value)
    if isinstance(value, (list, tuple, set, frozenset)) and args:
        return _integral_items(value, args, origin)
    if isinstance(value, dict):
        if origin is dict or len(args) == 2:
            return _changed(value, {_integral(k, args[0]): _integral(v, args[1]) for k, v in value.items()})
        fields = _field_hints(hint)
        if fields:
            return _changed(value, {k: _integral(v, fields[k]) if k in fields else v for k, v in value.items()})
    return value


def _integral_items(value: Any, args: tuple[Any, ...], origin: Any) -> Any:
    if origin is tuple and not (len(args) == 2 and args[1] is ...):
        if len(args) != len(value):
            return value
        items = [_integral(item, arg) for item, arg in zip(value, args, strict=True)]
    else:
        items = [_integral(item, args[0]) for item in value]
    return type(value)(items) if any(a is not b for a, b in zip(items, value, strict=True)) else value


def _changed(old: dict[Any, Any], new: dict[Any, Any]) -> dict[Any, Any]:
    same = len(old) == len(new) and all(
        a is c and b is d for (a, b), (c, d) in zip(old.items(), new.items(), strict=True)
    )
    return old if same else new


def _field_hints(hint: Any) -> dict[str, Any]:
    if typing.is_typeddict(hint) or (
        isinstance(hint, type) and (_is_dataclass(hint) or issubclass(hint, msgspec.Struct))
    ):
        try:
            return typing.get_type_hints(hint, include_extras=True)
        except Exception:  # noqa: BLE001 - annotations are arbitrary expressions; msgspec has reported the mismatch
            return {}
    return {}
