"""``client.bind(Interface)``: a typed view of a module."""

from __future__ import annotations

import inspect
import typing
from collections import abc
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from logoscore.errors import InvalidArgumentsError
from logoscore.session.conversion import checkable, convert, mismatch
from logoscore.session.signature import resolved_hints
from logoscore.transport.frame import CALL

if TYPE_CHECKING:
    from logoscore.session.client import LogosAPIClient

__all__ = ["bind"]

_T = TypeVar("_T")


def bind(client: LogosAPIClient, interface: Callable[..., _T]) -> _T:
    """See :meth:`LogosAPIClient.bind`."""
    if not isinstance(interface, type):
        raise TypeError(f"bind() takes a class, usually a Protocol, not {type(interface).__name__}")
    methods: dict[str, Any] = {}
    for cls in reversed(interface.__mro__):
        for name, value in vars(cls).items():
            if inspect.isfunction(value) and not name.startswith("_"):
                methods[name] = _method(client, name, value)
    if not methods:
        raise TypeError(f"{interface.__name__} has no public methods to bind")
    view = type(f"{interface.__name__}Of_{client.name}", (), {"__doc__": interface.__doc__, "__slots__": (), **methods})
    return cast("_T", view())


def _method(client: LogosAPIClient, name: str, declared: Callable[..., Any]) -> Any:
    signature = inspect.signature(declared)
    hint = resolved_hints(declared).get("return")
    convert_result = _result_converter(client.name, name, hint)

    def arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        try:
            bound = signature.bind(None, *args, **kwargs)
        except TypeError as exc:
            raise InvalidArgumentsError(
                f"{client.name}.{name}{signature}: {exc}", module=client.name, method=name
            ) from None
        return bound.args[1:], bound.kwargs

    if inspect.iscoroutinefunction(declared):

        async def acall(_self: object, *args: Any, **kwargs: Any) -> Any:
            positional, keywords = arguments(args, kwargs)
            return convert_result(await client._submit(name, positional, keywords, None))

        return _like(acall, declared)
    if _is_stream(declared, hint):

        def stream(_self: object, *args: Any, **kwargs: Any) -> Any:
            positional, keywords = arguments(args, kwargs)
            if keywords:
                raise InvalidArgumentsError(f"{client.name}.{name}: a stream takes positional arguments only")
            return client.stream(name, *positional)

        return _like(stream, declared)

    def call(_self: object, *args: Any, **kwargs: Any) -> Any:
        positional, keywords = arguments(args, kwargs)
        return convert_result(client._call(CALL, name, positional, keywords, None))

    return _like(call, declared)


def _is_stream(declared: Callable[..., Any], hint: Any) -> bool:
    """A generator function, or (in a Protocol, whose bodies are empty) one that says that it returns an iterator."""
    if inspect.isgeneratorfunction(declared) or inspect.isasyncgenfunction(declared):
        return True
    kinds = (abc.Iterator, abc.Generator, abc.AsyncIterator, abc.AsyncGenerator)
    return (typing.get_origin(hint) or hint) in kinds


def _result_converter(module: str, name: str, hint: Any) -> Callable[[Any], Any]:
    if hint is None or not checkable(hint):
        return lambda value: value

    def convert_result(value: Any) -> Any:
        try:
            return convert(value, hint)
        except msgspec.ValidationError as exc:
            place, reason = mismatch(exc, value, hint)
            raise InvalidArgumentsError(
                f"{module}.{name}(): the result does not fit the interface: result{place}: {reason}",
                module=module,
                method=name,
            ) from None

    return convert_result


def _like(function: Any, declared: Callable[..., Any]) -> Any:
    function.__name__ = declared.__name__
    function.__qualname__ = declared.__qualname__
    function.__doc__ = declared.__doc__
    return function
