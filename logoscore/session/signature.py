"""A module's invokable methods: their table, their introspection, and the check of values against annotations.

Rules:

* The most derived definition of a name counts: overriding an invokable method without marking it hides it.
* Annotated arguments and results are checked and converted with msgspec; strict (``1`` is no bool, ``"1"`` no int), but
  a float without a fraction passes for an int, and what JSON can only say as text (dates, UUIDs, decimals) may be text.
* Annotations that msgspec cannot check (a union of two dataclasses, a callable) are checked with ``isinstance`` where
  that is possible and otherwise let through; an annotation that cannot be resolved counts as none, with a warning at the
  load.
* A mismatch is an InvalidArgumentsError with the parameter and the path of the culprit: ``rows (args[0][3])``,
  ``kwargs["room"]``, ``result.x``.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Sequence
from functools import cached_property
from types import CodeType, FunctionType, MethodType, UnionType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from logoscore.errors import InvalidArgumentsError
from logoscore.interface import MARK, MethodInfo, ParameterInfo, is_invokable
from logoscore.session.conversion import checkable, convert, mismatch
from logoscore.session.wire_errors import summary
from logoscore.transport.codec import SAFE, Codec

if TYPE_CHECKING:
    import inspect

__all__ = ["NOT_SCALARS", "Method", "defines", "invokable_methods", "resolved_hints"]

NOT_SCALARS: Final = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
"""What ``Method.decode_scalars`` raises for arguments that are not what it decodes."""
_SCALARS: Final = frozenset({int, float, str, bytes, bool, type(None)})
#: By the number of ``inspect``'s kind: positional only, positional or keyword, *args, keyword only, **kwargs.
_KINDS: Final = ("positional", "positional", "var_positional", "keyword", "var_keyword")
# What the interpreter says of a function in its ``co_flags``; ``inspect`` has the same numbers.
_VARARGS, _VARKEYWORDS, _GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x04, 0x08, 0x20, 0x80, 0x200


class Method:
    """One invokable method, ready to be called with what comes from the wire.

    Args:
        module: the module's name, for messages.
        name: the method's.
        function: the bound method.
    """

    def __init__(self, module: str, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.function = function
        self._where = f"{module}.{self.name}()"
        self._module = module
        code = _plain_code(function)
        if code is not None:
            self.is_async = bool(code.co_flags & _COROUTINE)
            self.is_async_stream = bool(code.co_flags & _ASYNC_GENERATOR)
            self.is_stream = self.is_async_stream or bool(code.co_flags & _GENERATOR)
        else:
            import inspect

            self.is_async = inspect.iscoroutinefunction(function)
            self.is_async_stream = inspect.isasyncgenfunction(function)
            self.is_stream = self.is_async_stream or inspect.isgeneratorfunction(function)
        hints = resolved_hints(function, self._warn)
        self._hints = {name: hint for name, hint in hints.items() if checkable(hint)}
        self._result_hint = None if self.is_stream else self._hints.get("return")
        self._has_result_hint = "return" in self._hints and not self.is_stream
        #: The one type that a result must have that needs no check; None: none has.
        self.exact_result = self._result_hint if _is_scalar(self._result_hint) else None
        if self._result_hint is type(None):
            self.exact_result = type(None)
        decoder = None if self.is_stream else self._scalar_decoder(code)
        #: Decodes and checks arguments in one step, where all are positional and annotated with scalars: of the safe
        #: codec's head. Raises NOT_SCALARS where :meth:`arguments` has to see, which is more lenient (3.0 for an int), and
        #: words the error with its path.
        self.decode_scalars = None if decoder is None else decoder.decode

    def _warn(self, name: str, annotation: Any, why: Exception) -> None:
        import logging

        logging.getLogger("logoscore").warning(
            "%s: the annotation %r of %s cannot be resolved, so what comes there is not checked: %s",
            self._where,
            annotation,
            "the result" if name == "return" else name,
            summary(why),
        )

    @cached_property
    def _signature(self) -> inspect.Signature:
        import inspect

        return inspect.signature(self.function)

    def _scalar_decoder(self, code: CodeType | None) -> msgspec.msgpack.Decoder[Any] | None:
        if code is None:
            parameters = self._signature.parameters.values()
            positional = all(_KINDS[parameter.kind] == "positional" for parameter in parameters)
            names = [parameter.name for parameter in parameters]
        else:
            positional = not (code.co_kwonlyargcount or code.co_flags & (_VARARGS | _VARKEYWORDS))
            names = list(code.co_varnames[1 : code.co_argcount])
        types = [self._hints.get(name) for name in names]
        if not positional or not all(map(_is_scalar, types)):
            return None
        return msgspec.msgpack.Decoder(tuple[tuple(types)] if types else tuple[()])  # type: ignore[misc]  # built at run time

    @cached_property
    def info(self) -> MethodInfo:
        """The method as introspection shows it."""
        import inspect

        parameters = [
            ParameterInfo(
                name=parameter.name,
                type=_annotation_text(parameter.annotation),
                default=None if parameter.default is parameter.empty else parameter.default,
                required=parameter.default is parameter.empty and "var" not in _KINDS[parameter.kind],
                kind=_KINDS[parameter.kind],
            )
            for parameter in self._signature.parameters.values()
        ]
        return MethodInfo(
            name=self.name,
            parameters=parameters,
            return_type=_annotation_text(self._signature.return_annotation),
            doc=inspect.getdoc(self.function) or "",
            is_async=self.is_async,
            is_stream=self.is_stream,
        )

    def arguments(
        self, codec: Codec, head: bytes | memoryview, buffers: Sequence[memoryview], has_kwargs: bool
    ) -> tuple[Sequence[Any], dict[str, Any]]:
        """Decode, bind and check the arguments of one call.

        Raises:
            InvalidArgumentsError: they do not fit the signature.
            ProtocolViolationError: they are not what the codec writes.
        """
        if self.decode_scalars is not None and not has_kwargs and not buffers and codec.ID == SAFE.ID:
            try:
                return self.decode_scalars(head), {}
            except NOT_SCALARS:
                pass
        args, kwargs = codec.decode_arguments(head, buffers, has_kwargs)
        self._check_arity(args, kwargs)
        if self._hints:
            self._check_types(args, kwargs)
        return args, kwargs

    def _check_arity(self, args: list[Any], kwargs: dict[str, Any]) -> None:
        try:
            self._signature.bind(*args, **kwargs)
        except TypeError as exc:
            named = [p.name for p in self._signature.parameters.values() if p.kind is p.KEYWORD_ONLY]
            how = f" ({', '.join(named)} by keyword, which only a client's bind() can)" if named else ""
            raise self.invalid(f"{exc}; it is {self.name}{self._signature}{how}") from None

    def _check_types(self, args: list[Any], kwargs: dict[str, Any]) -> None:
        parameters = self._signature.parameters.values()
        positional = [p.name for p in parameters if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
        named = {p.name for p in parameters if p.kind in {p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY}}
        rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
        spare = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), None)
        for index, value in enumerate(args):
            owner = positional[index] if index < len(positional) else rest
            if owner in self._hints:
                args[index] = self._check(value, self._hints[owner], f"args[{index}]", owner)
        for name, value in kwargs.items():
            owner = name if name in named else spare
            if owner in self._hints:
                kwargs[name] = self._check(value, self._hints[owner], f'kwargs["{name}"]')

    def _check(self, value: Any, hint: Any, path: str, parameter: str | None = None) -> Any:
        where = "{}" if parameter is None else f"{parameter} ({{}})"
        try:
            return convert(value, hint)
        except msgspec.ValidationError as exc:
            place, reason = mismatch(exc, value, hint)
            raise self.invalid(f"{where.format(path + place)}: {reason}") from None
        except BaseException as exc:
            # A record's own code (__post_init__) may raise anything: its way of saying that the values do not fit.
            raise self.invalid(f"{where.format(path)}: {summary(exc)}") from exc

    @property
    def nothing_to_stream(self) -> str | None:
        """Why a stream of it makes no sense, as far as that is known before it runs; None: it may make sense."""
        if self.is_stream:
            return None
        if self.is_async:
            return "is an async def method without yield"
        hint = self._result_hint
        arms = typing.get_args(hint) if typing.get_origin(hint) in {typing.Union, UnionType} else (hint,)
        return f"returns {_annotation_text(hint)}" if all(map(_is_scalar, arms)) else None

    def result(self, value: Any) -> Any:
        """Check what the method returned.

        Raises:
            InvalidArgumentsError: it does not fit the return annotation.
        """
        if not self._has_result_hint or type(value) is self.exact_result:
            return value
        return self._check(value, self._result_hint, "result")

    def invalid(self, reason: str) -> InvalidArgumentsError:
        """The error that says that something does not fit this method."""
        return InvalidArgumentsError(f"{self._where}: {reason}", module=self._module, method=self.name)


def invokable_methods(module: str, instance: object) -> dict[str, Method]:
    """The methods of ``instance`` that others may call, by name."""
    methods: dict[str, Method] = {}
    seen: set[str] = set()
    for cls in type(instance).__mro__:
        for name, value in vars(cls).items():
            if name in seen:
                continue
            seen.add(name)
            if is_invokable(value) and callable(bound := getattr(instance, name)):
                methods[name] = Method(module, name, bound)
    return methods


def defines(instance: object, name: str) -> bool:
    """Whether the class of ``instance`` has an attribute ``name`` at all, without running anything."""
    return any(name in vars(cls) for cls in type(instance).__mro__)


def _plain_code(function: Callable[..., Any]) -> CodeType | None:
    """The code of a method as ``def`` makes it, which says all that calls need; None if a decorator has been at it.

    Else only ``inspect`` knows, and what it refuses fails the load. Its import would cost each load some milliseconds.
    """
    raw = getattr(function, "__func__", None)
    if type(function) is not MethodType or type(raw) is not FunctionType:
        return None
    return raw.__code__ if vars(raw).keys() <= {MARK} and raw.__code__.co_argcount else None


def _is_scalar(hint: Any) -> bool:
    return isinstance(hint, type) and hint in _SCALARS


def resolved_hints(
    function: Callable[..., Any], on_unresolved: Callable[[str, Any, Exception], None] | None = None
) -> dict[str, Any]:
    """Resolved annotations; one that cannot be resolved does not spoil the others.

    Args:
        on_unresolved: called with the name, the annotation and the reason of each that cannot be.
    """
    raw = getattr(function, "__func__", function)
    if hasattr(raw, "__wrapped__"):
        import inspect

        raw = inspect.unwrap(raw)
    try:
        return typing.get_type_hints(raw, include_extras=True)
    except Exception:  # noqa: BLE001, S110 - annotations are arbitrary expressions of the module's author
        pass
    hints: dict[str, Any] = {}
    for name, annotation in getattr(raw, "__annotations__", {}).items():
        holder = type("_Holder", (), {"__annotations__": {name: annotation}, "__module__": raw.__module__})
        try:
            hints |= typing.get_type_hints(holder, getattr(raw, "__globals__", {}), include_extras=True)
        except Exception as exc:  # noqa: BLE001 - see above: this one counts as not annotated
            if on_unresolved is not None:
                on_unresolved(name, annotation, exc)
    return hints


def _annotation_text(annotation: Any) -> str:
    import inspect

    if annotation is inspect.Signature.empty:
        return ""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
