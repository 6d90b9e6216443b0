"""Large buffers, out of band: copied once, into memory that is used again and again, and not at all on arrival.

      writer's process                                   ring and link memory                   reader's process
    Lender ── place free? ─▶ copy into it ─▶ message ──▶ [which place, n, length | frame] ──▶ Borrower ─▶ view ─▶ you
      ▲            no: the core is asked for another (session/lending.py), or the ring carries it as it did       │
      └───────────────────── word of that place = 2n ◀──── when the last view is gone ◀───────────────────────────┘

Who owns what
    Memory is lent by whoever sends, per channel and direction, in at most ``PLACES`` pieces (``pool.py``). The core makes
    each piece, counts it against the bound of its writer, and hands it to both ends (``mapping.py`` says how, and why
    the reader is safe). No descriptor is kept: each end has a mapping, for as long as the piece is in the pool.
Order
    The writer may use a piece only when the reader has said that he has mapped it. So no message can come before the
    memory that it names; one that names what is not there is a violation.
Back again
    The reader's word for each place lies in the channel's own memory, beside the rings. ``2n - 1``: the message is read.
    ``2n``: its last view is gone, or nobody wanted it: a reply that came too late, a call that was refused, an event
    without a subscriber. What gives it back is the end of the view (or of the message) itself, so there is nothing to
    forget, and it is one store: no lock, no system call, from any thread at any moment, the collector's included.
When all is lent
    Then the ring carries the message, as it carries small ones. Nobody ever waits for a piece to come back.
Idle
    A piece not used for a while is given up (``session/lending.py``): the writer unmaps it and the reader is told. If
    views of it are still alive, they alone keep it; it is not the pool's any more. The reader, for its part, keeps ``bytes``
    to fill again (``copies.py``), twice as many as it has been lent: they go with the pieces.
The end
    A channel that closes unmaps what nobody sees. Views stay readable, whatever happens to writer, channel and Core: their
    mapping lives as long as they. A forked child may read them; what it lets go of changes nothing for its parent.
Trust
    Place, number and length are copied with the message and checked against what the core said. The reader cannot write
    to what he reads, nor change its size. The writer can change what views show, as long as he likes: so no structure is
    ever read from lent memory, only raw data, and whoever must rely on it makes a copy.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Sequence
from typing import Final

from logoscore.errors import ProtocolViolationError
from logoscore.locks import Condition
from logoscore.transport.copies import Spares
from logoscore.transport.frame import LentBytes
from logoscore.transport.mapping import Mapping, window
from logoscore.transport.pool import Place, Pool, State

__all__ = ["Borrower", "Lender", "LentFrame", "Loan"]

_PREFIX: Final = struct.Struct("<QQQ")  # place, generation, length
_MAX_GENERATION: Final = 1 << 62


class Loan:
    """One piece of memory, lent for one message. Given back by itself if the message is never sent."""

    __slots__ = ("_generation", "_place", "_sent", "length", "mapping", "prefix")

    def __init__(self, place: Place, mapping: Mapping, length: int) -> None:
        self._place = place
        self._generation = place.generation
        self._sent = False
        self.mapping = mapping
        self.length = length
        self.prefix = _PREFIX.pack(place.number, place.generation, length)

    def send(self) -> None:
        """Its message goes out next. From here on only the reader gives it back, unless :meth:`unsent` says otherwise."""
        self._sent = True
        self._place.turn(self._generation, State.WRITING, State.LENT)

    def unsent(self) -> None:
        """The message did not go, for sure; it may be sent again."""
        self._sent = False
        self._place.turn(self._generation, State.LENT, State.WRITING)

    def __del__(self) -> None:
        if not self._sent:
            self._place.turn(self._generation, State.WRITING, State.FREE)


class LentFrame(list[bytes | memoryview]):
    """The pieces of a frame whose buffers lie in lent memory."""

    def __init__(self, pieces: Sequence[bytes | memoryview], loan: Loan) -> None:
        super().__init__((loan.prefix, *pieces))
        self.loan = loan


class Lender:
    """The writer's end: a pool, and the memory of its places.

    Args:
        words: of the channel's memory, one for each place.
    """

    def __init__(self, words: memoryview) -> None:
        self._words = words
        self._lock = self._changed = Condition()
        self._pool = Pool(words)
        self._mappings: dict[int, Mapping] = {}
        self._arrived: dict[int, int] = {}  # descriptors that the core has sent, by place
        self.closed = False
        self.key = (0, False)  # the channel's number, and whether from callee to caller
        self.not_before = 0.0  # when it makes sense to ask for more again

    @property
    def total(self) -> int:
        """Bytes of its places."""
        with self._lock:
            return self._pool.total

    def lend(self, length: int, now: float, *, any_size: bool = False) -> Loan | None:
        """A free piece of at least so many bytes, to be written to and sent; None if there is none."""
        with self._lock:
            if self.closed:
                return None
            place = self._pool.lend(length, now, any_size=any_size)
            return None if place is None else Loan(place, self._mappings[place.number], length)

    # --- growing: in a thread that may wait -------------------------------------------------------------------------

    def ask(self, size: int, now: float) -> tuple[int, int] | None:
        """Number and size of another piece of memory, which is to be asked for now; None if there are too many."""
        with self._lock:
            place = None if self.closed else self._pool.ask(size, now)
            return None if place is None else (place.piece, place.size)

    def await_memory(self, piece: int, timeout: float) -> int | None:
        """Wait for the descriptor of its memory, which is the caller's; None: it does not come."""
        number = self._place(piece).number
        with self._changed:
            self._changed.wait_for(lambda: self._asked(piece) is None or number in self._arrived, timeout)
            return self._arrived.pop(number, None) if self._asked(piece) is not None else None

    def hold(self, piece: int, mapping: Mapping) -> None:
        """Its memory is mapped here, and not yet at the other end."""
        with self._lock:
            place = self._asked(piece)
            if place is not None:
                self._mappings[place.number] = mapping

    def await_reader(self, piece: int, timeout: float) -> bool:
        """Wait until the reader has mapped it, too; False: it has not."""
        with self._changed:
            self._changed.wait_for(lambda: self._asked(piece) is None, timeout)
            place = self._place(piece)
            return not self.closed and place.piece == piece and place.present

    def withdraw(self, piece: int) -> bool:
        """Give up what was asked for and has not come; the core is to be told. False: it has come just now."""
        with self._lock:
            place = self._place(piece)
            if place.piece != piece or place.state not in {State.ASKED, State.REFUSED}:
                return False  # (and whoever may have given it up since tells the core)
            self._leave(place)
            return True

    def left(self, piece: int) -> None:
        """The core has been told that it was given up: its place can be asked for again."""
        with self._lock:
            place = self._place(piece)
            if place.piece == piece and place.state is State.LEAVING:
                self._pool.empty(place)

    # --- what the core says: on the control thread --------------------------------------------------------------------

    def memory_came(self, piece: int, fd: int) -> None:
        """The memory of a place that was asked for; the descriptor is ours."""
        with self._changed:
            place = self._asked(piece)
            if place is not None and place.number not in self._arrived:
                self._arrived[place.number] = fd
                self._changed.notify_all()
                return
        os.close(fd)  # whoever asked has given up

    def ready(self, piece: int, usable: bool) -> None:
        """The reader holds it now; or it cannot be had."""
        with self._changed:
            place = self._asked(piece)
            if place is None:
                return
            if usable and place.number in self._mappings:
                self._pool.came(place)
            else:
                self._pool.refuse(place)
            self._changed.notify_all()

    def _place(self, piece: int) -> Place:
        """Where it has, or had, its place."""
        return self._pool.places[piece % len(self._pool.places)]

    def _asked(self, piece: int) -> Place | None:
        place = self._place(piece)
        return place if not self.closed and place.piece == piece and place.state is State.ASKED else None

    # --- shrinking ----------------------------------------------------------------------------------------------------

    def drop(self, idle_since: float, at_least: int | None = None, *, lent: bool) -> list[tuple[int, int]]:
        """Give up what was last used before ``idle_since``, of that only ``at_least`` bytes if given: number and size.

        The core is to be told, before one of them is asked for again: until :meth:`left` nobody can.
        """
        dropped = []
        with self._lock:
            if self.closed:
                return []
            for place in self._pool.droppable(idle_since, lent=lent):
                if at_least is not None and at_least <= 0:
                    break
                if at_least is not None:
                    at_least -= place.size
                dropped.append((place.piece, place.size))
                self._leave(place)
        return dropped

    def oldest_use(self) -> float | None:
        """When the piece that is the next to be given up was last used; None if there is none."""
        with self._lock:
            droppable = [] if self.closed else self._pool.droppable(float("inf"), lent=True)
        return droppable[0].used if droppable else None

    def _leave(self, place: Place) -> None:
        self._mappings.pop(place.number, None)
        self._pool.leave(place)
        fd = self._arrived.pop(place.number, None)
        if fd is not None:
            os.close(fd)

    # --- the end ------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Nothing is lent any more; whoever waits is woken. What is being written to stays until it is. Idempotent."""
        with self._changed:
            if self.closed:
                return
            self.closed = True
            self._mappings.clear()
            while self._arrived:
                os.close(self._arrived.popitem()[1])
            self._changed.notify_all()

    def dispose(self) -> None:
        """The channel's memory is about to go."""
        self.close()
        self._words.release()


class _Piece:
    """Memory that the reader has mapped."""

    __slots__ = ("generation", "mapping", "number", "out", "piece", "populated", "words")

    def __init__(self, piece: int, number: int, mapping: Mapping, words: memoryview) -> None:
        self.piece = piece
        self.number = number
        self.mapping = mapping
        self.words: memoryview | None = words  # None: the writer does not want it back any more
        self.generation = 0
        self.out = False
        self.populated = 0

    def back(self, generation: int, pid: int) -> None:
        """The last view is gone: say so. Anywhere, at any moment (see Rules): no lock, and nothing is raised."""
        self.out = False
        words = self.words
        if words is not None and pid == os.getpid():  # (a forked child's views are not the parent's)
            try:
                words[self.number] = 2 * generation
            except ValueError:
                pass  # the channel is gone, and its memory with it


class Borrower:
    """The reader's end: the memory that it was handed, and views of it.

    Args:
        words: of the channel's memory, one for each place.
    """

    def __init__(self, words: memoryview) -> None:
        self._words = words
        self._pieces: dict[int, _Piece] = {}
        self._spares = Spares()
        self._lock = threading.Lock()
        self._closed = False

    def add(self, piece: int, size: int, fd: int) -> None:
        """Memory for a place; the descriptor is ours.

        Raises:
            OSError: it cannot be mapped.
        """
        try:
            mapping = Mapping(fd, size, writable=False)
        finally:
            os.close(fd)
        with self._lock:
            if not self._closed:
                number = piece % len(self._words)
                self._pieces[number] = _Piece(piece, number, mapping, self._words)
                self._limit_spares()

    def drop(self, piece: int) -> None:
        """The writer has given it up; views that there are keep it."""
        with self._lock:
            number = piece % len(self._words)
            held = None if self._closed else self._pieces.get(number)
            if held is None or held.piece != piece:
                return
            del self._pieces[number]
            self._limit_spares()
        held.words = None

    def open(self, message: bytes) -> LentBytes:
        """The frame in a message that has been lent memory, with that.

        Raises:
            ProtocolViolationError: it names what is not there.
        """
        if len(message) < _PREFIX.size:
            raise ProtocolViolationError("the peer sent a message with lent memory that does not say which")
        number, generation, length = _PREFIX.unpack_from(message)
        piece = self._pieces.get(number)
        if piece is None or piece.out or length > piece.mapping.size:
            raise ProtocolViolationError(f"the peer lends {length} bytes of memory {number}, which it cannot")
        if not piece.generation < generation < _MAX_GENERATION:
            raise ProtocolViolationError(f"the peer lends memory {number} for the {generation}. time, out of order")
        piece.generation = generation
        piece.out = True
        if piece.populated < length:
            piece.populated = length
            piece.mapping.populate(length)
        view = window(piece.mapping, piece.back, generation, os.getpid())
        self._words[number] = 2 * generation - 1
        return LentBytes.of(message[_PREFIX.size :], [view[:length]], self._spares)

    def dispose(self) -> None:
        """The channel's memory is about to go; what views there are stay."""
        with self._lock:
            self._closed = True
            for piece in self._pieces.values():
                piece.words = None
            self._pieces.clear()
            self._limit_spares()
        self._words.release()

    def _limit_spares(self) -> None:
        """Two for each byte that the writer lends: one that somebody still has, and one that is filled just now."""
        self._spares.limit(2 * sum(piece.mapping.size for piece in self._pieces.values()))
