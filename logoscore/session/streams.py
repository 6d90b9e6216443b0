"""Generator methods, item by item, with back-pressure.

    caller                                       callee
    STREAM_OPEN method, args ──────────────────▶ generator made, WINDOW items may be sent
    ◀────────────────────────────── STREAM_ITEMS one frame per item, as soon as it is there
    STREAM_NEXT ───────────────────────────────▶ half a window more, whenever half was consumed
    ◀──────────────────────── STREAM_END / ERROR
    STREAM_CLOSE (the caller stops early) ─────▶ generator closed

Rules: the generator runs only while there is credit, one item per turn of the gate, so other calls get theirs between
two items. A stream has no deadline of its own; each item must come within the client's.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from logoscore.errors import CallTimeoutError, LogosError, SerializationError
from logoscore.locks import Condition
from logoscore.session.deadlines import deadline_after
from logoscore.session.execution import RunningCall, current_call, yield_turn
from logoscore.session.gate import Gate
from logoscore.session.signature import Method
from logoscore.session.waiters import Waiter
from logoscore.session.wire_errors import class_name, noted
from logoscore.transport.frame import ERROR, FOREVER, HEADER, STREAM_CLOSE, STREAM_END, STREAM_ITEMS, STREAM_NEXT

if TYPE_CHECKING:
    from logoscore.session.async_runner import AsyncRunner
    from logoscore.session.serving import ServingLink
    from logoscore.session.threads import ThreadGroup

__all__ = ["WINDOW", "IncomingStream", "OutgoingStream", "Stream"]

WINDOW: Final = 16
"""Items that are under way at most."""
_HALF: Final = WINDOW // 2
_SEND_SECONDS: Final = 20.0


class OutgoingStream:
    """The callee's side of one stream."""

    def __init__(
        self,
        method: Method,
        args: Any,
        kwargs: dict[str, Any],
        call_id: int,
        link: ServingLink,
        gate: Gate,
        as_error: Callable[[BaseException, Method], LogosError],
        runner: AsyncRunner,
        on_exit: Callable[[object], None] | None,
    ) -> None:
        self._method = method
        self._on_exit = on_exit
        self._in_code = False
        self._produced = 0
        self._items: Iterator[Any] = self._iterate(method, args, kwargs, runner)
        self._call_id = call_id
        self._link = link
        self._gate = gate
        self._as_error = as_error
        self._call = RunningCall(link.peer, FOREVER, gate, None, [], stopped=True)  # until its first item is asked for
        self._lock = threading.Lock()
        self._credit = 0
        self._granted = False
        self._producing = False
        self._closed = False

    def _iterate(self, method: Method, args: Any, kwargs: dict[str, Any], runner: AsyncRunner) -> Iterator[Any]:
        if method.is_async_stream:
            return _from_async(method.function(*args, **kwargs), runner)
        if method.is_stream:
            return iter(method.function(*args, **kwargs))
        return self._iterate_result(method, args, kwargs)

    @staticmethod
    def _iterate_result(method: Method, args: Any, kwargs: dict[str, Any]) -> Generator[Any, None, None]:
        """A method that is no generator, but returns something to iterate over."""
        result = method.function(*args, **kwargs)
        if isinstance(result, (str, bytes)) or not isinstance(result, Iterable):
            raise TypeError(
                f"{method.name} returns {type(result).__name__}, which is nothing to stream: use client.call"
            )
        yield from result

    def produce(self) -> None:
        """Grant half a window (the first time a whole one), and send items while there is credit."""
        with self._lock:
            self._credit += _HALF if self._granted else WINDOW
            self._granted = True
            if self._producing or self._closed:
                return
            self._producing = True
        while True:
            with self._lock:
                if self._closed or not self._credit:
                    self._producing = False
                    break
                self._credit -= 1
            if not self._send_next():
                self._link.streams.pop(self._call_id, None)
                self._closed = True
                break
        if self._closed:
            self._close_items()

    def _send_next(self) -> bool:
        """Send one item. False at the end of the stream."""
        deadline = deadline_after(_SEND_SECONDS)
        try:
            item = self._produce_next()
        except StopIteration:
            self._link.reply(STREAM_END, self._call_id, None, deadline)
            return False
        except SystemExit as exc:
            if self._on_exit is not None:
                self._on_exit(exc.code)
            return False
        except BaseException as exc:  # noqa: BLE001 - user code may raise anything; it is the stream's end
            if self._call.cancelled:
                return False  # because its caller wants no more: nobody listens
            self._link.reply_error(self._call_id, self._as_error(exc, self._method), deadline)
            return False
        try:
            # False: the caller is gone, or has not read for so long that an item would be lost.
            return self._link.reply(STREAM_ITEMS, self._call_id, item, deadline, "item")
        except LogosError as error:
            self._link.reply_error(self._call_id, noted(error, self._link.limit_note(error)), deadline)
        except BaseException as exc:  # noqa: BLE001 - encoding touches the user's objects, which may raise anything
            text = f"an item of {self._method.name} cannot travel: {class_name(exc)}{self._link.limit_note(exc)}"
            self._link.reply_error(self._call_id, SerializationError(text, path="item"), deadline)
        return False

    def _produce_next(self) -> Any:
        self._gate.enter()
        self._call.go_on(self._gate)
        token = current_call.set(self._call)
        self._in_code = not self._method.is_async_stream
        try:
            return next(self._items)
        finally:
            self._in_code = False
            self._produced += 1
            current_call.reset(token)
            self._call.stop()  # a task of it may wait, and have given the turn away: so not simply the gate's leave()

    @property
    def progress(self) -> int | None:
        """A number that rises with what the generator does; None while its code does not run in a thread."""
        return self._produced + self._call.waited if self._in_code and self._call.has_turn else None

    def close(self) -> None:
        """The caller wants no more."""
        self._call.cancel()
        with self._lock:
            self._closed = True
            if self._producing:
                return  # whoever produces now closes the generator
        self._close_items()

    def _close_items(self) -> None:
        close = getattr(self._items, "close", None)
        if close is None:
            return
        self._gate.enter()
        try:
            close()
        except BaseException:
            import logging

            logging.getLogger("logoscore").exception("closing the stream %s raised", self._method.name)
        finally:
            self._gate.leave()


def _from_async(items: AsyncGenerator[Any, Any], runner: AsyncRunner) -> Generator[Any, None, None]:
    """An async generator, driven from a thread."""
    from logoscore.session.async_runner import LoopEndedError

    call = current_call.get()

    async def step() -> Any:
        current_call.set(call)
        if call is not None:
            call.loop_thread = threading.get_ident()
            if call.waits:
                call.give_turn()  # tasks of it wait since an earlier item; the last of them gets it back
        return await anext(items)

    try:
        while True:
            try:
                yield runner.complete(step(), call)
            except StopAsyncIteration:
                return
    finally:
        with contextlib.suppress(LoopEndedError):  # its end has closed all generators
            runner.complete(_aclose(items))


async def _aclose(items: AsyncGenerator[Any, Any]) -> None:
    await items.aclose()


class IncomingStream(Waiter):
    """What arrives of a stream, until somebody takes it. Known to the channel; the user holds a :class:`Stream`.

    Args:
        send: sends a frame of that kind for this stream; called without a lock held.
    """

    __slots__ = ("_arrived", "_error", "_frames", "_send", "_taken", "ended")

    def __init__(self, send: Callable[[int], None]) -> None:
        self._send = send
        self._arrived = Condition()
        self._frames: deque[bytes] = deque()
        self._error: LogosError | None = None
        self._taken = 0
        self.ended = False

    def deliver(self, data: bytes) -> bool:
        """Called by whoever reads the channel."""
        with self._arrived:
            if not self.ended:
                self._frames.append(data)
                self._arrived.notify()
        return HEADER.unpack_from(data)[0] in {STREAM_END, ERROR}

    def fail(self, error: LogosError) -> None:
        """Likewise: nothing comes any more."""
        with self._arrived:
            self._error = error
            self._arrived.notify()

    def abandon(self, error: LogosError) -> None:
        """In a forked child."""
        self._arrived = Condition()
        self._frames.clear()
        self._error = error

    def take(self, timeout: float) -> bytes | None:
        """The next frame; None if none came in time, or the stream has ended. Raises what ended the channel."""
        if not self._frames and not self.ended and self._error is None:
            # (The lock is free again before a turn is waited for: whoever delivers must never wait for user code.)
            with yield_turn(), self._arrived:
                self._arrived.wait_for(lambda: self._frames or self.ended or self._error is not None, timeout)
        with self._arrived:
            if self._frames:
                data = self._frames.popleft()
            elif self._error is not None and not self.ended:
                self.ended = True
                error, self._error = self._error, None  # or its traceback keeps our user, and so us
                raise error
            else:
                return None
        if HEADER.unpack_from(data)[0] != STREAM_ITEMS:
            self.ended = True
            return data
        self._taken += 1
        if self._taken % _HALF == 0:
            with contextlib.suppress(LogosError, TimeoutError):  # the item is there; what is wrong shows at the next
                self._send(STREAM_NEXT)
        return data

    def close(self) -> None:
        """Nobody wants more. Idempotent."""
        with self._arrived:
            if self.ended:
                return
            self.ended = True
            self._frames.clear()
            self._arrived.notify()
        self._send(STREAM_CLOSE)


class Stream(Iterator[Any]):
    """The caller's side: an iterator over what a generator method yields. Also usable with ``async for``.

    Leaving a ``with`` (or ``async with``) block, :meth:`close`, or letting go of it ends it early and tells the callee.
    """

    def __init__(
        self,
        incoming: IncomingStream,
        timeout: float,
        decode: Callable[[bytes], Any],
        what: str,
        threads: ThreadGroup,
    ) -> None:
        self._incoming = incoming
        self._timeout = timeout
        self._decode = decode
        self._what = what
        # On a thread of its own: the collector may run anywhere, also where the channel's lock is held.
        self._finalizer = weakref.finalize(self, threads.start_or_postpone, incoming.close, "logos-close-stream")
        self._finalizer.atexit = False

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Any:
        data = self._incoming.take(self._timeout)
        if data is None:
            if self._incoming.ended:
                raise StopIteration
            self.close()
            raise CallTimeoutError(f"{self._what}: no item came within {self._timeout:g} s")
        kind = HEADER.unpack_from(data)[0]
        if kind == STREAM_END:
            raise StopIteration
        return self._decode(data)  # (of an error: raises it)

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Any:
        import asyncio

        nothing = object()
        item = await asyncio.to_thread(next, self, nothing)
        if item is nothing:
            raise StopAsyncIteration
        return item

    def close(self) -> None:
        """End the stream early. Idempotent."""
        self._finalizer.detach()
        self._incoming.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(self, *_: object) -> None:
        import asyncio

        await asyncio.to_thread(self.close)  # it says so to the callee, and may have to wait for room
