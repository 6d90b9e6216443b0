"""One channel: its memory, and the two ends of each direction in it.

    Sender                                              Receiver
    lock (for what takes several steps)                 lock (one reader at a time)
    ring.write ──── cursor ──────────────────────────▶  spin on the cursor, or park:
    data.post  ──── one per record, always ──────────▶  data.acquire, then ring.read
    park: room.acquire ◀── only if the writer waits ──  room.post

Rules:

* The data semaphore is posted once per record, unconditionally: "post only if the reader sleeps" would need a fence
  that Python has not. Its count is the number of unread records, plus units that the reader owes, plus kicks.
* The reader may read first and take the unit later, when it has nothing else to do: see ``receiver.py``.
* Every wait has three ends. Data: the semaphore. Deadline: the timeout. Death: ``close(error)`` sets the error and
  kicks, i.e. posts the semaphores that local threads may be parked on. (A hostile peer can take that unit for itself:
  so no park is for ever, and whoever wakes looks at the error.)
* A unit without a record is a kick (or a hostile post); it is taken and forgotten, a flood of them is a violation.
* The writer that waits for room says so in the ring; the store-load race between its flag and the reader's cursor, which
  Python cannot fence, is closed by looking again after a short while. Only a full ring ever does that.
* ``dispose`` unmaps; it takes both locks first, so no thread is inside a semaphore when it is closed. (Whoever posts
  without a lock keeps the GIL while he does.)
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Sequence
from typing import Final

from logoscore.errors import LogosError
from logoscore.transport.buffers import Borrower, Lender
from logoscore.transport.direction import MAX_MESSAGE
from logoscore.transport.receiver import Receiver
from logoscore.transport.ring import RingReader, RingWriter, ring_size
from logoscore.transport.segment import (
    SEMAPHORE_SIZE,
    NamedSemaphore,
    Semaphore,
    map_memory,
    memory_semaphore,
)
from logoscore.transport.sender import Sender
from logoscore.transport.spin import Spinner

__all__ = ["MAX_MESSAGE", "Channel", "Receiver", "Sender", "channel_size"]

_DISPOSE_SECONDS: Final = 5.0


def channel_size(capacities: Sequence[int], places: int) -> int:
    """The bytes of memory that a channel needs. Raises ValueError as :func:`ring_size` does."""
    return sum(map(ring_size, capacities)) + (2 * SEMAPHORE_SIZE + 8 * places) * len(capacities)


class Channel:
    """The shared memory of one channel with its rings, seen from one of its two processes.

    Args:
        fd: descriptor of the memory; closed in any case.
        capacities: of the rings, in the order in which they lie in the memory.
        semaphores: names; two per ring: data, room. None at all: they are in the memory (``segment.IN_MEMORY``).
        sends: one bool per ring: whether this side writes it.
        spinner: what this process spends on spinning.
        places: how many pieces of memory can be lent in each direction (``buffers.py``).

    Raises:
        OSError, ValueError: memory or a semaphore is not what was announced.
    """

    def __init__(
        self,
        fd: int,
        capacities: Sequence[int],
        semaphores: Sequence[str],
        sends: Sequence[bool],
        spinner: Spinner,
        places: int = 0,
    ) -> None:
        if len(capacities) != len(sends) or len(semaphores) not in (0, 2 * len(capacities)):
            os.close(fd)
            raise ValueError(
                f"{len(capacities)} rings, {len(sends)} directions and {len(semaphores)} semaphores do not match"
            )
        try:
            size = channel_size(capacities, places)
        except ValueError:
            os.close(fd)
            raise
        self._semaphores: list[Semaphore] = []
        self._memory: mmap.mmap | None = map_memory(fd, size)
        self.senders: list[Sender] = []
        self.receivers: list[Receiver] = []
        self._view = memoryview(self._memory)
        try:
            self._open_semaphores(sum(map(ring_size, capacities)), 2 * len(capacities), semaphores)
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
        if places:
            self._lend(start + len(self._semaphores) * SEMAPHORE_SIZE, sends, places)

    def _open_semaphores(self, start: int, count: int, names: Sequence[str]) -> None:
        """Those of that name, or those that lie behind the rings, each on a cache line of its own."""
        for name in names:
            self._semaphores.append(NamedSemaphore(name))
        if names:
            return
        for place in range(start, start + count * SEMAPHORE_SIZE, SEMAPHORE_SIZE):
            self._semaphores.append(memory_semaphore(self._view[place : place + SEMAPHORE_SIZE]))

    def _lend(self, start: int, sends: Sequence[bool], places: int) -> None:
        """The words of each ring's lent memory come last."""
        senders, receivers = iter(self.senders), iter(self.receivers)
        for writes in sends:
            with self._view[start : start + 8 * places] as memory:
                words = memory.cast("Q")
            start += 8 * places
            if writes:
                next(senders).lender = Lender(words)
            else:
                next(receivers).borrower = Borrower(words)

    def close(self, error: LogosError) -> None:
        """End it: everybody who waits gets ``error``, everybody who comes later too. Idempotent; never waits."""
        for end in (*self.senders, *self.receivers):
            if end.error is None:
                end.error = error
        for sender in self.senders:
            with contextlib.suppress(ValueError, OSError):  # disposed, or the peer has set it to its limit
                sender.room.kick()
        for receiver in self.receivers:
            receiver.kick()
        for sender in self.senders:
            if sender.lender is not None:
                sender.lender.close()

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
                if sender.lender is not None:
                    sender.lender.dispose()
            for receiver in self.receivers:
                receiver.ring.release()
                if receiver.borrower is not None:
                    receiver.borrower.dispose()
            self._view.release()
            self._memory.close()
            self._memory = None
        finally:
            for end in taken:
                end.lock.release()
