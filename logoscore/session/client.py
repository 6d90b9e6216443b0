"""LogosAPIClient: how one party calls another and hears its events.

    call ─▶ connect if need be: token from the capability module, channel from the core
         ─▶ encode ─▶ frame with token and deadline ─▶ CallLink ─▶ reply ─▶ decode, or raise what it says

Rules: a client is made at once and connected by its first call; when its channel was closed (the module was reloaded,
restarted, or the token revoked) the next call connects again, once. A call that was under way then is not repeated: only
its maker knows whether that is safe.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from logoscore.errors import (
    CallTimeoutError,
    LogosError,
    ModuleCrashedError,
    ModuleNotLoadedError,
    SerializationError,
)
from logoscore.interface import Event, MethodInfo
from logoscore.locks import Flag
from logoscore.session.connection import Connection
from logoscore.session.deadlines import deadline_after, seconds_left
from logoscore.session.execution import RunningCall, current_call, running_call, yield_turn
from logoscore.session.on_event import listen
from logoscore.session.outgoing import CallLink
from logoscore.session.replies import named, no_reply, read_value
from logoscore.session.streams import IncomingStream, Stream
from logoscore.session.subscription import Overflow, Subscription
from logoscore.session.system_methods import GET_METHODS
from logoscore.transport import frame as fr
from logoscore.transport.frame import CALL, make_frame, plain_payload

if TYPE_CHECKING:
    from logoscore.session.call import Call
    from logoscore.session.node import Node

__all__ = ["LogosAPIClient"]

_T = TypeVar("_T")
_now = time.monotonic_ns
_current_call = current_call.get  # looked up once: a bound method of an imported object is not for the hot path


class LogosAPIClient(Connection):
    """Calls one module and hears its events, on behalf of one party. Thread-safe. Made by ``LogosAPI.get_client``."""

    def __init__(self, node: Node, target: str) -> None:
        super().__init__(node, target)
        self._default_ns = deadline_after(node.default_timeout) - _now()

    # --- calls ------------------------------------------------------------------------------------------------------

    def call(self, method: str, *args: Any, timeout: float | None = None) -> Any:
        """Call ``method`` and wait for its result.

        Args:
            timeout: seconds; None: the default (20), or inside a call what is left of its deadline. A nested call never
                gets more than that.

        Raises:
            UnknownModuleError, ModuleNotLoadedError: there is nobody to call.
            PermissionDeniedError: the policy said no.
            UnknownMethodError, InvalidArgumentsError, SerializationError: the call cannot be made like this.
            RemoteError: the method raised.
            CallTimeoutError: no reply until the deadline; the module was told.
            ModuleCrashedError, ChannelClosedError: the module ended meanwhile.
            StateError: not now: there is no running core, or this is a done-callback of the same client.
        """
        return self._call(CALL, method, args, None, timeout)

    def _call(
        self, kind: int, method: str, args: tuple[Any, ...], kwargs: dict[str, Any] | None, timeout: float | None
    ) -> Any:
        # The way of every call: written out where a function of its own would cost more than what it does.
        running = _current_call()
        if running is not None and running.ended:
            running = None
        if timeout is None:
            deadline = _now() + self._default_ns
            if running is not None and running.deadline < deadline:
                deadline = running.deadline
        else:
            deadline = self._deadline(timeout, running)
        link = self._link
        if link is None or link.sender.error is not None:
            link = self._reach(method, timeout, deadline)
        call_id = next(link.ids)
        frame = self._frame(link, kind, method, args, kwargs, call_id, deadline)
        try:
            reply = link.roundtrip(call_id, frame, deadline, running)
        except LogosError:
            raise
        except BaseException:
            # A signal handler raised (Ctrl-C, say). Just then a reply to somebody else may have been in our hands: the
            # next call opens another channel, and the core closes this one, so that he does not wait for it in vain.
            self._link = None
            self._node.cancel(link.link, call_id)
            raise
        if reply is None:
            self._node.cancel(link.link, call_id)
            raise self._timed_out(method, timeout, link.begun_before(call_id))
        return self._outcome(reply, link, method, timeout, deadline)

    def _deadline(self, timeout: float | None, call: RunningCall | None) -> int:
        """By when a call must have ended that we make inside ``call`` (None: inside none)."""
        if timeout is None:
            deadline = _now() + self._default_ns
            return deadline if call is None or deadline < call.deadline else call.deadline
        if not isinstance(timeout, (int, float)) or isinstance(timeout, bool) or timeout != timeout or timeout < 0:
            raise ValueError(f"timeout is a number of seconds of at least 0, or None, not {timeout!r}")
        deadline = deadline_after(timeout)
        return deadline if call is None else min(deadline, call.deadline)

    def _frame(
        self,
        link: CallLink,
        kind: int,
        method: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None,
        call_id: int,
        deadline: int,
    ) -> bytes | list[bytes | memoryview]:
        try:
            head, buffers = link.codec.encode_arguments(args, kwargs)
        except SerializationError as exc:
            raise named(exc, self._target, method) from None
        if type(method) is not str and not isinstance(method, str):  # (the first saves a call)
            raise TypeError(f"a method's name is a str, not {type(method).__name__}")
        flags = fr.KWARGS if kwargs else 0
        token = self._node.tokens.held_bytes(self._module) or self._token(deadline)
        if not buffers:
            return make_frame(kind, link.codec_id, flags, call_id, deadline, token, method, head)
        start = make_frame(kind, link.codec_id, flags | fr.BUFFERS, call_id, deadline, token, method, b"")
        # (A stream's deadline is none; for its memory it waits as long as for anything else.)
        until = deadline if deadline < fr.FOREVER else _now() + self._default_ns
        return self._node.lending.frame(link.sender, start, head, buffers, until)

    def _outcome(self, reply: bytes, link: CallLink, method: str, timeout: float | None, deadline: int) -> Any:
        """The value in the reply to a call, or the error that it carries, raised."""
        payload = plain_payload(reply, link.plain_reply)
        if payload is not None:
            try:
                return link.codec.decode(payload)
            except SerializationError as exc:
                raise named(exc, self._target, method) from None
        if reply[0] == fr.ERROR and _now() >= deadline:
            # What went wrong is that our own time was over: a nested call, which has no more than ours, says so first.
            raise self._timed_out(method, timeout)
        return read_value(reply, link.codec, self._target, method, link.peer)

    def _timed_out(self, method: str, timeout: float | None, earlier: Sequence[str] = ()) -> CallTimeoutError:
        return no_reply(self._target, method, self._node.default_timeout if timeout is None else timeout, earlier)

    def _reach(self, method: str, timeout: float | None, deadline: int) -> CallLink:
        """The channel; where it is not opened in time, the error is the call's, and says who was waited for."""
        try:
            return self._connected(deadline)
        except CallTimeoutError as exc:
            who = "another thread" if exc.module == self._target else exc.module
            text = f"{self._timed_out(method, timeout)}: it was not reached, {who} was still opening the channel"
            raise CallTimeoutError(text, module=self._target, method=method) from None

    # --- connecting -------------------------------------------------------------------------------------------------

    def wait_ready(self, timeout: float | None = None) -> None:
        """Wait until the module is loaded and can be called, by a restart or by whomever.

        One that was given up is waited for, too, since anybody may load it.

        Raises:
            CallTimeoutError: it was not within ``timeout`` seconds (None: the default timeout).
            UnknownModuleError: nobody knows it.
            PermissionDeniedError: the policy said no.
        """
        limit = self._node.default_timeout if timeout is None else timeout
        deadline = self._deadline(timeout, running_call())
        pause = Flag()
        reason = ""
        while True:
            try:
                self._connected(deadline)
                self._node.await_loaded(self._target, deadline)
                return
            except (ModuleNotLoadedError, ModuleCrashedError) as exc:  # it may crash just while we connect
                reason = f": {exc}"
            except CallTimeoutError:
                pass  # as below
            if seconds_left(deadline) <= 0:
                raise CallTimeoutError(
                    f"{self._target} was not loaded in time ({limit:g} s){reason}",
                    module=self._target,
                    method="wait_ready",
                )
            # Not a wait for a state that somebody could announce to us: it may be loaded at any time, by anybody.
            with yield_turn():
                pause.wait(min(0.02, seconds_left(deadline)))

    # --- asynchronous calls -----------------------------------------------------------------------------------------

    def submit(self, method: str, *args: Any, timeout: float | None = None) -> Call:
        """Begin a call; returns a ``concurrent.futures.Future`` that can also be awaited.

        The first call to a module connects, and one after its reload does so again: that, or a full ring, may take until the
        deadline, also on an event loop.

        Where the module cannot be reached, or an argument cannot travel (SerializationError), that is raised here; all
        else by the future: InvalidArgumentsError, too, since only the module knows its method. ``cancel()`` reaches the
        callee.

        Done-callbacks run on the thread that reads the replies of this module, as those of an executor run on its worker:
        they may submit further calls, but what waits in one (for a lock, the network) holds up every other reply. A
        module whose replies are not read for 20 s closes the channel: ChannelClosedError. Waiting there for a reply of
        the same module (``call``, ``result()``) could never end, and is a StateError.
        """
        return self._submit(method, args, None, timeout)

    def begin(self, method: str, *args: Any) -> Call:
        """:meth:`submit` for a thread that is soon going to call ``read()`` of what this returns: nobody else reads."""
        return self._submit(method, args, None, None, reads=True)

    def _submit(
        self,
        method: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None,
        timeout: float | None,
        *,
        reads: bool = False,
    ) -> Call:
        from logoscore.session.call import Call

        running = running_call()
        deadline = self._deadline(timeout, running)
        link = self._reach(method, timeout, deadline)
        call_id = next(link.ids)
        frame = self._frame(link, fr.CALL, method, args, kwargs, call_id, deadline)
        call = Call(_Request(self, link, call_id, method, timeout, deadline))
        try:
            if running is None:
                link.start(call_id, call, frame, deadline, deadline, reads=reads)
            else:
                with yield_turn():
                    link.start(call_id, call, frame, deadline, deadline)
        except TimeoutError:
            raise self._timed_out(method, timeout) from None
        return call

    def stream(self, method: str, *args: Any) -> Stream:
        """Call a generator method, sync or async; returns an iterator over its items (also for ``async for``).

        At most 16 items are under way; the generator rests while nobody takes them. Each item must come within the
        default timeout (``Core(default_timeout=...)``). ``close()``, or leaving a ``with`` block, ends it early.
        """
        deadline = self._deadline(None, running_call())
        link = self._reach(method, None, deadline)
        call_id = next(link.ids)

        def send(kind: int) -> None:
            if kind == fr.STREAM_CLOSE:
                link.forget(call_id)
            token = self._node.tokens.held_bytes(self._module) or fr.NO_TOKEN
            frame = make_frame(kind, link.codec_id, 0, call_id, fr.FOREVER, token, "", b"")
            try:
                link.send(frame, deadline_after(self._node.default_timeout))
            except (LogosError, TimeoutError):
                if kind != fr.STREAM_CLOSE:
                    raise

        incoming = IncomingStream(send)
        frame = self._frame(link, fr.STREAM_OPEN, method, args, None, call_id, fr.FOREVER)
        try:
            with yield_turn():
                link.start(call_id, incoming, frame, deadline, fr.FOREVER)
        except TimeoutError:
            raise self._timed_out(method, None) from None
        what = f"{self._target}.{method}"
        return Stream(
            incoming,
            self._node.default_timeout,
            lambda data: read_value(data, link.codec, self._target, method, link.peer),
            what,
            self._node.threads,
        )

    # --- introspection and typed views ------------------------------------------------------------------------------

    def methods(self) -> list[MethodInfo]:
        """The module's invokable methods, sorted by name."""
        return cast("list[MethodInfo]", self._call(fr.SYSTEM, GET_METHODS.decode(), (), None, None))

    def system(self, method: str, *args: Any) -> Any:
        """Call the target's ModuleProxy itself. For the built-in modules."""
        return self._call(fr.SYSTEM, method, args, None, None)

    def bind(self, interface: Callable[..., _T]) -> _T:
        """A typed view: an object with the methods of ``interface`` (a Protocol or any class), each of which calls.

        ``def`` methods call and wait, ``async def`` methods return awaitables, generator methods stream. Defaults and
        keyword arguments are those of the interface; results of annotated methods are converted to the annotation. In a
        Protocol, a generator method is one whose annotation says so: ``-> Iterator[int]``, ``-> AsyncIterator[int]``.

        Each call has the default timeout (``Core(default_timeout=...)``, and inside a call what is left of that); for
        another one take :meth:`call` or :meth:`submit`.

        Raises:
            TypeError: ``interface`` is no class, or has no public methods.
        """
        from logoscore.session.binding import bind

        return bind(self, interface)

    # --- events -----------------------------------------------------------------------------------------------------

    def subscribe(self, event: str | None = None, *, maxsize: int = 1024, overflow: Overflow = "block") -> Subscription:
        """Hear the module's events from now on; it need not be loaded yet, and may be unloaded: that is waited out.

        Should it crash and not be restarted, whoever waits for an event gets ModuleCrashedError (see Subscription).

        Args:
            event: its name; None: every event.
            maxsize: how many events may wait here.
            overflow: what happens beyond that: "block", "drop_oldest", "drop_newest" or "disconnect".

        Raises:
            UnknownModuleError: nobody knows the module.
            PermissionDeniedError: the policy said no.
        """
        return self._node.subscribe(self._target, event, maxsize, overflow)

    def on_event(self, event: str | None, callback: Callable[[Event], Any]) -> Subscription:
        """Call ``callback(event)`` for every such event, one after the other, on a thread of ours (not always the same).

        ``cancel()`` ends it. In a module the callback takes its turn like a call does. What it raises is logged.
        """
        if not callable(callback):
            raise TypeError(f"a callback is callable; {type(callback).__name__} is not")
        return listen(self._node, self._target, event, callback)


class _Request(msgspec.Struct, eq=False):
    """One submitted call, as its future needs it (``call.Origin``)."""

    client: LogosAPIClient
    link: CallLink
    call_id: int
    method: str
    timeout: float | None
    deadline: int

    def outcome(self, reply: bytes) -> Any:
        return self.client._outcome(reply, self.link, self.method, self.timeout, self.deadline)

    def abandon(self) -> None:
        self.link.forget(self.call_id)
        self.client._node.cancel(self.link.link, self.call_id)

    def read(self, call: Call, until: int) -> None:
        self.link.read(call, until)

    def refuse_in_callback(self) -> None:
        self.link.refuse_in_callback()

    def timed_out(self) -> LogosError:
        self.client._node.cancel(self.link.link, self.call_id)
        return self.client._timed_out(self.method, self.timeout, self.link.begun_before(self.call_id))
