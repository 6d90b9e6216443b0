"""One direction of a channel: a ring, a semaphore that counts its records, and who waits for what.

    Sender                                              Receiver
    lock (one writer at a time)                         lock (one reader at a time)
    ring.write ──── cursor ──────────────────────────▶  spin on the cursor, or park:
    data.post  ──── one per record, always ──────────▶  data.acquire, then ring.read
    park: room.acquire ◀── only if the writer waits ──  room.post

Rules:

* The data semaphore is posted once per record, unconditionally: "post only if the reader sleeps" would need a fence
  that Python has not. Its count is the number of unread records, plus kicks.
* Every wait has three ends. Data: the semaphore. Deadline: the timeout. Death: ``close(error)`` sets the error and
  kicks, i.e. posts the semaphores that local threads may be parked on.
* A unit without a record is a kick (or a hostile post); it is taken and forgotten, a flood of them is a violation.
* The writer that waits for room says so in the ring; the store-load race between its flag and the reader's cursor, which
  Python cannot fence, is closed by looking again after a short while. Only a full ring ever does that.
* ``dispose`` unmaps; it takes both locks first, so no thread is inside a semaphore when it is closed.
"""

from __future__ import annotations

import contextlib
import copy
import mmap
import os
import threading
import time
from collections.abc import Sequence
from typing import Final

from logoscore.errors import FrameTooLargeError, LogosError, ProtocolViolationError
from logoscore.transport.attempt import Attempt
from logoscore.transport.ring import FIRST, MORE, WAITS, RingReader, RingWriter, ring_size
from logoscore.transport.segment import Semaphore, map_memory
from logoscore.transport.spin import Spinner, SpinState

__all__ = ["MAX_MESSAGE", "Channel", "Receiver", "Sender"]

MAX_MESSAGE: Final = (1 << 31) - 1
"""Bytes of the largest message; what is larger is refused on both sides."""
_PIECES_A_LOOK: Final = 64  # of a long message, between two looks at the clock
_DISPOSE_SECONDS: Final = 5.0
_MAX_PIECES: Final = 1 << 18  # of one message: as many as its bytes and its buffers can need, not one more per byte
_MAX_KICKS: Final = 100_000
_PATIENCE: Final = 100  # tries, of about half a microsecond
_RECHECK: Final = 0.005  # seconds after which a writer first looks at a full ring again; doubles up to _RECHECK_MAX
_RECHECK_MAX: Final = 0.1
#: A wait is cut into pieces of this length, because sem_timedwait goes by the wall clock, which may be set back.
_LONGEST_PARK: Final = 5.0

_now = time.monotonic_ns


class _Direction:
    """What sender and receiver share: a lock, two semaphores, and the error that closed them."""

    def __init__(self, data: Semaphore, room: Semaphore) -> None:
        self.lock = threading.Lock()
        self.attempt = Attempt(self.lock)
        self.data = data
        self.room = room
        self.error: LogosError | None = None

    def closed_error(self) -> LogosError:
        """A fresh copy of what closed this: every waiter raises its own."""
        assert self.error is not None
        return copy.copy(self.error)


class Sender(_Direction):
    """The writing end."""

    def __init__(self, ring: RingWriter, data: Semaphore, room: Semaphore) -> None:
        super().__init__(data, room)
        self.ring = ring
        self._episode = 0

    def send(self, message: bytes, deadline: int) -> None:
        """Send one message; waits for room until ``deadline`` (monotonic ns). Any number of threads may send.

        Raises:
            TimeoutError: there was no room in time. The message is dropped as a whole.
            LogosError: what closed the channel.
            ProtocolViolationError: the reader published an impossible cursor.
        """
        with self.attempt as mine:
            try:
                if mine:
                    if self.error is not None:
                        raise self.closed_error()
                    ring = self.ring
                    if len(message) <= ring.max_payload and ring.write(message, FIRST):
                        self._post()
                    else:
                        self._send_pieces((message,), deadline)
                    return
            finally:
                if mine:
                    self.lock.release()
        self.send_parts((message,), deadline)

    def _post(self) -> None:
        try:
            self.data.post()
        except OSError as exc:
            raise ProtocolViolationError(f"the reader has set its semaphore to the limit: {exc}") from None

    def try_send(self, message: bytes) -> bool:
        """Send one message of at most ``ring.max_payload`` bytes without waiting. False if it would have to wait.

        Raises: as :meth:`send`.
        """
        with self.attempt as mine:
            try:
                if not mine:
                    return False
                if self.error is not None:
                    raise self.closed_error()
                if not self.ring.write(message, FIRST):
                    return False
                self._post()
                return True
            finally:
                if mine:
                    self.lock.release()

    def send_parts(self, parts: Sequence[bytes | memoryview], deadline: int) -> None:
        """Like :meth:`send` for a message in several pieces, which are not joined first."""
        attempt = Attempt(self.lock, max(deadline - _now(), 0) / 1e9)
        with attempt as mine:
            try:
                if not mine:
                    raise TimeoutError("another message was being sent until the deadline")
                if self.error is not None:
                    raise self.closed_error()
                self._send_pieces(parts, deadline)
            finally:
                if mine:
                    attempt.release()

    def _send_pieces(self, parts: Sequence[bytes | memoryview], deadline: int) -> None:
        """Cut the parts into records. The first has FIRST, all but the last have MORE."""
        total = sum(map(len, parts))
        if total > MAX_MESSAGE:
            raise FrameTooLargeError(f"a message has at most {MAX_MESSAGE} bytes; this one has {total}")
        size = self.ring.max_payload
        flags = FIRST | MORE
        parts = [part for part in parts if len(part)] or [b""]  # (an empty record is a whole, empty message or nothing)
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
        finally:
            self.ring.set_waiting(0)


class Receiver(_Direction):
    """The reading end. ``lock`` belongs to whoever calls :meth:`receive`; it is taken outside, for as long as wanted."""

    def __init__(self, ring: RingReader, data: Semaphore, room: Semaphore, spinner: Spinner, *, callee: bool) -> None:
        super().__init__(data, room)
        self.ring = ring
        self._spin = SpinState(spinner, ring, moves=callee)
        self._parts: list[bytes] = []
        self._size = 0
        self._kicks = 0
        self._woken_episode = 0

    def receive(self, deadline: int | None) -> bytes | None:  # noqa: C901 - the hot path, in one piece on purpose
        """The next message, or None when ``deadline`` (monotonic ns; None: none) passed or :meth:`kick` was called.

        What arrived before the channel was closed is still delivered.

        Raises:
            LogosError: what closed the channel, after its last message.
            ProtocolViolationError: the peer wrote what the protocol does not allow.
        """
        ring = self.ring
        pieces = 0
        try:
            while True:
                if ring.words[0] == ring.read_cursor and not self._spin.spin():
                    if self.error is not None:
                        raise self.closed_error()
                    if not self._park(deadline):
                        return None
                elif not self.data.try_acquire():
                    self._await_post()
                record = ring.read()
                if record is None:
                    self._kicked()
                    return None
                self._kicks = 0
                if ring.words[WAITS]:
                    self._make_room()
                payload, flags = record
                if flags == FIRST:
                    if self._parts:
                        self._forget_parts()
                    return payload
                message = self._assemble(payload, flags)
                if message is not None:
                    return message
                pieces += 1
                if not pieces % _PIECES_A_LOOK and deadline is not None and _now() >= deadline:
                    return None  # pieces without end keep nobody beyond his deadline
        except ValueError:
            if self.error is None:
                raise
            raise self.closed_error() from None  # unmapped already

    def _await_post(self) -> None:
        """A record is published and its unit not there yet: the writer is just about to post it.

        Or it never comes: an exception (Ctrl-C) struck between the two at its side, or between taking the unit and
        reading at ours. So do not insist; by now whatever was written before the cursor is long visible. A unit that
        comes later counts as a kick.
        """
        for _ in range(_PATIENCE):
            if self.data.try_acquire():
                return

    def _make_room(self) -> None:
        """The writer waits: wake it once, when there is room for any record."""
        waiting = self.ring.waiting_episode()
        if waiting != self._woken_episode and self.ring.half_empty():
            self._woken_episode = waiting
            with contextlib.suppress(OSError):  # the peer has set it to its limit: it will look again by itself
                self.room.post()

    def _assemble(self, payload: bytes, flags: int) -> bytes | None:
        if not payload and flags:
            raise ProtocolViolationError("the peer sends a message in empty pieces")
        if flags & FIRST:
            self._forget_parts()
        elif not self._parts:
            return None  # the rest of a message whose beginning we gave up
        self._parts.append(payload)
        self._size += len(payload)
        if self._size > MAX_MESSAGE or len(self._parts) > _MAX_PIECES:
            raise ProtocolViolationError(f"the peer sends a message of more than {MAX_MESSAGE} bytes")
        if flags & MORE:
            return None
        message = b"".join(self._parts)
        self._forget_parts()
        return message

    def _forget_parts(self) -> None:
        self._parts = []
        self._size = 0

    def _kicked(self) -> None:
        """A unit without a record."""
        self._kicks += 1
        if self._kicks > _MAX_KICKS:
            raise ProtocolViolationError("the peer posts the semaphore without sending anything")
        if self.error is not None:
            raise self.closed_error()

    def _park(self, deadline: int | None) -> bool:
        """Wait in the kernel. False when the deadline passed."""
        began = _now()
        while True:
            if deadline is None:
                got = self.data.acquire(None)
            else:
                remaining = (deadline - _now()) / 1e9
                if remaining <= 0:
                    return self.data.try_acquire()
                got = self.data.acquire(min(remaining, _LONGEST_PARK))
            if got:
                break
        self._spin.parked(_now() - began)
        return True

    def kick(self) -> None:
        """Make a parked :meth:`receive` return None."""
        with contextlib.suppress(ValueError, OSError):  # disposed, or the peer has set it to its limit
            self.data.post()


class Channel:
    """The shared memory of one channel with its rings, seen from one of its two processes.

    Args:
        fd: descriptor of the memory; closed in any case.
        capacities: of the rings, in the order in which they lie in the memory.
        semaphores: names; two per ring: data, room.
        sends: one bool per ring: whether this side writes it.
        spinner: what this process spends on spinning.

    Raises:
        OSError, ValueError: memory or a semaphore is not what was announced.
    """

    def __init__(
        self, fd: int, capacities: Sequence[int], semaphores: Sequence[str], sends: Sequence[bool], spinner: Spinner
    ) -> None:
        if not len(capacities) == len(sends) == len(semaphores) // 2 == len(semaphores) / 2:
            os.close(fd)
            raise ValueError(
                f"{len(capacities)} rings, {len(sends)} directions and {len(semaphores)} semaphores do not match"
            )
        try:
            size = sum(map(ring_size, capacities))
        except ValueError:
            os.close(fd)
            raise
        self._semaphores: list[Semaphore] = []
        self._memory: mmap.mmap | None = map_memory(fd, size)
        self.senders: list[Sender] = []
        self.receivers: list[Receiver] = []
        self._view = memoryview(self._memory)
        try:
            for name in semaphores:
                self._semaphores.append(Semaphore(name))
        except BaseException:
            self.dispose()
            raise
        start = 0
        for index, (capacity, writes) in enumerate(zip(capacities, sends, strict=True)):
            data, room = self._semaphores[2 * index : 2 * index + 2]
            memory = self._view[start : start + ring_size(capacity)]
            start += ring_size(capacity)
            if writes:
                self.senders.append(Sender(RingWriter(memory), data, room))
            else:
                self.receivers.append(Receiver(RingReader(memory), data, room, spinner, callee=index == 0))
            memory.release()

    def close(self, error: LogosError) -> None:
        """End it: everybody who waits gets ``error``, everybody who comes later too. Idempotent; never waits."""
        for end in (*self.senders, *self.receivers):
            if end.error is None:
                end.error = error
        for sender in self.senders:
            with contextlib.suppress(ValueError, OSError):  # disposed, or the peer has set it to its limit
                sender.room.post()
        for receiver in self.receivers:
            receiver.kick()

    def abandon(self, error: LogosError) -> None:
        """In a forked child: raise ``error`` from now on, and leave the memory, which is the parent's, alone."""
        for end in (*self.senders, *self.receivers):
            end.error = error

    def dispose(self) -> None:
        """Unmap memory and semaphores, when the last thread has left. Only after :meth:`close`. Idempotent."""
        ends = (*self.senders, *self.receivers)
        taken = [end for end in ends if end.lock.acquire(timeout=_DISPOSE_SECONDS)]
        try:
            if len(taken) < len(ends):
                return  # Ctrl-C has torn a thread away that held a lock: rather a mapping too many than one too few
            if self._memory is None:
                return
            for semaphore in self._semaphores:
                semaphore.close()
            for sender in self.senders:
                sender.ring.release()
            for receiver in self.receivers:
                receiver.ring.release()
            self._view.release()
            self._memory.close()
            self._memory = None
        finally:
            for end in taken:
                end.lock.release()
