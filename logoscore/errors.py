"""Every error that logoscore raises, arranged by whose fault it is.

The class says who has to act: you called at the wrong time (:class:`StateError`), a module's metadata is wrong
(:class:`MetadataError`), a module cannot be found, loaded or kept alive (:class:`ModuleError`), one call went wrong
(:class:`CallError`), somebody was not entitled (:class:`AuthenticationError`, :class:`PermissionDeniedError`), a value
cannot travel (:class:`SerializationError`), or the channel itself failed (:class:`TransportError`). The message names
the module, the method and the reason. Each class also derives from the built-in that a Python programmer would catch.

This file knows nothing of the rest of the package.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

__all__ = [
    "AuthenticationError",
    "CallCancelledError",
    "CallError",
    "CallTimeoutError",
    "ChannelClosedError",
    "DependencyError",
    "FrameTooLargeError",
    "InvalidArgumentsError",
    "LogosError",
    "MetadataError",
    "ModuleCrashedError",
    "ModuleError",
    "ModuleLoadError",
    "ModuleNotLoadedError",
    "NotInvokableError",
    "PermissionDeniedError",
    "ProtocolViolationError",
    "RemoteError",
    "SerializationError",
    "StateError",
    "TransportError",
    "UnknownMethodError",
    "UnknownModuleError",
]


class LogosError(Exception):
    """The base of all errors of logoscore.

    ``message`` is the whole text; the keyword arguments are the named ``fields`` of the class, kept as attributes and
    carried along when the error is pickled or crosses a channel.
    """

    fields: ClassVar[tuple[str, ...]] = ()

    def __init__(self, message: str = "", /, **fields: Any) -> None:
        super().__init__(message)
        unknown = fields.keys() - set(self.fields)
        if unknown:
            raise TypeError(f"{type(self).__name__} has no field {', '.join(sorted(unknown))}")
        for name in self.fields:
            setattr(self, name, fields.get(name))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), str(self), {name: getattr(self, name) for name in self.fields})


def _rebuild(cls: type[LogosError], message: str, fields: dict[str, Any]) -> LogosError:
    return cls(message, **fields)


class StateError(LogosError, RuntimeError):
    """You called it at the wrong time: before ``start()``, after ``cleanup()``, in a forked child."""


class MetadataError(LogosError, ValueError):
    """A module's metadata is wrong. ``file``: which; ``key``: where in it, or None; ``reason``: why."""

    fields: ClassVar[tuple[str, ...]] = ("file", "key", "reason")
    file: str | None
    key: str | None
    reason: str | None


# --- modules --------------------------------------------------------------------------------------------------------


class ModuleError(LogosError):
    """A module cannot be found, loaded or kept alive. ``module``: its name."""

    fields: ClassVar[tuple[str, ...]] = ("module",)
    module: str | None


class UnknownModuleError(ModuleError, LookupError):
    """No module of that name was discovered."""


class ModuleNotLoadedError(UnknownModuleError, StateError):
    """The module is known but not loaded now."""


class DependencyError(ModuleError):
    """Dependencies cannot be met: one is missing, they form a cycle, or a version is out of range."""


class ModuleLoadError(ModuleError):
    """A module did not come up. The message has what its code raised and the last lines of its stderr.

    ``type_name``, ``remote_traceback``: of the exception that the module's code raised, where it raised one;
    ``stderr``: the last lines that the host wrote, at most 50.
    """

    fields: ClassVar[tuple[str, ...]] = ("module", "type_name", "remote_traceback", "stderr")
    type_name: str | None
    remote_traceback: str | None
    stderr: str | None


class ModuleCrashedError(ModuleError):
    """A module's process ended while somebody depended on it.

    ``pid``; ``exit_code`` (an int, None if a signal ended it); ``signal_name`` (``"SIGSEGV"``, None if it exited);
    ``stderr``: its last lines. All of them are in the message too.
    """

    fields: ClassVar[tuple[str, ...]] = ("module", "pid", "exit_code", "signal_name", "stderr")
    pid: int | None
    exit_code: int | None
    signal_name: str | None
    stderr: str | None


_LAST_LINES: Final = "; last lines on its stderr:\n"


def with_last_lines(text: str, stderr: str) -> str:
    """The message of an error, with what the module's process wrote last."""
    return f"{text}{_LAST_LINES}{stderr}" if stderr else text


def without_last_lines(text: str) -> str:
    """The same message for those who only mention it: the last lines stand wherever the error itself does."""
    return text.partition(_LAST_LINES)[0]


# --- calls ----------------------------------------------------------------------------------------------------------


class CallError(LogosError):
    """One call went wrong; the channel and the module are fine. ``module`` and ``method``: which."""

    fields: ClassVar[tuple[str, ...]] = ("module", "method")
    module: str | None
    method: str | None


class UnknownMethodError(CallError, AttributeError):
    """The module has no such method."""


class NotInvokableError(UnknownMethodError):
    """The name exists but is not for others: it is not marked ``@invokable``, or begins with an underscore."""


class InvalidArgumentsError(CallError, TypeError):
    """Arguments (or a result) do not fit the method's signature. The message names the path, as ``args[0][3]``."""


class CallTimeoutError(CallError, TimeoutError):
    """The deadline passed before the reply came. The module was told to give the call up."""


class CallCancelledError(CallError):
    """The call was cancelled by its caller."""


class RemoteError(CallError):
    """The method raised. ``type_name``, ``message``, ``remote_traceback``: of the exception at the far side.

    The remote traceback is shown as this error's ``__cause__``.
    """

    fields: ClassVar[tuple[str, ...]] = ("module", "method", "type_name", "message", "remote_traceback")
    type_name: str | None
    message: str | None
    remote_traceback: str | None


# --- rights ---------------------------------------------------------------------------------------------------------


class AuthenticationError(LogosError, PermissionError):
    """A token is missing, wrong, revoked or another pair's. The method did not run."""


class PermissionDeniedError(LogosError, PermissionError):
    """The policy said no. ``requester`` and ``target``: who wanted to reach whom."""

    fields: ClassVar[tuple[str, ...]] = ("requester", "target")
    requester: str | None
    target: str | None


# --- values and channels --------------------------------------------------------------------------------------------


class SerializationError(LogosError, TypeError):
    """A value cannot travel. ``path``: where, as ``args[1]["k"][3]``; ``type_name``: what is there."""

    fields: ClassVar[tuple[str, ...]] = ("path", "type_name")
    path: str | None
    type_name: str | None


class TransportError(LogosError):
    """The channel between two processes failed."""


class ChannelClosedError(TransportError):
    """The channel was closed while somebody used it."""


class FrameTooLargeError(TransportError):
    """A message is larger than the limit that was set."""


class ProtocolViolationError(TransportError):
    """The peer wrote something that the protocol does not allow. The channel to it was closed."""
