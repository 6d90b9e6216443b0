"""The channels between parties, as the core sees them: who made them, who holds them, what of them has a name still.

A link's memory has no name. Its semaphores have names until both ends have opened them, or nobody needs them.

    made ── Attach ─▶ callee ── Attached ─▶ Opened (Attach) ─▶ caller opens it, removes the names ── Attached ─▶ settled

So the caller's first call begins when no name is left; whoever is killed after it leaves none.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from logoscore.errors import LogosError, ProtocolViolationError, TransportError
from logoscore.transport import messages as m
from logoscore.transport.channel import channel_size
from logoscore.transport.segment import create_memory, create_semaphores, unlink_semaphore

__all__ = ["Link", "LinkTable", "Party"]

#: Data bytes of each ring, by purpose: calls have one each way, events one.
_CAPACITIES: Final = {m.CALLS: (1 << 16, 1 << 16), m.EVENTS: (1 << 17,)}


@dataclass(eq=False)
class Party:
    """Somebody with a name who can be reached. ``deliver(message, descriptors)`` gives him a message of the core."""

    name: str
    token: str = field(repr=False)
    deliver: Callable[..., None] = field(repr=False)
    coming: bool = False
    """It is being loaded."""
    silent: bool = False
    """It did not answer a question of the core in time: nobody waits for it again before it does."""
    in_memory: bool = False
    """Whether it can use semaphores in a channel's memory; otherwise its channels have the system's."""


@dataclass(eq=False)
class Filtering:
    """A change of an events link's filter that the publisher has not answered yet."""

    names: tuple[str, ...] | None
    waiting: list[Callable[[], None]]
    """Who waits for it."""
    later: Filtering | None = None
    """What is wanted by now; the publisher hears of it when it has answered."""


@dataclass(eq=False)
class Piece:
    """Memory that one end of a channel lends the other."""

    size: int
    fd: int | None
    """Until the reader has it."""
    offered: bool = False
    """The reader has been given it."""


class LentMemory:
    """The pieces of one channel, by direction (``back``) and number. Once closed it takes none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces: dict[tuple[bool, int], Piece] = {}
        self._closed = False

    def total(self, back: bool) -> int:
        """Bytes in one direction."""
        with self._lock:
            return sum(piece.size for key, piece in self._pieces.items() if key[0] is back)

    def count(self, back: bool) -> int:
        """Pieces in one direction."""
        with self._lock:
            return sum(key[0] is back for key in self._pieces)

    def add(self, back: bool, number: int, piece: Piece) -> bool:
        """Whether it is in: not if there is one of that number, or the channel has ended."""
        with self._lock:
            if self._closed or (back, number) in self._pieces:
                return False
            self._pieces[back, number] = piece
            return True

    def get(self, back: bool, number: int) -> Piece | None:
        """The piece of that number."""
        with self._lock:
            return self._pieces.get((back, number))

    def take_descriptor(self, back: bool, number: int) -> tuple[Piece, int] | None:
        """A piece that the reader has not got yet, and its descriptor, to be closed."""
        with self._lock:
            piece = self._pieces.get((back, number))
            if piece is None or piece.fd is None:
                return None
            fd, piece.fd = piece.fd, None
            return piece, fd

    def remove(self, back: bool, number: int) -> Piece | None:
        """Forget a piece."""
        with self._lock:
            piece = self._pieces.pop((back, number), None)
            self._release(piece)
            return piece

    def close(self) -> None:
        """Forget all."""
        with self._lock:
            self._closed = True
            while self._pieces:
                self._release(self._pieces.popitem()[1])

    @staticmethod
    def _release(piece: Piece | None) -> None:
        if piece is not None and piece.fd is not None:
            os.close(piece.fd)
            piece.fd = None


@dataclass(eq=False)
class Link:
    """One channel. The callee of an events link is the publisher."""

    number: int
    caller: Party
    callee: Party
    purpose: str
    capacities: tuple[int, ...]
    semaphores: list[str]
    codec: str
    names: tuple[str, ...] | None
    """The events that the caller wants at first."""
    request: int | None
    """The caller's, which is answered with it; None: he did not ask."""
    on_attached: Callable[[], None] | None
    memory: int | None = None
    """The descriptor, until the caller has got it."""
    unattached: list[Party] = field(default_factory=list)
    """The ends that have not said yet that they hold it: the callee, then the caller."""
    reason: LogosError | None = None
    """Why it ended."""
    refused: bool = False
    """The callee has given it up."""
    filtering: Filtering | None = None
    places: int = 0
    """How many pieces of memory can be lent in each direction."""
    lent: LentMemory = field(default_factory=LentMemory)
    ended: bool = False

    def joins(self, party: Party) -> bool:
        """Whether ``party`` has an end of it."""
        return party in (self.caller, self.callee)

    def others(self, party: Party) -> set[Party]:
        """The other end, unless it is the same party."""
        return {self.caller, self.callee} - {party}

    def writer(self, back: bool) -> Party:
        """Who writes in that direction; ``back``: from callee to caller."""
        return self.callee if back else self.caller

    @property
    def opening(self) -> bool:
        """Whether the caller has not got it yet."""
        return len(self.unattached) == 2

    def info(self, peer: Party) -> m.LinkInfo:
        """What the end opposite ``peer`` is told."""
        return m.LinkInfo(
            self.number, peer.name, self.purpose, self.capacities, tuple(self.semaphores), self.codec, self.names, self.places
        )  # fmt: skip

    def settle(self) -> None:
        """Both ends hold it, or it is given up: remove the names, and tell whoever waited for this. Once."""
        names, self.semaphores = self.semaphores, []
        for name in names:
            unlink_semaphore(name)
        callback, self.on_attached = self.on_attached, None
        if callback is not None:
            callback()

    def end(self) -> None:
        """It is closed: nobody needs to wait for anything of it."""
        self.ended = True
        self.lent.close()
        self.settle()
        filtering, self.filtering = self.filtering, None
        while filtering is not None:
            for callback in filtering.waiting:
                callback()
            filtering = filtering.later


class LinkTable:
    """All links of a core."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made = 0
        self._links: dict[int, Link] = {}
        # The same by what is looked for, so that nothing takes longer the more others there are.
        self._of: dict[Party, dict[int, Link]] = {}
        self._between: dict[tuple[Party, str, str], dict[int, Link]] = {}

    def _add(self, link: Link) -> None:
        """Under the lock."""
        self._links[link.number] = link
        for table, key in self._places(link):
            table.setdefault(key, {})[link.number] = link

    def _drop(self, number: int) -> Link | None:
        """Under the lock; None if it is not there any more."""
        link = self._links.pop(number, None)
        for table, key in self._places(link) if link is not None else ():
            del table[key][number]
            if not table[key]:
                del table[key]
        return link

    def _places(self, link: Link) -> list[tuple[dict[Any, dict[int, Link]], Any]]:
        between = link.caller, link.callee.name, link.purpose
        return [*((self._of, end) for end in {link.caller, link.callee}), (self._between, between)]

    def create(
        self,
        caller: Party,
        callee: Party,
        purpose: str,
        *,
        codec: str,
        names: tuple[str, ...] | None,
        request: int | None,
        on_attached: Callable[[], None] | None,
        places: int = 0,
    ) -> tuple[Link, int]:
        """Make a link; returns it with a descriptor of its memory for the callee, which is to be closed.

        Raises:
            TransportError: the system has no memory, descriptors or semaphores left.
        """
        capacities = _CAPACITIES[purpose]
        semaphores: list[str] = []
        memory = None
        try:
            if not (caller.in_memory and callee.in_memory):
                semaphores = create_semaphores(2 * len(capacities))
            memory = create_memory(channel_size(capacities, places))
            for_callee = os.dup(memory)
        except OSError as exc:
            for name in semaphores:
                unlink_semaphore(name)
            if memory is not None:
                os.close(memory)
            raise TransportError(f"the system has no room for a channel to {callee.name}: {exc}") from exc
        with self._lock:
            self._made += 1
            link = Link(self._made, caller, callee, purpose, capacities, semaphores, codec, names, request, on_attached)
            link.memory, link.unattached, link.places = memory, [callee, caller], places
            self._add(link)
        return link, for_callee

    def get(self, number: int, party: Party) -> Link | None:
        """The link of that number; None if it is closed already.

        Raises:
            ProtocolViolationError: ``party`` has no end of it, or there never was one.
        """
        with self._lock:
            link = self._links.get(number)
            made = 0 < number <= self._made
        if not made or (link is not None and not link.joins(party)):
            raise ProtocolViolationError(f"{party.name} speaks of the channel {number}, which is not its own")
        return link

    def lent_by(self, party: Party) -> int:
        """Bytes of memory that ``party`` may write to, over all its channels, to lend them."""
        with self._lock:
            links = [link for link in self._links.values() if link.joins(party)]
        return sum(link.lent.total(back) for link in links for back in (False, True) if link.writer(back) is party)

    def find(self, caller: Party, callee_name: str, purpose: str) -> Link | None:
        """A link of ``caller`` to that callee, or None."""
        with self._lock:
            found = self._between.get((caller, callee_name, purpose), {})
            return next(iter(found.values()), None)

    def attached(self, link: Link, party: Party) -> int | None:
        """One end holds it now. If that was the callee, returns the descriptor that the caller gets; to be closed.

        Raises:
            ProtocolViolationError: it has said so before, or has not got it yet.
        """
        with self._lock:
            if self._links.get(link.number) is not link:
                return None  # it was closed meanwhile
            if not link.unattached or party is not link.unattached[0]:
                raise ProtocolViolationError(f"{party.name} cannot attach the channel {link.number} now")
            link.unattached.pop(0)
            if link.unattached:
                memory, link.memory = link.memory, None
                return memory
        link.settle()
        return None

    def take(self, link: Link, reason: LogosError) -> bool:
        """Remove it. False if somebody else has."""
        with self._lock:
            if self._drop(link.number) is None:
                return False
        self._end(link, reason)
        return True

    def take_all(self, party: Party, reason: LogosError) -> list[Link]:
        """Remove and return all that ``party`` has an end of."""
        with self._lock:
            links = list(self._of.get(party, {}).values())
            for link in links:
                self._drop(link.number)
        for link in links:
            self._end(link, reason)
        return links

    @staticmethod
    def _end(link: Link, reason: LogosError) -> None:
        """Whoever has removed it ends it."""
        memory, link.memory = link.memory, None
        if memory is not None:
            os.close(memory)
        link.reason = reason
        link.end()
