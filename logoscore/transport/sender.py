"""The writing end of a channel's direction: messages into records, and waiting for room."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from logoscore.errors import FrameTooLargeError, LogosError, ProtocolViolationError
from logoscore.locks import Attempt
from logoscore.transport.buffers import Lender, LentFrame
from logoscore.transport.direction import MAX_MESSAGE, Direction
from logoscore.transport.ring import FIRST, LENT, MORE, PureRingWriter, RingWriter
from logoscore.transport.segment import Semaphore

__all__ = ["Sender"]

_RECHECK: Final = 0.005  # seconds after which a writer first looks at a full ring again; doubles up to _RECHECK_MAX
_RECHECK_MAX: Final = 0.1
_LOCK_LOOK: Final = 0.02

_now = time.monotonic_ns


class Sender(Direction):
    """The writing end.

    A whole message is written by one step of the compiled ring, for which nobody needs the lock. That is for whoever takes
    several: with lent memory, in pieces, waiting for room, or with the ring in Python. While a message goes in pieces,
    ``ring.in_pieces`` keeps whole ones out.
    """

    lock: threading.Lock

    def __init__(self, ring: RingWriter, data: Semaphore, room: Semaphore) -> None:
        super().__init__(data, room)
        self.ring = ring
        self._attempt = Attempt(self.lock)
        self._in_one_step = not isinstance(ring, PureRingWriter)
        self.lender: Lender | None = None
        self._episode = 0
        #: Called now and then in a thread that waits: for room, or for another that does.
        self.meanwhile: Callable[[], None] | None = None

    def send(self, message: bytes, deadline: int) -> None:
        """Send one message; waits for room until ``deadline`` (monotonic ns). Any number of threads may send.

        Raises:
            TimeoutError: there was no room in time. The message is dropped as a whole.
            FrameTooLargeError: it has more than MAX_MESSAGE bytes.
            LogosError: what closed the channel.
            ProtocolViolationError: the reader published an impossible cursor.
        """
        if not self.try_send(message):
            self.send_parts((message,), deadline)

    def try_send(self, message: bytes) -> bool:
        """Send one message without waiting. False if it would have to wait, or is too long for one record.

        Raises: as :meth:`send`, but for TimeoutError.
        """
        if self.error is not None:
            raise self.closed_error()
        if not self._in_one_step:
            return self._try_send_locked(message)
        try:
            if not self.ring.write_whole(message):
                return False
            self.data.post()
            return True
        except OSError as exc:
            raise _at_its_limit(exc) from None
        except ValueError:
            if self.error is None:
                raise
            raise self.closed_error() from None  # and disposed of, since it was looked at

    def _try_send_locked(self, message: bytes) -> bool:
        """The same with the ring in Python, which writes a record step by step: under the lock."""
        with self._attempt as mine:
            try:
                if not mine:
                    return False
                if self.error is not None:
                    raise self.closed_error()
                if not self.ring.write_whole(message):
                    return False
                self._post()
                return True
            finally:
                if mine:
                    self.lock.release()

    def _post(self) -> None:
        try:
            self.data.post()
        except OSError as exc:
            raise _at_its_limit(exc) from None

    def send_parts(self, parts: Sequence[bytes | memoryview], deadline: int) -> None:
        """Like :meth:`send` for a message in several pieces, which are not joined first."""
        while not self._try_send_parts(parts, deadline):
            if _now() >= deadline:
                raise TimeoutError("another message was being sent until the deadline")
            if self.meanwhile is not None:
                self.meanwhile()

    def _try_send_parts(self, parts: Sequence[bytes | memoryview], deadline: int) -> bool:
        """False: others were sending for a while, or until the deadline."""
        attempt = Attempt(self.lock, min(max(deadline - _now(), 0) / 1e9, _LOCK_LOOK))
        with attempt as mine:
            try:
                if not mine:
                    return False
                if self.error is not None:
                    raise self.closed_error()
                if isinstance(parts, LentFrame):
                    self._send_lent(parts, deadline)
                else:
                    self._send_pieces(parts, deadline)
                return True
            finally:
                if mine:
                    attempt.release()

    def try_send_lent(self, frame: LentFrame) -> bool:
        """:meth:`try_send` for a frame with lent memory, of any length."""
        with self._attempt as mine:
            try:
                if not mine:
                    return False
                if self.error is not None:
                    raise self.closed_error()
                record = b"".join(frame)
                if len(record) > self.ring.max_payload:
                    return False
                frame.loan.send()
                if not self.ring.write(record, FIRST | LENT):
                    frame.loan.unsent()
                    return False
                self._post()
                return True
            finally:
                if mine:
                    self.lock.release()

    def _send_lent(self, frame: LentFrame, deadline: int) -> None:
        # In this order: what strikes between the two must not make free what the reader has got.
        frame.loan.send()
        try:
            self._send_pieces((b"".join(frame),), deadline, FIRST | MORE | LENT)
        except (LogosError, TimeoutError):
            frame.loan.unsent()
            raise

    def _send_pieces(self, parts: Sequence[bytes | memoryview], deadline: int, flags: int = FIRST | MORE) -> None:
        """Cut the parts into records. The first has FIRST, all but the last have MORE."""
        total = sum(map(len, parts))
        if total > MAX_MESSAGE:
            raise FrameTooLargeError(f"a message has at most {MAX_MESSAGE} bytes; this one has {total}")
        parts = [part for part in parts if len(part)] or [b""]  # (an empty record is a whole, empty message or nothing)
        try:
            self.ring.in_pieces = True
            self._send_records(parts, deadline, flags)
        finally:
            self.ring.in_pieces = False

    def _send_records(self, parts: Sequence[bytes | memoryview], deadline: int, flags: int) -> None:
        size = self.ring.max_payload
        last = len(parts) - 1
        for index, part in enumerate(parts):
            view = memoryview(part)
            for start in range(0, max(len(view), 1), size):
                if index == last and start + size >= len(view):
                    flags &= ~MORE
                record = view[start : start + size]
                if not self.ring.write(record, flags):
                    self._wait_for_room(record, flags, deadline)
                self._post()
                flags = MORE

    def _wait_for_room(self, record: memoryview, flags: int, deadline: int) -> None:
        pause = _RECHECK
        self._episode += 1
        self.ring.set_waiting(self._episode)
        try:
            while not self.ring.write(record, flags):
                if self.error is not None:
                    raise self.closed_error()
                remaining = (deadline - _now()) / 1e9
                if remaining <= 0:
                    raise TimeoutError("the other side did not read until the deadline")
                if not self.room.acquire(min(pause, remaining)):
                    pause = min(pause * 2, _RECHECK_MAX)
                    if self.meanwhile is not None:
                        self.meanwhile()
        finally:
            self.ring.set_waiting(0)


def _at_its_limit(exc: OSError) -> ProtocolViolationError:
    return ProtocolViolationError(f"the reader has set its semaphore to the limit: {exc}")
