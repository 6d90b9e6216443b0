"""The callee: its ModuleProxy stands between the channels and the module's code.

    frame ─▶ token right? ─▶ kind ─▶ method known and invokable? ─▶ decode, check ─▶ the gate ─▶ your method ─▶ reply
              no: AuthenticationError, and not one further byte is looked at

Rules:

* The peer's name is the channel's. The token must be the one that was saved for that very peer.
* Whatever goes wrong ends this call only, with an error that names it. What the module's code raises is a RemoteError;
  LogosErrors of built-in modules pass as they are, because these speak for the platform.
* ``SystemExit`` in a method ends the host, as it would end a program. Anywhere else (arguments put together, a result
  encoded), and in a party of the app's process, it is an error of that call like any other.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

from logoscore.errors import (
    AuthenticationError,
    CallCancelledError,
    CallError,
    LogosError,
    ProtocolViolationError,
    SerializationError,
)
from logoscore.interface import MethodInfo
from logoscore.limits import NO_LIMITS, Limits
from logoscore.session.async_runner import AsyncRunner
from logoscore.session.execution import RunningCall, current_call
from logoscore.session.exposed import ExposedMethods
from logoscore.session.gate import Gate
from logoscore.session.serving import STREAMS, ServingLink
from logoscore.session.signature import NOT_SCALARS, Method
from logoscore.session.streams import OutgoingStream
from logoscore.session.system_methods import SystemMethods
from logoscore.session.wire_errors import noted, remote_error
from logoscore.tokens import TokenManager
from logoscore.transport import frame as fr
from logoscore.transport.frame import CALL, Frame, Header, name_and_payload, unpack_header

__all__ = ["ModuleProxy"]

_set_current_call: Final = current_call.set  # looked up once, as current_call.get in client.py


class _HostEnds(BaseException):
    """A method has said ``sys.exit``: its caller hears of it by the end of the host."""


class ModuleProxy:
    """Checks tokens, dispatches calls.

    Args:
        module: the module's name.
        tokens: which token each peer must present.
        gate: lets calls run.
        transparent: whether LogosErrors of the module's code keep their class (built-in modules).
        on_exit: called with the exit code when the module's code raises SystemExit.
        limits: that this process is under, to be named in errors.
    """

    def __init__(
        self,
        module: str,
        tokens: TokenManager,
        gate: Gate,
        *,
        transparent: bool = False,
        on_exit: Callable[[object], None] | None = None,
        limits: Limits = NO_LIMITS,
    ) -> None:
        self.module = module
        self.limits = limits
        self.gate = gate
        self.calls = 0
        self._tokens = tokens
        self._transparent = transparent
        self._on_exit = on_exit
        self._exposed = ExposedMethods(module)
        self._methods = self._exposed.by_name
        self._runner = AsyncRunner(module, on_exit)
        self._kinds: dict[int, Callable[[Frame, ServingLink], None]] = {
            fr.SYSTEM: SystemMethods(module, tokens, self._exposed.infos_once_loaded).call,
            fr.STREAM_OPEN: self._open_stream,
            fr.STREAM_NEXT: self._next_of_stream,
            fr.STREAM_CLOSE: self._close_stream,
        }

    def expose(self, instance: object) -> None:
        """From now on calls reach ``instance``; those that came earlier have waited for this."""
        self._exposed.expose(instance)

    def methods(self) -> list[MethodInfo]:
        """The invokable methods, sorted by name."""
        return self._exposed.infos()

    # --- frames -----------------------------------------------------------------------------------------------------

    def handle(self, data: bytes, link: ServingLink) -> None:
        """Handle one frame of ``link``'s caller, in the thread that read it.

        Raises:
            ProtocolViolationError: the frame is none; the channel ends.
        """
        try:
            header = unpack_header(data)
        except struct.error:
            raise ProtocolViolationError(f"{link.peer} sent a frame of {len(data)} bytes") from None
        kind, call_id, deadline = header[0], header[4], header[5]
        if not self._tokens.check_valid(link.peer, header[6]):
            self._refuse(link, call_id, deadline)
            return
        if kind != CALL and kind not in self._kinds:
            raise ProtocolViolationError(f"{link.peer} sent a frame of unknown kind {kind}")
        try:
            if kind == CALL:
                self._call(data, header, link)
            else:
                self._kinds[kind](fr.parse_rest(data, header), link)
        except ProtocolViolationError:
            raise
        except LogosError as error:
            link.reply_error(call_id, error, deadline)
        except _HostEnds:
            link.settle(call_id)
        except BaseException as exc:
            # Ours to answer for: nothing of the module's code gets here. The caller must not wait for it.
            import logging

            logging.getLogger("logoscore").exception("%s failed to handle a call from %s", self.module, link.peer)
            text = f"{self.module}: the call failed inside logoscore: {type(exc).__name__}{self.limits.note(exc)}"
            link.reply_error(call_id, CallError(text), deadline)

    def _refuse(self, link: ServingLink, call_id: int, deadline: int) -> None:
        link.refused += 1
        if not link.refused & (link.refused - 1):  # the 1st, 2nd, 4th, 8th …: whoever goes on and on fills no disk
            import logging

            logging.getLogger("logoscore").warning(
                "%s refused a call from %s: its token is not valid (%d so far)", self.module, link.peer, link.refused
            )
        error = AuthenticationError(
            f"{self.module} refused the call from {link.peer}: the token is missing, wrong, revoked or another pair's"
        )
        link.reply_error(call_id, error, deadline)

    # --- calls ------------------------------------------------------------------------------------------------------

    def _call(self, data: bytes, header: Header, link: ServingLink) -> None:  # noqa: C901 - the hot path, in one piece
        # The way of every call: written out where a function of its own would cost more than what it does.
        _, codec, flags, name_length, call_id, deadline, _ = header
        method: Method | None = None
        args: Sequence[Any] | None = None
        kwargs: dict[str, Any] | None = None
        if not flags and codec == link.quick_codec:
            name, payload = name_and_payload(data, name_length)
            method = self._methods.get(name)
            if method is not None and (decode := method.decode_scalars) is not None:
                try:
                    args = decode(payload)
                except NOT_SCALARS:
                    pass
        if method is None or args is None:
            method, args, kwargs = self._method_and_arguments(fr.parse_rest(data, header), link)
        if method.is_async and link.crowded:
            link.wait_for_room()
        gate = self.gate
        call = RunningCall(link.peer, deadline, gate, link.before_wait, [gate])
        link.running[call_id] = call
        if link.early_cancels:
            link.cancel_early(call_id, call)
        if not gate.try_enter():
            call.waited = -1
            if not gate.enter(deadline, call):
                link.settle(call_id)
                return  # the caller has given up long since
            call.waited = 0
        self.calls += 1
        if method.is_async:
            self._start_coroutine(method, args, kwargs or {}, call_id, call, link)
            return
        if gate.limit > 1:
            link.hand_over()
        result: Any = None
        error: LogosError | None = None
        token = _set_current_call(call)
        try:
            try:
                if call.cancelled:
                    error = CallCancelledError(f"{self.module}.{method.name} was cancelled before it ran")
                elif kwargs:
                    result = method.function(*args, **kwargs)
                else:
                    result = method.function(*args)
            except BaseException as exc:  # noqa: BLE001 - user code may raise anything; all of it is this call's result
                try:
                    error = self._raised(exc, method)  # (asks the exception for its text: the module's own code)
                finally:
                    call.end()  # only a result needs it any longer
            finally:
                del args, kwargs  # memory that they were lent is the caller's again before he has the reply
            self._reply(method, call_id, call, link, result, error)
        finally:
            current_call.reset(token)

    def _method_and_arguments(self, frame: Frame, link: ServingLink) -> tuple[Method, Sequence[Any], dict[str, Any]]:
        """What to call with what, for a call that is not of the plainest kind, or is wrong."""
        method = self._exposed.find(frame, link)
        if method.is_stream:
            raise CallError(
                f"{self.module}.{method.name} is a generator: use client.stream({method.name!r}, ...), or, in an interface "
                "for bind(), annotate it as what it is: -> Iterator[...], -> AsyncIterator[...]",
                module=self.module,
                method=method.name,
            )
        return method, *self._exposed.arguments(method, frame, link)

    def _start_coroutine(
        self, method: Method, args: Any, kwargs: dict[str, Any], call_id: int, call: RunningCall, link: ServingLink
    ) -> None:
        try:
            coroutine = method.function(*args, **kwargs)
            self._runner.run(coroutine, call, lambda r, e: self._end(method, call_id, call, link, r, e))
        except BaseException as exc:  # noqa: BLE001 - user code (a decorator) may raise anything
            self._end(method, call_id, call, link, None, exc)

    def _raised(self, exc: BaseException, method: Method) -> LogosError:
        """What a method has raised, as its caller gets it."""
        if isinstance(exc, SystemExit) and self._on_exit is not None:
            self._on_exit(exc.code)
            raise _HostEnds from None
        return self._as_error(exc, method)

    def _as_error(self, exc: BaseException, method: Method) -> LogosError:
        if self._transparent and isinstance(exc, LogosError):
            return exc
        return remote_error(exc, self.module, method.name, self.limits.note(exc))

    def _end(
        self,
        method: Method,
        call_id: int,
        call: RunningCall,
        link: ServingLink,
        result: Any,
        exc: BaseException | None,
    ) -> None:
        """An async method has ended. We are on the loop's thread, which must not wait."""
        error: LogosError | None = None
        if exc is not None:
            try:
                if isinstance(exc, SystemExit) and self._on_exit is not None:
                    self._on_exit(exc.code)
                    link.settle(call_id)
                    return
                if call.cancelled and type(exc).__name__ == "CancelledError":
                    error = CallCancelledError(f"{self.module}.{method.name} was cancelled by {link.peer}")
                else:
                    error = self._as_error(exc, method)
            finally:
                call.end()
        self._reply(method, call_id, call, link, result, error, False)

    def _reply(
        self,
        method: Method,
        call_id: int,
        call: RunningCall,
        link: ServingLink,
        result: Any,
        error: LogosError | None,
        patient: bool = True,
    ) -> None:
        """Send a call's result or error, and end it: in its turn still, so that no other call changes what it returns."""
        try:
            if error is None:
                try:
                    if type(result) is not method.exact_result:
                        result = method.result(result)
                    link.reply(fr.REPLY, call_id, result, call.deadline, "result", patient, call)
                    return
                except LogosError as failure:
                    error = noted(failure, self.limits.note(failure))
                except BaseException as exc:  # noqa: BLE001 - encoding touches the user's objects, which may raise anything
                    said = f"{type(exc).__name__}{self.limits.note(exc)}"
                    text = f"result of {self.module}.{method.name} cannot travel: {said}"
                    error = SerializationError(text, path="result")
            call.end()
            link.reply_error(call_id, error, call.deadline, patient=patient)
        finally:
            call.end()
            link.running.pop(call_id, None)  # last: an unload waits for replies, too
            if link.stalled:
                link.settle(call_id)

    # --- streams ----------------------------------------------------------------------------------------------------

    def _open_stream(self, frame: Frame, link: ServingLink) -> None:
        if frame.call_id in link.streams:
            raise ProtocolViolationError(f"{link.peer} opened the stream {frame.call_id} twice")
        if len(link.streams) >= STREAMS:
            raise CallError(f"{link.peer} has {STREAMS} streams of {self.module} open: close some", module=self.module)
        method = self._exposed.find(frame, link)
        if method.nothing_to_stream is not None:
            raise CallError(
                f"{self.module}.{method.name} {method.nothing_to_stream}: use client.call({method.name!r}, ...)",
                module=self.module,
                method=method.name,
            )
        args, kwargs = self._exposed.arguments(method, frame, link)
        try:
            stream = OutgoingStream(
                method, args, kwargs, frame.call_id, link, self.gate, self._as_error, self._runner, self._on_exit
            )
        except BaseException as exc:  # noqa: BLE001 - a decorator of the user's around the generator
            raise self._as_error(exc, method) from None
        self.calls += 1
        link.streams[frame.call_id] = stream
        self._next_of_stream(frame, link)

    def _next_of_stream(self, frame: Frame, link: ServingLink) -> None:
        stream = link.streams.get(frame.call_id)
        if stream is not None:
            link.hand_over()  # producing may take long, and this channel has other calls
            stream.produce()

    def _close_stream(self, frame: Frame, link: ServingLink) -> None:
        stream = link.streams.pop(frame.call_id, None)
        if stream is not None:
            link.hand_over()  # likewise: the generator's own code runs
            stream.close()

    def loop_beat(self) -> int | None:
        """A number that changes while the event loop comes round; None if there is no loop."""
        return self._runner.beat()

    def close(self) -> None:
        """No more async methods: their loop ends."""
        self._runner.stop()
