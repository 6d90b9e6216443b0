"""How one party lends memory: when, how much, and when it gives it up. See ``transport/buffers.py`` for the whole.

Rules:

* Up to ``LEND_FROM`` bytes of buffers a message is quicker through the ring.
* A thread that may wait has another piece made when none is free; one that must not (the event loop's) uses the ring,
  and has one made for the next time. Where there is no more to be had, the ring it is.
* Before more is asked for than ``limit``, what this party does not use just now is given up, longest unused first.
* What was not used for ``IDLE_SECONDS`` is given up by a thread that ends when nothing is left to give up: a party that
  lends nothing has no thread and no timer.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Final

from logoscore.errors import LogosError
from logoscore.locks import Flag, Thread
from logoscore.session.deadlines import seconds_left
from logoscore.session.threads import ThreadGroup
from logoscore.transport import messages as m
from logoscore.transport.buffers import Borrower, Lender, LentFrame, Loan
from logoscore.transport.channel import Channel, Sender
from logoscore.transport.frame import LENT, join_payload, lent_places, lent_table, with_flag
from logoscore.transport.mapping import Mapping, reserve
from logoscore.transport.pool import LARGEST, size_class

__all__ = ["IDLE_SECONDS", "LEND_FROM", "Lending"]

LEND_FROM: Final = 1 << 15
"""Bytes of buffers in a message from which on they are lent."""
IDLE_SECONDS = 5.0
_GROW_SECONDS: Final = 5.0
_REFUSED_SECONDS: Final = 1.0  # after a no, until it is asked again

_Key = tuple[int, bool]
"""A link's number, and whether it is the direction from callee to caller."""


class Lending:
    """The lent memory of one party, in both roles.

    Args:
        limit: bytes that it may lend over all its channels.
        send: sends a message to the core.
    """

    def __init__(self, limit: int, send: Callable[[Any], None], threads: ThreadGroup) -> None:
        self._limit = limit
        self._send = send
        self._threads = threads
        self._lock = threading.Lock()
        self._lenders: weakref.WeakValueDictionary[_Key, Lender] = weakref.WeakValueDictionary()
        self._borrowers: weakref.WeakValueDictionary[_Key, Borrower] = weakref.WeakValueDictionary()
        self._growing: set[_Key] = set()
        self._idle: Thread | None = None
        self._closed = Flag()
        self.handlers: dict[type, Callable[[Any, Sequence[int]], None]] = {
            m.BufferMemory: self._memory,
            m.TakeBuffer: self._take,
            m.BufferReady: self._ready,
            m.BufferDropped: self._dropped,
        }

    def add(self, link: int, channel: Channel, *, callee: bool) -> None:
        """A channel was opened; ``callee``: at that end."""
        for sender in channel.senders:
            if sender.lender is not None:
                sender.lender.key = (link, callee)
                with self._lock:
                    self._lenders[link, callee] = sender.lender
        for receiver in channel.receivers:
            if receiver.borrower is not None:
                with self._lock:
                    self._borrowers[link, not callee] = receiver.borrower

    # --- sending ------------------------------------------------------------------------------------------------------

    def frame(
        self,
        sender: Sender,
        start: bytes,
        head: bytes,
        buffers: Sequence[memoryview],
        deadline: int,
        *,
        patient: bool = True,
    ) -> bytes | list[bytes | memoryview]:
        """A frame with buffers, ready for ``sender``: the buffers in it, or copied into memory that is lent with it.

        Args:
            start: header, with the flag BUFFERS, and name.
            deadline: until when to wait for memory (monotonic ns).
            patient: whether this thread may wait for it.
        """
        size = sum(map(len, buffers))
        if size >= LEND_FROM and sender.lender is not None:
            lengths = [len(buffer) for buffer in buffers]
            places, end = lent_places(lengths)
            table = lent_table(lengths)
            loan = self._loan(sender.lender, end, deadline, patient) if end <= LARGEST else None
            if loan is not None:
                for place, buffer in zip(places, buffers, strict=True):
                    loan.mapping.write(place, buffer.cast("B"))
                return LentFrame([with_flag(start, LENT), table, head], loan)
        pieces = [start, *join_payload(head, buffers)]
        return b"".join(pieces) if sum(map(len, pieces)) <= sender.ring.max_payload else pieces

    def _loan(self, lender: Lender, size: int, deadline: int, patient: bool) -> Loan | None:
        now = time.monotonic()
        loan = lender.lend(size, now)
        if loan is None and now >= lender.not_before and not self._closed.is_set():
            if patient:
                self._grow(lender, size, deadline)
                loan = lender.lend(size, now)
            else:
                self._grow_aside(lender, size, deadline)
        if loan is None:
            loan = lender.lend(size, now, any_size=True)
        if loan is not None and self._idle is None:
            self._watch_idle()
        return loan

    # --- more ---------------------------------------------------------------------------------------------------------

    def _grow(self, lender: Lender, size: int, deadline: int) -> None:
        """Have another piece made, wait for it, and leave it in the pool; or find that there is none to be had."""
        claimed = self._claim(lender, size)
        made = False
        if claimed is not None:
            piece = claimed[0]
            try:
                made = self._make(lender, *claimed, min(_GROW_SECONDS, seconds_left(deadline)))
            finally:
                if not made:
                    made = not lender.withdraw(piece)
                if not made:
                    self._let_go(lender, piece)
        if not made:
            lender.not_before = time.monotonic() + _REFUSED_SECONDS

    def _make(self, lender: Lender, piece: int, size: int, timeout: float) -> bool:
        if not self._tell(m.MakeBuffer, lender, piece, size):
            return False
        fd = lender.await_memory(piece, timeout)
        if fd is None:
            return False
        try:
            mapping = Mapping(fd, size, writable=True)
            reserve(fd, size)
        except (OSError, MemoryError):
            return False
        finally:
            os.close(fd)
        lender.hold(piece, mapping)
        if not self._tell(m.BufferMade, lender, piece):
            return False
        mapping.populate(size)  # meanwhile the reader maps it
        return lender.await_reader(piece, timeout)

    def _grow_aside(self, lender: Lender, size: int, deadline: int) -> None:
        with self._lock:
            if lender.key in self._growing:
                return
            self._growing.add(lender.key)

        def grow() -> None:
            try:
                self._grow(lender, size, deadline)
            finally:
                with self._lock:
                    self._growing.discard(lender.key)

        try:
            self._threads.start(grow, "logos-lend")
        except RuntimeError:  # no thread is to be had: the ring will do
            with self._lock:
                self._growing.discard(lender.key)

    def _claim(self, lender: Lender, size: int) -> tuple[int, int] | None:
        """Number and size of another piece for ``lender``, within the bounds; None if there is none."""
        wanted = size_class(size)
        if wanted > self._limit:
            return None
        with self._lock:
            here = lender.total
            if here:
                self._give_up([lender], here + wanted - self._limit // 2)
                here = lender.total
            others = list(self._lenders.values())
            self._give_up(others, sum(each.total for each in others) + wanted - self._limit)
            total = sum(each.total for each in others)
            if (here and here + wanted > self._limit // 2) or total + wanted > self._limit:
                return None
            return lender.ask(size, time.monotonic())

    def _give_up(self, lenders: Sequence[Lender], size: int) -> None:
        """Give up so many bytes of what is free, if there are so many."""
        for lender in sorted(lenders, key=lambda each: each.oldest_use() or 0.0):
            if size <= 0:
                return
            size -= self._drop(lender, time.monotonic(), size, lent=False)

    def _drop(self, lender: Lender, idle_since: float, at_least: int | None, *, lent: bool) -> int:
        dropped = lender.drop(idle_since, at_least, lent=lent)
        for piece, _ in dropped:
            self._let_go(lender, piece)
        return sum(size for _, size in dropped)

    def _let_go(self, lender: Lender, piece: int) -> None:
        if self._tell(m.DropBuffer, lender, piece):
            lender.left(piece)

    def _tell(self, kind: Any, lender: Lender, piece: int, *more: Any) -> bool:
        try:
            self._send(kind(*lender.key, piece, *more))
        except (LogosError, TimeoutError):
            return False  # there is no core any more; or it does not listen
        return True

    # --- less ---------------------------------------------------------------------------------------------------------

    def _watch_idle(self) -> None:
        with self._lock:
            if self._idle is not None or self._closed.is_set():
                return
            try:
                self._idle = self._threads.start(self._give_up_idle, "logos-lend-idle")
            except RuntimeError:
                pass  # the next message tries again

    def _give_up_idle(self) -> None:
        wait: float | None = IDLE_SECONDS
        while wait is not None and not self._closed.wait(wait):
            with self._lock:
                lenders = list(self._lenders.values())
            since = time.monotonic() - IDLE_SECONDS
            while lenders:
                self._drop(lenders.pop(), since, None, lent=True)
            wait = self._until_idle()

    def _until_idle(self) -> float | None:
        """Seconds until something will have been idle for long; None, and no thread from here on: nothing will."""
        with self._lock:
            uses = [used for lender in self._lenders.values() if (used := lender.oldest_use()) is not None]
            if not uses:
                self._idle = None
                return None
        return max(min(uses) + IDLE_SECONDS - time.monotonic(), 0.0) + 0.01

    # --- from the core: on the control thread ------------------------------------------------------------------------

    def _memory(self, msg: m.BufferMemory, descriptors: Sequence[int]) -> None:
        lender = self._lenders.get((msg.link, msg.back))
        if not descriptors:  # the system drops what this process may not have
            if lender is not None:
                lender.ready(msg.piece, usable=False)
        elif lender is not None:
            lender.memory_came(msg.piece, descriptors[0])
        else:
            os.close(descriptors[0])

    def _take(self, msg: m.TakeBuffer, descriptors: Sequence[int]) -> None:
        borrower = self._borrowers.get((msg.link, msg.back))
        usable = bool(descriptors) and borrower is not None
        if borrower is not None and descriptors:
            try:
                borrower.add(msg.piece, msg.size, descriptors[0])
            except (OSError, MemoryError):
                usable = False
        elif descriptors:
            os.close(descriptors[0])
        self._send(m.BufferTaken(msg.link, msg.back, msg.piece, usable))

    def _ready(self, msg: m.BufferReady, _: Sequence[int]) -> None:
        lender = self._lenders.get((msg.link, msg.back))
        if lender is not None:
            lender.ready(msg.piece, msg.usable)

    def _dropped(self, msg: m.BufferDropped, _: Sequence[int]) -> None:
        borrower = self._borrowers.get((msg.link, msg.back))
        if borrower is not None:
            borrower.drop(msg.piece)

    def close(self) -> None:
        """The party ends: nothing more is asked for, and the thread that gives up ends."""
        self._closed.set()
