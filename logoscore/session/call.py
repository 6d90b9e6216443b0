"""A call under way: a future of ``concurrent.futures`` that can also be awaited."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from logoscore.errors import CallCancelledError, LogosError
from logoscore.session.execution import current_call, yield_turn
from logoscore.session.outgoing import Waiter, is_expiry

if TYPE_CHECKING:
    pass

__all__ = ["Call"]


class _CancelledError(CallCancelledError, concurrent.futures.CancelledError):
    """What a cancelled call raises: by our name, and by the one that users of futures catch."""


class _FutureWaiter(Waiter):
    """Brings replies to a Call."""

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    def deliver(self, data: bytes) -> bool:
        self._call._settle(data)
        return True

    def fail(self, error: LogosError) -> None:
        self._call._fail(error)

    def abandon(self, error: LogosError) -> None:
        self._call._condition = threading.Condition()
        self._call._fail(error)


class Call(concurrent.futures.Future[Any]):
    """The future result of ``client.submit``.

    ``result(timeout)`` and ``exception(timeout)`` wait; ``await call`` works under asyncio; ``cancel()`` reaches the
    callee, also while it runs. Done-callbacks run on a thread of the client's channel and must not wait.
    """

    def __init__(
        self,
        decode: Callable[[bytes], Any],
        abandon: Callable[[], None],
        timed_out: Callable[[], LogosError],
    ) -> None:
        super().__init__()
        self.waiter = _FutureWaiter(self)
        self._decode = decode
        self._abandon = abandon
        self._timed_out = timed_out

    def _settle(self, data: bytes) -> None:
        try:
            value = self._decode(data)
        except Exception as exc:  # noqa: BLE001 - whatever decoding raises is this call's outcome
            outcome = exc
            self._finish(lambda: self.set_exception(outcome))
        else:
            self._finish(lambda: self.set_result(value))

    def _fail(self, error: LogosError) -> None:
        outcome = self._timed_out() if is_expiry(error) else error
        self._finish(lambda: self.set_exception(outcome))

    @staticmethod
    def _finish(set_outcome: Callable[[], None]) -> None:
        try:
            set_outcome()
        except concurrent.futures.InvalidStateError:
            pass  # cancelled meanwhile
        except BaseException:
            # A done-callback raised what the future does not catch; this thread serves others, too.
            import logging

            logging.getLogger("logoscore").exception("a done-callback of a call raised")

    def cancel(self) -> bool:
        """Give the call up; the callee is told. False if it has its outcome already."""
        if self.cancelled():
            return True
        if not super().cancel():
            return False
        self.set_running_or_notify_cancel()  # or concurrent.futures.wait() would not see it
        self._abandon()
        return True

    def result(self, timeout: float | None = None) -> Any:
        """The result, or what the call raises. Waits at most ``timeout`` seconds (TimeoutError; the call goes on).

        Raises:
            CallCancelledError: it was cancelled.
        """
        try:
            if current_call.get() is None or self.done():
                return super().result(timeout)
            with yield_turn():
                return super().result(timeout)
        except concurrent.futures.CancelledError:
            raise _CancelledError("the call was cancelled by its caller") from None

    def __await__(self) -> Generator[Any, None, Any]:
        import asyncio

        from logoscore.session.turns import give_turn_while

        future = asyncio.wrap_future(self)
        return (yield from give_turn_while(future).__await__())
