"""Errors as they cross a channel: class name, message, fields; and back.

Rules: only classes of ``logoscore.errors`` are named on the wire, so no peer chooses what is constructed. What a
module's own code raised is always a RemoteError, whatever its class: nobody can pretend that the platform failed.
Exceptions may raise in ``str()`` or ``repr()``; that is caught here.
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import Final

from logoscore import errors
from logoscore.errors import LogosError, RemoteError
from logoscore.transport.messages import WireError

__all__ = [
    "RemoteTraceback",
    "class_name",
    "from_wire",
    "noted",
    "place_in",
    "remote_error",
    "safe_text",
    "summary",
    "to_wire",
]

_CLASSES: Final[dict[str, type[LogosError]]] = {
    name: cls for name, cls in vars(errors).items() if isinstance(cls, type) and issubclass(cls, LogosError)
}
_LONGEST_TEXT: Final = 16_384
_LONGEST_NAME: Final = 200
_OURS: Final = os.path.join(os.path.dirname(errors.__file__), "")  # noqa: PTH118, PTH120 - no pathlib in a host's start


class RemoteTraceback(Exception):  # noqa: N818 - it is shown as a cause and never raised by itself
    """The traceback of the far side, as the ``__cause__`` of a RemoteError."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def safe_text(value: object) -> str:
    """``str(value)``, bounded, also where ``str()`` raises."""
    try:
        text = str(value)
    except BaseException as exc:  # noqa: BLE001 - user code may raise anything, and we are already reporting an error
        text = f"<{class_name(value)}, whose str() raises {class_name(exc)}>"
    # A plain str (str() may give a subclass with ideas of its own), without lone surrogates: these are no UTF-8.
    text = str.encode(text, "utf-8", "backslashreplace").decode()
    half = _LONGEST_TEXT // 2
    return text if len(text) <= _LONGEST_TEXT else f"{text[:half]} … {text[-half:]}"


def class_name(value: object) -> str:
    """The name of ``value``'s class, whatever its metaclass makes of ``__name__``."""
    name: str = type.__dict__["__name__"].__get__(type(value))
    return name[:_LONGEST_NAME]


def summary(exc: BaseException) -> str:
    """``"ValueError: what it says"``; of one that says nothing, its name alone."""
    text = safe_text(exc)
    return f"{class_name(exc)}: {text}" if text else class_name(exc)


def to_wire(error: LogosError) -> WireError:
    """A LogosError of ours, for the other side."""
    cls = next(cls for cls in type(error).__mro__ if _CLASSES.get(cls.__name__) is cls)
    fields: dict[str, str | int | None] = {}
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


def noted(error: LogosError, note: str) -> LogosError:
    """``error``, on its way to the other side, with ``note`` at the end of its text."""
    if not note:
        return error
    wire = to_wire(error)
    return from_wire(WireError(wire.kind, f"{wire.message}{note}", wire.fields))


def remote_error(exc: BaseException, module: str, method: str, note: str = "") -> RemoteError:
    """What a module's code raised, as the error that its caller gets; ``note`` ends the whole text."""
    return RemoteError(
        f"{module}.{method} raised {summary(exc)}{note}",
        module=module,
        method=method,
        type_name=class_name(exc),
        message=safe_text(exc),
        remote_traceback=format_traceback(exc),
    )


def place_in(exc: BaseException, folder: str) -> str:
    """``"(file:line, in function)"`` of the last frame in a module's own files, or of a syntax error there; else ``""``.

    Args:
        folder: the module's. Libraries that are installed below it are not its own.
    """
    below = os.path.join(folder, "")  # noqa: PTH118 - no pathlib in a host's start
    if isinstance(exc, SyntaxError) and type(exc.filename) is str and exc.filename.startswith(below):
        return f"({exc.filename}:{exc.lineno})"
    place = ""
    trace = _traceback(exc)
    while trace is not None:
        code = trace.tb_frame.f_code
        name = code.co_filename
        # (What pip has installed lies in a site-packages itself: what counts is one below it, an environment of its own.)
        if name.startswith(below) and "/site-packages/" not in name[len(below) - 1 :] and not name.startswith(_OURS):
            where = f", in {code.co_name}" if code.co_name != "<module>" else ""
            place = f"({name}:{trace.tb_lineno}{where})"
        trace = trace.tb_next
    return place


def _traceback(exc: BaseException) -> TracebackType | None:
    """The plain slot's: not what a class makes of it."""
    trace: TracebackType | None = vars(BaseException)["__traceback__"].__get__(exc)
    return trace


def format_traceback(exc: BaseException) -> str:
    """The traceback as text, without our own frame at its top."""
    import traceback

    trace = _traceback(exc)
    own = trace.tb_next if trace is not None else None
    try:
        return safe_text("".join(traceback.format_exception(type(exc), exc, own)))
    except BaseException as failure:  # noqa: BLE001 - an exception that cannot be printed must not lose the report
        return f"{class_name(exc)}: its traceback cannot be printed ({class_name(failure)})"
