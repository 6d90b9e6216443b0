"""The calls of one channel that wait for replies, and how whoever reads these tells their waiters.

Telling a waiter may run code of the user's: the done-callbacks of a future. While that waits for room in the request ring,
the replies have to be read on, or the callee might wait for room, too: his thread, which leads, puts aside what comes. They
are handed over in their turn, when he has come back.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final, TypeVar

from logoscore.errors import LogosError, ProtocolViolationError
from logoscore.session.waiters import Waiter
from logoscore.transport.frame import HEADER_SIZE, call_id_of
from logoscore.transport.receiver import Receiver

__all__ = ["Pending"]

_MOST_ASIDE: Final = 64 << 20  # bytes; what comes then waits in the ring
_A = TypeVar("_A")
_R = TypeVar("_R")


class Pending:
    """Of one channel.

    Args:
        peer: the callee's name.

    Attributes:
        waiters: by call id.
    """

    def __init__(self, peer: str) -> None:
        self.waiters: dict[int, Waiter] = {}
        self._peer = peer
        self._telling: set[int] = set()  # threads
        self._aside: deque[bytes] = deque()
        self._aside_size = 0

    @property
    def telling(self) -> bool:
        """Whether this thread is telling somebody just now, and so is perhaps inside a callback of his."""
        return threading.get_ident() in self._telling

    def _tell(self, tell: Callable[[_A], _R], what: _A) -> _R:
        me = threading.get_ident()
        try:
            self._telling.add(me)
            return tell(what)
        finally:
            self._telling.discard(me)

    # --- replies ----------------------------------------------------------------------------------------------------

    def deliver(self, data: bytes, own: int = 0) -> bytes | None:
        """Hand a reply over, and those that were put aside meanwhile. Returns that of these which is to the call ``own``.

        Raises:
            ProtocolViolationError: it is no reply.
        """
        self._hand_over(data)
        return self.take_aside(own)

    def _hand_over(self, data: bytes) -> None:
        if len(data) < HEADER_SIZE:
            raise ProtocolViolationError(f"{self._peer} sent a reply of {len(data)} bytes")
        call_id = call_id_of(data)
        waiter = self.waiters.get(call_id)
        if waiter is not None and self._tell(waiter.deliver, data):
            self.waiters.pop(call_id, None)

    def put_aside(self, receiver: Receiver) -> None:
        """Whatever has come, without waiting. Raises as :meth:`Receiver.receive`."""
        while self._aside_size < _MOST_ASIDE and (data := receiver.receive(0)) is not None:
            self._aside.append(data)
            self._aside_size += len(data)

    def take_aside(self, own: int = 0) -> bytes | None:
        """What was put aside, as :meth:`deliver` does it."""
        reply = None
        while self._aside:
            data = self._aside.popleft()
            self._aside_size = (
                self._aside_size - len(data) if self._aside else 0
            )  # (a signal may have come between the two)
            if own and call_id_of(data) == own:
                reply = data
            else:
                self._hand_over(data)
        return reply

    def begun_before(self, call_id: int) -> list[str]:
        """The methods of the calls that were begun before that one and still wait for replies, oldest first: for errors."""
        waiters = dict(self.waiters)
        earlier = [waiters[number] for number in sorted(waiters) if number < call_id]
        return [method for waiter in earlier if (method := waiter.method) is not None]

    # --- instead of replies -----------------------------------------------------------------------------------------

    def fail(self, call_id: int, error: LogosError) -> None:
        """There will be none for this call. Nothing happens if nobody waits for it any more."""
        waiter = self.waiters.pop(call_id, None)
        if waiter is not None:
            self._tell(waiter.fail, error)

    def fail_all(self, error: Callable[[], LogosError]) -> None:
        """There will be none any more: everybody gets an error of his own."""
        while self.waiters:
            try:
                _, waiter = self.waiters.popitem()
            except KeyError:
                return  # another thread has told the last one
            self._tell(waiter.fail, error())
