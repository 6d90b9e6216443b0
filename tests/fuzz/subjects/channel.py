"""A channel's two ends, ``Receiver.receive`` and ``Sender.send``, over a hostile ring and semaphores that nobody can trust.

The input is a row of steps: messages sent, records of any flags written, memory spoilt, messages received. Nothing waits: all
deadlines have passed. Property: only ProtocolViolationError (and, for want of room, TimeoutError) comes out; the pieces that
are kept are those that came; with honest memory the messages are those that the flags of the records make, in order;
once closed, ``receive`` gives what is there and then the error.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from fuzz.subjects.ring import HostileRing
from fuzz.target import Tape, Target
from logoscore.errors import ChannelClosedError, ProtocolViolationError
from logoscore.transport.channel import Receiver, Sender
from logoscore.transport.ring import FIRST, MORE
from logoscore.transport.spin import Spinner

_NO_SPIN = Spinner(0)


class HostileSemaphore:
    """What a semaphore is between hostile parties: now and then it says yes, and sometimes it is at its limit."""

    def __init__(self, whims: int) -> None:
        self._whims = whims | 1
        self._asked = 0

    def _whim(self) -> bool:
        self._asked += 1
        return bool(self._whims >> self._asked % 8 & 1)

    def acquire(self, timeout: float | None) -> bool:
        assert timeout is not None, "a wait without end, and the deadline has passed"
        return self._whim()

    try_acquire = _whim

    def post(self) -> None:
        if self._whims == 0xFF and self._whim():
            raise OSError("at its limit")

    kick = post


class Party:
    """The channel under test, and the messages that its records make."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.ring = HostileRing(tape)
        whims = tape.byte()
        semaphore: Any = HostileSemaphore(whims)  # stands for one of segment.py, as its peer may have spoilt it
        self.spoilt_semaphore = whims | 1 == 0xFF
        self.sender = Sender(self.ring.writer, semaphore, semaphore)
        self.receiver = Receiver(self.ring.reader, semaphore, semaphore, _NO_SPIN, callee=False)
        self._unread: deque[bytes] = deque()
        self._parts: list[bytes] | None = None
        self.broken = False

    def expect(self, message: bytes | None) -> None:
        """``message`` is what the records that were written make; None may come at any time, as after a kick."""
        if self.ring.hostile or self.broken:
            return
        while self.ring.writer.records:
            self._read(*self.ring.writer.records.popleft())
        if message is not None:
            assert message == self._unread.popleft()

    def _read(self, record: bytes, flags: int) -> None:
        """What a receiver has to make of one more record."""
        if flags & FIRST:
            self._parts = []
        if self._parts is None:
            return
        self._parts.append(record)
        if not flags & MORE:
            self._unread.append(b"".join(self._parts))
            self._parts = None


def _send(party: Party) -> None:
    message = (bytes(range(256)) * 4)[: party.tape.byte() * 4]
    try:
        party.sender.send(message, 0)
    except TimeoutError:
        pass  # no room: given up as a whole, whatever was written of it
    except ProtocolViolationError:
        assert party.ring.hostile or party.spoilt_semaphore, "nobody did anything wrong"
        party.broken = True


def _write(party: Party) -> None:
    """A record whose flags no honest sender would set like this."""
    flags = party.tape.byte() & (FIRST | MORE)
    record = party.tape.take(party.tape.byte() % 17)
    if not record and flags != FIRST:
        party.ring.hostile = True  # a violation
    try:
        party.ring.writer.write(record, flags)
    except ProtocolViolationError:
        assert party.ring.hostile, "nobody did anything wrong"


def _receive(party: Party) -> None:
    receiver = party.receiver
    try:
        message = receiver.receive(0)
    except ProtocolViolationError:
        assert party.ring.hostile, "nobody did anything wrong"
        party.broken = True
    else:
        party.expect(message)
    assert all(receiver._parts), "empty pieces would be kept without end"
    assert receiver._size == sum(map(len, receiver._parts)), "pieces are kept that nobody counts"


_STEPS: tuple[Callable[[Party], None], ...] = (
    _send,
    _write,
    _receive,
    _receive,
    lambda party: party.ring.store(),
    lambda party: party.ring.lie(),
)


def check(data: bytes) -> bool:
    tape = Tape(data)
    party = Party(tape)
    ring = party.ring
    try:
        while tape.left and not party.broken:
            tape.choice(_STEPS)(party)
            ring.settle()
        _close(party)
        return not ring.hostile
    finally:
        ring.release()


def _close(party: Party) -> None:
    """Close it: what was sent is still delivered, then the error comes, however hostile the peer."""
    receiver = party.receiver
    receiver.error = ChannelClosedError("the test is over")
    party.ring.words.lies.clear()
    for _ in range(2 * party.ring.reader.capacity):  # each turn takes a record, or a kick, off the ring
        try:
            message = receiver.receive(0)
        except (ChannelClosedError, ProtocolViolationError):
            return
        party.expect(message)
    raise AssertionError("the error of a closed channel never comes")


def seeds() -> list[bytes]:
    send, receive = b"\x00", b"\x02"
    return [
        b"\x00\x55" + send + b"\x01" + receive * 2,
        b"\x03\x01" + (send + b"\x20" + receive * 3) * 4,
        b"\x02\xff" + send + b"\x40" + receive,
        b"\x01\xaa" + b"\x01\x03\x04abcd" + b"\x01\x02\x02ef" + b"\x01\x00\x01g" + receive * 4,
        b"\x01\x0f" + b"\x01\x03\x04abcd" + b"\x01\x01\x02ef" + receive * 3,
        b"\x00\x03" + (send + b"\x08") * 9 + receive * 9,
    ]


TARGET = Target("channel", check, seeds, max_length=512, bytes_per_byte=1024)
