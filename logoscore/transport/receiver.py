"""The reading end of a channel's direction: looking, parking, and records back into messages.

Units of the data semaphore and records
---------------------------------------
The writer publishes a record and then posts one unit. Taking that unit costs as much as reading the record, so where the
order of stores is the machine's promise (x86) a record is read as soon as it is seen, and its unit is *owed*: it is
taken before the next wait, while the peer works, or when very many are owed. ``units`` is what was read minus what was
taken. Elsewhere the unit is taken first, because it is the fence.

A unit that comes where none is owed and nothing is to be read is a kick of ours, or the peer's trick.
"""

from __future__ import annotations

import contextlib
import platform
import time
from typing import Final

from logoscore.errors import ProtocolViolationError
from logoscore.transport.buffers import Borrower
from logoscore.transport.direction import MAX_MESSAGE, Direction
from logoscore.transport.ring import FIRST, LENT, MORE, WRITE, RingReader, record_size
from logoscore.transport.segment import Semaphore
from logoscore.transport.spin import Spinner, SpinState

__all__ = ["Receiver"]

_PIECES_A_LOOK: Final = 64  # of a long message, between two looks at the clock
_MAX_PIECES: Final = 1 << 18  # of one message: as many as its bytes and its buffers can need, not one more per byte
_MAX_STRAYS: Final = 100_000
_RESTLESS_NS: Final = 500_000  # a wait that is shorter than this, and in vain, counts as a stray
_MOST_OWED: Final = 1000  # units; a semaphore has a limit, too
_PATIENCE: Final = 100  # tries, of about half a microsecond
#: A wait is cut into pieces of this length, because sem_timedwait goes by the wall clock, which may be set back.
_LONGEST_PARK: Final = 5.0
#: So is one without a deadline: the unit of a kick lies where a peer that plays foul can take it away.
_LONGEST_SLEEP: Final = 60.0
#: Whether other CPUs see stores in the order in which they were made, and loads are not reordered.
_STORES_IN_ORDER: Final = platform.machine() in {"x86_64", "AMD64", "i386", "i686"}

_now = time.monotonic_ns


class Receiver(Direction):
    """The reading end. ``lock`` belongs to whoever calls :meth:`receive`; it is taken outside, for as long as wanted."""

    def __init__(
        self,
        ring: RingReader,
        data: Semaphore,
        room: Semaphore,
        spinner: Spinner,
        *,
        callee: bool,
        stores_in_order: bool = _STORES_IN_ORDER,
    ) -> None:
        super().__init__(data, room)
        self.ring = ring
        self._spin = SpinState(spinner, ring, moves=callee)
        self.borrower: Borrower | None = None
        self._lent = False
        self._parts: list[bytes] = []
        self._size = 0
        self._parts_end = 0  # the cursor behind the last of them
        self._units = 0  # records read minus units taken
        self._strays = 0
        self._kicked = False
        self._rest_until = -1  # where what arrived before the end ends; -1: it was not asked yet
        self._woken_episode = 0
        self._unit_first = not stores_in_order

    def receive(self, deadline: int | None) -> bytes | None:  # noqa: C901 - the hot path, in one piece on purpose
        """The next message, or None when ``deadline`` (monotonic ns; None: none) passed or :meth:`kick` was called.

        Also, rarely, without a reason: look at the clock and ask again.

        What arrived before the channel was closed is still delivered, but not one ring more: somebody may write on for ever.

        Raises:
            LogosError: what closed the channel, after its last message.
            ProtocolViolationError: the peer wrote what the protocol does not allow.
        """
        ring = self.ring
        pieces = 0
        try:
            if self.error is not None and self._is_drained():
                raise self.closed_error()
            while True:
                if not ring.readable() and not self._wait(deadline):
                    return None
                if self._unit_first:
                    self._take_unit()
                record = ring.read()
                if record is None:
                    self._stray()  # the peer took its cursor back
                    return None  # the caller looks at the clock: this could go on for ever
                self._units += 1
                if ring.waiting_episode():
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
                if not pieces % _PIECES_A_LOOK and (
                    self.error is not None or (deadline is not None and _now() >= deadline)
                ):
                    return None  # pieces without end keep nobody beyond his deadline, or the channel's end
        except ValueError:
            if self.error is None:
                raise
            raise self.closed_error() from None  # unmapped already

    def _is_drained(self) -> bool:
        """The channel is closed: whether all is read that had been written by then."""
        ring = self.ring
        if self._rest_until < 0:
            self._rest_until = min(ring.words[WRITE], ring.read_cursor + ring.capacity)
        return ring.read_cursor >= self._rest_until

    # --- waiting ----------------------------------------------------------------------------------------------------

    def _wait(self, deadline: int | None) -> bool:
        """The ring is empty: wait until it is not. False when the deadline passed, or for a kick."""
        if self._units > 0:
            self._take_owed()
        spin = self._spin
        if spin.rest:  # what spin() would do itself: who waits without a look shall be quick
            spin.rest -= 1
        elif spin.spin():
            self._strays = 0
            return True
        readable = self.ring.readable
        while not readable():
            if self.error is not None:
                raise self.closed_error()
            if self._kicked:
                self._kicked = False
                return False
            if self._units > 0:
                self._take_owed()
            elif self._park(deadline):
                break
            else:
                return readable()
        self._strays = 0
        return True

    def _take_owed(self) -> None:
        """One unit; or, after a long run of records without a wait, as many as there are."""
        if not self.data.try_acquire():
            # Not posted: an exception (Ctrl-C) struck the writer before it could, or it is just about to. What comes yet
            # counts as a kick.
            self._units = 0
            return
        self._units -= 1
        while self._units > _MOST_OWED and self.data.try_acquire():
            self._units -= 1

    def _take_unit(self) -> None:
        """A record is published, and its unit not taken yet; perhaps the writer is just about to post it.

        Or it never comes: see :meth:`_take_owed`. So do not insist; by now whatever was written before the cursor is
        long visible.
        """
        if self._units < 0:
            return  # by the wait
        for _ in range(_PATIENCE):
            if self.data.try_acquire():
                self._units -= 1
                return
        self._units = -1

    def _park(self, deadline: int | None) -> bool:
        """Wait in the kernel for a unit. False when the deadline passed, or when one came without a record."""
        began = now = _now()
        pause = _LONGEST_SLEEP
        while True:
            if deadline is not None:
                pause = (deadline - now) / 1e9
                if pause <= 0:
                    return False
                if pause > _LONGEST_PARK:
                    pause = _LONGEST_PARK
            if self.data.acquire(pause):
                break
            if self._kicked or self.error is not None:
                return self._missed_kick()
            now = self._after_a_pause(now)
        spin = self._spin
        if (spin.missed or spin.lazy) and self._units <= 0:  # else it may be one that we owed
            spin.parked(began)
        if self.ring.readable():
            self._units -= 1
            return True
        return self._lone_unit()

    def _after_a_pause(self, before: int) -> int:
        """No unit came since then (monotonic ns). Returns what the time is."""
        now = _now()
        if now - before < _RESTLESS_NS:  # not for a signal, now and then: the peer makes us turn round and round
            self._stray()
        else:
            self._strays = 0
        return now

    def _lone_unit(self) -> bool:
        """A unit came without a record: a kick's, or the peer plays foul."""
        if self._kicked:
            self._kicked = False
        else:
            self._stray()
        if self.error is not None:
            raise self.closed_error()
        return False

    def _missed_kick(self) -> bool:
        """Somebody else, the peer that is, has taken its unit."""
        self._kicked = False
        if self.error is not None and not self.ring.readable():
            raise self.closed_error()
        return False

    def _stray(self) -> None:
        self._strays += 1
        if self._strays > _MAX_STRAYS:
            raise ProtocolViolationError("the peer posts the semaphore without sending anything")

    def kick(self) -> None:
        """Make a parked :meth:`receive` return None."""
        self._kicked = True
        with contextlib.suppress(ValueError, OSError):  # disposed, or the peer has set it to its limit
            self.data.kick()

    # --- records ----------------------------------------------------------------------------------------------------

    def _make_room(self) -> None:
        """The writer waits: wake it once, when there is room for any record.

        Where it is always ahead of us we never wait, so this is the moment to take units, of which a semaphore holds 2³¹.
        """
        if self._units > _MOST_OWED:
            self._take_owed()
        waiting = self.ring.waiting_episode()
        if waiting != self._woken_episode and self.ring.half_empty():
            self._woken_episode = waiting
            with contextlib.suppress(OSError):  # the peer has set it to its limit: it will look again by itself
                self.room.post()

    def _assemble(self, payload: bytes, flags: int) -> bytes | None:
        if not payload and flags:
            raise ProtocolViolationError("the peer sends a message in empty pieces")
        if flags & (FIRST | LENT) == LENT:
            raise ProtocolViolationError(f"the writer announced a record with flags {flags:#x}, which no message has")
        end = self.ring.read_cursor
        if flags & FIRST:
            self._forget_parts()
            self._lent = bool(flags & LENT)
        elif not self._parts:
            return None  # the rest of a message whose beginning we gave up
        elif self._parts_end + record_size(len(payload)) != end:
            self._forget_parts()  # Ctrl-C has torn a leader away who had read what lies between: nobody has it whole
            return None
        self._parts_end = end
        self._parts.append(payload)
        self._size += len(payload)
        if self._size > MAX_MESSAGE or len(self._parts) > _MAX_PIECES:
            raise ProtocolViolationError(f"the peer sends a message of more than {MAX_MESSAGE} bytes")
        if flags & MORE:
            return None
        message = b"".join(self._parts)
        self._forget_parts()
        if not self._lent:
            return message
        if self.borrower is None:
            raise ProtocolViolationError("the peer lends memory through a channel that has none")
        return self.borrower.open(message)

    def _forget_parts(self) -> None:
        self._parts = []
        self._size = 0
