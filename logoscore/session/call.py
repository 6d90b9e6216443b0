"""A call under way: a future of ``concurrent.futures`` that can also be awaited."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable, Generator
from typing import Any, Protocol

from logoscore.errors import CallCancelledError, LogosError
from logoscore.locks import Condition
from logoscore.session.execution import current_call, yield_turn
from logoscore.session.future import QuietFuture
from logoscore.session.waiters import ExpiredError, Waiter

__all__ = ["Call", "Origin"]


class _CancelledError(CallCancelledError, concurrent.futures.CancelledError):
    """What a cancelled call raises: by our name, and by the one that users of futures catch."""


def _is_a_signals(exc: BaseException) -> bool:
    """Whether it was raised by a signal's handler, not by the code that it struck: Ctrl-C, or the ``sys.exit`` of one."""
    return isinstance(exc, (KeyboardInterrupt, SystemExit)) and threading.current_thread() is threading.main_thread()


class Origin(Protocol):
    """Who made the call, and what only he knows of it."""

    @property
    def method(self) -> str:
        """Which method it calls."""

    def outcome(self, reply: bytes) -> Any:
        """The value in the reply, or what it says, raised."""

    def abandon(self) -> None:
        """The call was cancelled: tell the callee."""

    def read(self, call: Call, until: int) -> None:
        """Read replies on this thread until ``call`` has its own or ``until``, unless another thread does."""

    def refuse_in_callback(self) -> None:
        """Before a wait: raises StateError on the thread that is to bring what is waited for."""

    def timed_out(self) -> LogosError:
        """The deadline passed: tell the callee; gives the error."""


class Call(QuietFuture, Waiter):
    """The future result of ``client.submit``.

    ``result(timeout)`` and ``exception(timeout)`` wait; ``await call`` works under asyncio; ``cancel()`` reaches the
    callee, also while it runs. Done-callbacks run on a thread of the client's channel and must not wait: while one does,
    no other reply of that channel is read by this thread.
    """

    def __init__(self, origin: Origin) -> None:
        super().__init__()
        self._origin = origin

    # for the channel

    @property
    def method(self) -> str:
        """The method that was called."""
        return self._origin.method

    def deliver(self, data: bytes) -> bool:
        """The reply has come."""
        try:
            value = self._origin.outcome(data)
        except BaseException as exc:
            # Whatever decoding raises is this call's outcome, and no affair of the thread that reads for others, too.
            if _is_a_signals(exc):
                raise  # the reader's call ends, and with it the channel: whoever waits hears of that
            self._finish(self.set_exception, exc)
        else:
            self._finish(self.settle, value)
        return True

    def fail(self, error: LogosError) -> None:
        """There will be no reply."""
        self._finish(self.set_exception, self._origin.timed_out() if isinstance(error, ExpiredError) else error)

    def abandon(self, error: LogosError) -> None:
        """In a forked child: threads that hold the condition are the parent's."""
        self._condition = Condition()  # type: ignore[assignment]  # as in QuietFuture: with what futures use of it
        self.fail(error)

    @staticmethod
    def _finish(set_outcome: Callable[[Any], None], outcome: Any) -> None:
        try:
            set_outcome(outcome)
        except concurrent.futures.InvalidStateError:
            pass  # cancelled meanwhile
        except BaseException as exc:
            # A done-callback raised what the future does not catch; this thread serves others, too.
            if _is_a_signals(exc):
                raise
            import logging

            logging.getLogger("logoscore").exception("a done-callback of a call raised")

    # for a thread that pumps

    @property
    def settled(self) -> bool:
        """Whether there is an outcome."""
        return self.done()

    def read(self, until: int) -> None:
        """Wait for the outcome by reading replies, until ``until`` (monotonic ns), unless another thread reads them.

        Whoever has begun a call with ``reads`` calls this soon, or nobody reads.
        """
        self._origin.read(self, until)

    def cancel(self) -> bool:
        """Give the call up; the callee is told. False if it has its outcome already."""
        if self.cancelled():
            return True
        if not super().cancel():
            return False
        with self._condition:
            first = self._state == "CANCELLED"  # of several threads that cancel it
            if first:
                self.set_running_or_notify_cancel()  # or concurrent.futures.wait() would not see it
        if first:
            self._origin.abandon()
        return True

    def result(self, timeout: float | None = None) -> Any:
        """The result, or what the call raises. Waits at most ``timeout`` seconds; the call itself has its own timeout.

        Raises:
            TimeoutError: the standard library's, no CallTimeoutError: it is not there yet, and the call goes on.
            CallCancelledError: it was cancelled.
            StateError: in a done-callback of a call of the same client, where nobody could bring the result meanwhile (not
                for a ``timeout`` of 0, which does not wait).
        """
        if self._state == "FINISHED" and self._exception is None:
            return self._result
        if timeout != 0 and not self.done():
            self._origin.refuse_in_callback()
        try:
            if current_call.get() is None or self.done():
                return super().result(timeout)
            with yield_turn():
                return super().result(timeout)
        except concurrent.futures.CancelledError:
            raise _CancelledError("the call was cancelled by its caller") from None

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What the call raised, or None. Waits, and raises, as :meth:`result` does."""
        if timeout != 0 and not self.done():
            self._origin.refuse_in_callback()
        return super().exception(timeout)

    def __await__(self) -> Generator[Any, None, Any]:
        import asyncio

        from logoscore.session.turns import give_turn_while

        future = asyncio.wrap_future(self)
        return (yield from give_turn_while(future).__await__())
