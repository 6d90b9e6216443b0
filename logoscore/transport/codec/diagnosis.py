"""Why a value cannot travel, and where in it the reason lies: a second walk, made only after encoding failed.

Rules
-----
1. The walk tries the parts of what failed, in order, and descends into the first that fails alone; what fails although
   none of its parts does is the culprit.
2. Nothing of the user's can break it: texts about values come from types and from guarded reprs.
3. What reading a value raised is the error's ``__cause__``: who knows of limits (of memory, of open files) looks there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from logoscore.errors import SerializationError
from logoscore.transport.codec import records
from logoscore.transport.codec.extensions import CERTAIN, MAX_DEPTH, Refused, pack
from logoscore.transport.codec.writer import Writer

# Past whatever a metaclass says.
_class_module: Any = type.__dict__["__module__"].__get__
_class_qualname: Any = type.__dict__["__qualname__"].__get__
_Reason = tuple[str, Exception | None]
"""Why a value cannot travel, and what reading it raised, if it did."""
_TOO_DEEP = f"it nests deeper than {MAX_DEPTH} levels in all, or refers to itself"
_LONGEST_REPR = 60


def type_name(value: object) -> str:
    """``socket.socket``; of a builtin just ``generator``."""
    cls = type(value)
    module = _class_module(cls)
    qualname: str = _class_qualname(cls)
    return f"{module}.{qualname}" if type(module) is str and module != "builtins" else qualname


def explain(value: Any, path: str) -> SerializationError:
    """The error for ``value`` at ``path``, which could not be encoded."""
    reason = _refusal(value, 0)
    return _explain(value, path, reason or ("it changed while it was read", None), 0)


def explain_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> SerializationError:
    """The error for arguments that could not be encoded."""
    depth = 2 if kwargs else 1
    places = [(f"args[{index}]", value) for index, value in enumerate(args)]
    places += [(f"kwargs[{key_text(name)}]", value) for name, value in kwargs.items()]
    for path, value in places:
        reason = _refusal(value, depth)
        if reason is not None:
            return _explain(value, path, reason, depth)
    return SerializationError("the arguments changed while they were read", path="args", type_name="tuple")


def _explain(value: Any, path: str, reason: _Reason, depth: int) -> SerializationError:
    while reason[0] != _TOO_DEEP:
        depth += 1
        for suffix, part in _parts(value):
            below = _refusal(part, depth)
            if below is not None:
                value, path, reason = part, path + suffix, below
                break
        else:
            break
    name = type_name(value)
    short = name.rpartition(".")[2]
    article = "an" if short[:1].lower() in "aeiou" else "a"
    full = f" ({name})" if name != short else ""
    message = f"{path} is {article} {short}{full}, which cannot travel: {reason[0]}"
    error = SerializationError(message, path=path, type_name=name)
    error.__cause__ = reason[1]
    return error


def _refusal(value: Any, depth: int) -> _Reason | None:
    """Why ``value`` alone cannot be encoded; None if it can."""
    writer = Writer(CERTAIN, depth)
    try:
        pack(writer.lower(value))
    except Refused as refused:
        return _TOO_DEEP if refused.too_deep else str(refused), None
    except RecursionError:
        return _TOO_DEEP, None
    except Exception as error:  # noqa: BLE001 - a property, a __buffer__, a descriptor of the user's may raise anything
        return f"reading it raised {type_name(error)}", error
    return None


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """The parts of ``value``, each with what leads to it."""
    family = type(value).__mro__
    plan = records.plan_of(type(value))
    if plan is not None and plan.kind != "enum":
        for name in plan.names:
            try:
                part = getattr(value, name)
            except Exception:  # noqa: BLE001, S112 - the record is to blame, not one of its values
                continue
            yield f".{name}", part
    elif records.Record in family:
        yield from ((f".{name}", part) for name, part in value.fields.items())
    elif list in family or tuple in family:
        base: Any = list if list in family else tuple
        yield from ((f"[{index}]", part) for index, part in enumerate(base.__iter__(value)))
    elif dict in family:
        for index, (key, part) in enumerate(dict.items(value)):
            yield f".keys()[{index}]", key
            yield f"[{key_text(key)}]", part
    elif set in family or frozenset in family:
        base = set if set in family else frozenset
        yield from ((f"{{{safe_repr(part)}}}", part) for part in base.__iter__(value))
    elif type_name(value) == "logoscore.interface.LogosResult":
        yield ".value", value._value
        yield ".error", value.error


def key_text(key: object) -> str:
    """A dict's key as it stands in a path: text in double quotes, anything else as its repr."""
    if type(key) is str and key.isprintable() and '"' not in key and len(key) < _LONGEST_REPR:
        return f'"{key}"'
    return safe_repr(key)


def safe_repr(value: object) -> str:
    """The repr of a key or an element, short, and never raising."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a user's __repr__
        return f"<{type_name(value)}>"
    return text if len(text) <= _LONGEST_REPR else text[: _LONGEST_REPR - 1] + "…"
