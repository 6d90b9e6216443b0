"""The core's part in lent memory: it makes each piece, counts it, and hands it from its writer to its reader.

    writer                            core                                  reader
    MakeBuffer ─────────────────────▶ allowed? made, size sealed
    BufferMemory + descriptor ◀──────
    maps it, reserves its pages
    BufferMade ─────────────────────▶ sealed for good, looked at
                                      TakeBuffer + descriptor ────────────▶ maps it for reading
    BufferReady ◀──────────────────── ◀─────────────────────── BufferTaken

Rules:

* All of it is the core's memory, so neither end has to trust the other's: its size is what the core says, and no page of
  it is missing (see ``transport/mapping.py``).
* A party lends at most ``limit`` bytes over all its channels, and half of that, or one piece, through one direction of
  one. Whoever asks for more is told no, and uses the ring.
* The descriptor is closed as soon as the reader has it.
"""

from __future__ import annotations

import os
from typing import Any, Final

from logoscore.errors import ProtocolViolationError
from logoscore.links import Link, LinkTable, Party, Piece
from logoscore.transport import messages as m
from logoscore.transport.mapping import create_lendable, lending_possible, seal
from logoscore.transport.pool import LARGEST, PLACES, size_class

__all__ = ["Loans"]

_MAX_PIECE: Final = 1 << 62


class Loans:
    """What the brokerage does about lent memory.

    Args:
        limit: bytes that one party may lend; 0: nobody lends.
    """

    def __init__(self, links: LinkTable, limit: int) -> None:
        self._links = links
        self._limit = limit
        self.handlers: dict[type, Any] = {
            m.MakeBuffer: self._make,
            m.BufferMade: self._made,
            m.BufferTaken: self._taken,
            m.DropBuffer: self._drop,
        }

    @property
    def places(self) -> int:
        """How many pieces a new channel has room for, in each direction."""
        return PLACES if self._limit and lending_possible() else 0

    def _link(self, party: Party, message: Any, *, writer: bool) -> Link | None:
        """The link that ``message`` is about; None if it has ended.

        Raises:
            ProtocolViolationError: ``party`` is not at that end of it.
        """
        link = self._links.get(message.link, party)
        if link is None:
            return None
        one_way = link.purpose == m.EVENTS and not message.back
        if one_way or not link.places or link.writer(message.back is writer) is not party:
            raise ProtocolViolationError(
                f"{party.name} says {type(message).__name__} of the channel {message.link}, where it cannot"
            )
        return link

    def _make(self, party: Party, message: m.MakeBuffer) -> None:
        link = self._link(party, message, writer=True)
        if link is None:
            return
        if not 0 < message.size <= LARGEST or size_class(message.size) != message.size:
            raise ProtocolViolationError(f"{party.name} asks for a piece of {message.size} bytes, which is no size")
        if not 0 <= message.piece < _MAX_PIECE or link.lent.get(message.back, message.piece) is not None:
            raise ProtocolViolationError(f"{party.name} asks for the piece {message.piece} once more")
        refusal = m.BufferReady(link.number, message.back, message.piece, usable=False)
        if link.opening or not self._allowed(party, link, message):
            party.deliver(refusal)
            return
        try:
            fd = create_lendable(message.size)
        except OSError:
            party.deliver(refusal)
            return
        ours = os.dup(fd)
        try:
            if link.lent.add(message.back, message.piece, Piece(message.size, ours)):
                party.deliver(m.BufferMemory(link.number, message.back, message.piece), (fd,))
            else:
                os.close(ours)  # it was closed just now
        finally:
            os.close(fd)

    def _allowed(self, party: Party, link: Link, message: m.MakeBuffer) -> bool:
        here = link.lent.total(message.back)
        if link.lent.count(message.back) >= PLACES or (here and here + message.size > self._limit // 2):
            return False
        return self._links.lent_by(party) + message.size <= self._limit

    def _made(self, party: Party, message: m.BufferMade) -> None:
        link = self._link(party, message, writer=True)
        if link is None:
            return
        taken = link.lent.take_descriptor(message.back, message.piece)
        if taken is None:
            if link.ended:
                return
            raise ProtocolViolationError(f"{party.name} has made the piece {message.piece}, which it has not got")
        piece, fd = taken
        try:
            if _sealed(fd, piece.size):
                piece.offered = True
                reader = link.writer(not message.back)
                reader.deliver(m.TakeBuffer(link.number, message.back, message.piece, piece.size), (fd,))
                return
        finally:
            os.close(fd)
        link.lent.remove(message.back, message.piece)
        party.deliver(m.BufferReady(link.number, message.back, message.piece, usable=False))

    def _taken(self, party: Party, message: m.BufferTaken) -> None:
        link = self._link(party, message, writer=False)
        piece = link.lent.get(message.back, message.piece) if link is not None else None
        if link is None or piece is None or not piece.offered:
            return  # it was given up just now
        if not message.usable:
            link.lent.remove(message.back, message.piece)
        writer = link.writer(message.back)
        writer.deliver(m.BufferReady(link.number, message.back, message.piece, usable=message.usable))

    def _drop(self, party: Party, message: m.DropBuffer) -> None:
        link = self._link(party, message, writer=True)
        piece = link.lent.remove(message.back, message.piece) if link is not None else None
        if link is not None and piece is not None and piece.offered:
            reader = link.writer(not message.back)
            reader.deliver(m.BufferDropped(link.number, message.back, message.piece))


def _sealed(fd: int, size: int) -> bool:
    """Seal it; False if it is not what an honest writer makes of it."""
    try:
        seal(fd, size)
    except (OSError, ValueError):
        return False
    return True
