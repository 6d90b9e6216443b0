"""What a module shows of itself: its invokable methods, from the moment on when it is loaded, and how calls find them."""

from __future__ import annotations

from typing import Any, Final

from logoscore.errors import (
    CallTimeoutError,
    ChannelClosedError,
    LogosError,
    NotInvokableError,
    ProtocolViolationError,
    UnknownMethodError,
)
from logoscore.interface import MethodInfo
from logoscore.locks import Flag
from logoscore.session.deadlines import seconds_left
from logoscore.session.serving import ServingLink
from logoscore.session.signature import Method, defines, invokable_methods
from logoscore.transport import frame as fr
from logoscore.transport.frame import Frame

__all__ = ["ExposedMethods"]

_LOOK_SECONDS: Final = 0.5  # between two looks whether a caller still waits for a module that is being loaded


class ExposedMethods:
    """The methods of one module.

    Args:
        module: the module's name.
    """

    def __init__(self, module: str) -> None:
        self.by_name: dict[bytes, Method] = {}
        self._module = module
        self._instance: object = None
        self._exposed = Flag()

    def expose(self, instance: object) -> None:
        """From now on calls reach ``instance``; those that came earlier have waited for this."""
        self.by_name.update((name.encode(), found) for name, found in invokable_methods(self._module, instance).items())
        self._instance = instance
        self._exposed.set()

    def infos(self) -> list[MethodInfo]:
        """All of them, sorted by name."""
        return [self.by_name[name].info for name in sorted(self.by_name)]

    def infos_once_loaded(self, frame: Frame, link: ServingLink) -> list[MethodInfo]:
        """The same for a caller who may be early. Raises as :meth:`find` while it waits."""
        self._wait_exposed(frame, link)
        return self.infos()

    def _wait_exposed(self, frame: Frame, link: ServingLink) -> None:
        """Wait until the module is loaded, as long as anybody waits for us."""
        while not self._exposed.wait(min(seconds_left(frame.deadline), _LOOK_SECONDS)):
            if link.closed:
                raise ChannelClosedError(f"{link.peer} is gone")
            if not seconds_left(frame.deadline):
                raise CallTimeoutError(f"{self._module} was not loaded in time", module=self._module)

    def find(self, frame: Frame, link: ServingLink) -> Method:
        """The method that a frame names; where the module is still being loaded, once it is.

        Raises:
            UnknownMethodError: there is none of that name.
            NotInvokableError: it cannot be called by others.
            CallTimeoutError: the module was not loaded before the deadline.
            ChannelClosedError: the caller is gone.
        """
        if not self._exposed.is_set():
            self._wait_exposed(frame, link)
        method = self.by_name.get(frame.name)
        if method is not None:
            return method
        name = frame.name.decode("utf-8", "replace")
        module = self._module
        if name.startswith("_") or defines(self._instance, name):
            reason = "names with an underscore are private" if name.startswith("_") else "it is not marked @invokable"
            raise NotInvokableError(f"{module}.{name} cannot be called: {reason}", module=module, method=name)
        known = ", ".join(sorted(key.decode() for key in self.by_name)) or "none"
        raise UnknownMethodError(f"{module} has no method {name!r}; it has: {known}", module=module, method=name)

    def arguments(self, method: Method, frame: Frame, link: ServingLink) -> tuple[Any, dict[str, Any]]:
        """What a frame says to call ``method`` with.

        Raises:
            InvalidArgumentsError: it does not fit the signature, or cannot be made here.
            ProtocolViolationError: the frame is not in order.
        """
        codec = link.codec
        if frame.codec != codec.ID:
            raise ProtocolViolationError(f"{link.peer} uses codec {frame.codec}, agreed is {codec.ID}")
        head, buffers = fr.split_payload(frame.payload, frame.flags) if frame.flags else (frame.payload, ())
        try:
            return method.arguments(codec, head, buffers, bool(frame.flags & fr.KWARGS))
        except ProtocolViolationError as exc:
            # The frame was in order; a value in it cannot be made here. That is this call's affair alone.
            raise method.invalid(f"its arguments cannot be read: {exc}") from exc
        except (LogosError, Exception):
            raise
        except BaseException as exc:  # a record's own code may raise SystemExit, too
            raise method.invalid(f"its arguments cannot be put together: {type(exc).__name__}") from exc
