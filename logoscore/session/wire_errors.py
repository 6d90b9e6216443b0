"""Errors as they cross a channel: class name, message, fields; and back.

Rules: only classes of ``logoscore.errors`` are named on the wire, so no peer chooses what is constructed. What a
module's own code raised is always a RemoteError, whatever its class: nobody can pretend that the platform failed.
Exceptions may raise in ``str()`` or ``repr()``; that is caught here.
"""

from __future__ import annotations

from typing import Any, Final

from logoscore import errors
from logoscore.errors import LogosError, RemoteError
from logoscore.transport.messages import WireError

__all__ = ["RemoteTraceback", "from_wire", "remote_error", "safe_text", "to_wire"]

_CLASSES: Final[dict[str, type[LogosError]]] = {
    name: cls for name, cls in vars(errors).items() if isinstance(cls, type) and issubclass(cls, LogosError)
}
_LONGEST_TEXT: Final = 16_384


class RemoteTraceback(Exception):  # noqa: N818 - it is shown as a cause and never raised by itself
    """The traceback of the far side, as the ``__cause__`` of a RemoteError."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def safe_text(value: object) -> str:
    """``str(value)``, bounded, also where ``str()`` raises."""
    try:
        text = str(value)
    except BaseException as exc:  # noqa: BLE001 - user code may raise anything, and we are already reporting an error
        text = f"<{type(value).__name__}, whose str() raises {type(exc).__name__}>"
    # Lone surrogates cannot travel as UTF-8.
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + " …"


def to_wire(error: LogosError) -> WireError:
    """A LogosError of ours, for the other side."""
    cls = next(cls for cls in type(error).__mro__ if _CLASSES.get(cls.__name__) is cls)
    fields: dict[str, Any] = {}
    for name in cls.fields:
        value = getattr(error, name)
        fields[name] = value if value is None or type(value) is int else safe_text(value)
    return WireError(cls.__name__, safe_text(error), fields)


def from_wire(error: WireError) -> LogosError:
    """The other side's error, to be raised here. An unknown kind is a RemoteError of that name."""
    cls = _CLASSES.get(error.kind)
    if cls is None:
        return RemoteError(f"{error.kind}: {error.message}", type_name=error.kind, message=error.message)
    result = cls(error.message, **{name: error.fields.get(name) for name in cls.fields})
    traceback = error.fields.get("remote_traceback")
    if isinstance(traceback, str):
        result.__cause__ = RemoteTraceback(traceback)
    return result


def remote_error(exc: BaseException, module: str, method: str) -> RemoteError:
    """What a module's code raised, as the error that its caller gets."""
    type_name = type(exc).__name__
    message = safe_text(exc)
    return RemoteError(
        f"{module}.{method} raised {type_name}: {message}",
        module=module,
        method=method,
        type_name=type_name,
        message=message,
        remote_traceback=format_traceback(exc),
    )


def format_traceback(exc: BaseException) -> str:
    """The traceback as text, without our own frame at its top."""
    import traceback

    own = exc.__traceback__.tb_next if exc.__traceback__ is not None else None
    try:
        return safe_text("".join(traceback.format_exception(type(exc), exc, own)))
    except BaseException as failure:  # noqa: BLE001 - an exception that cannot be printed must not lose the report
        return f"{type(exc).__name__}: its traceback cannot be printed ({type(failure).__name__})"
