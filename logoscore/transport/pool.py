"""Which piece of lent memory is free: the bookkeeping of one direction of a channel. Pure: no os, no threads, no clock.

    EMPTY ── ask ─▶ ASKED ── came ─▶ FREE ── lend ─▶ WRITING ── sent ─▶ LENT ── the reader's word ─▶ FREE
      ▲               │ failed        │ ▲               │ taken back       │
      │            REFUSED            │ └───────────────┘                  │ once the reader has taken it
      │               │ leave         │                                    │
      └── the core ── LEAVING ◀───────┴─────────── leave ──────────────────┘
          is told

Rules:

* A place is lent for the n-th time with generation n. In the word of that place the reader writes ``2n - 1`` when it has
  taken the message, and ``2n`` when the last view of it is gone. Only these two values mean anything; any other is "not
  yet". So a reader that scribbles can have its own data overwritten, or its sender use the ring, and do nothing else.
* Best fit, but nothing more than twice as large (a small view must not keep a gigabyte), unless there is nothing else.
* Sizes are classes, four to the doubling, so that what was made for one message does for the next.
* What leaves is of no use to anybody from that moment, though the core answer late that it has come; and its place is asked
  for again only when the core has been told, so that no end can take the one for the other.
* Whoever lends marks ``sent`` *before* the message goes out, and takes back what did not go: an exception between the two
  must not make free what the reader sees.
* :meth:`Place.turn` alone may be used without the lock of whoever owns the pool.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Final

__all__ = ["LARGEST", "PLACES", "SMALLEST", "Place", "Pool", "State", "size_class"]

PLACES: Final = 32
"""Pieces of memory that one direction of a channel has at most."""
SMALLEST: Final = 1 << 17
"""Bytes of the smallest piece."""
LARGEST: Final = 1 << 34
_MUCH: Final = 2


class State(enum.Enum):
    """What is with a place."""

    EMPTY = enum.auto()
    ASKED = enum.auto()
    FREE = enum.auto()
    WRITING = enum.auto()
    LENT = enum.auto()
    REFUSED = enum.auto()
    LEAVING = enum.auto()


#: The memory is there, at both ends.
_PRESENT: Final = frozenset({State.FREE, State.WRITING, State.LENT})


def size_class(size: int) -> int:
    """The size of the piece that is made for ``size`` bytes: at least so many, at most a quarter more (and page).

    Raises:
        ValueError: there is none so large.
    """
    if size > LARGEST:
        raise ValueError(f"the largest piece has {LARGEST} bytes, not {size}")
    if size <= SMALLEST:
        return SMALLEST
    step = 1 << ((size - 1).bit_length() - 3)
    return -(-size // step) * step


class Place:
    """One piece of memory, or where one may be."""

    __slots__ = ("generation", "number", "piece", "size", "state", "used")

    def __init__(self, number: int) -> None:
        self.number = number
        self.piece = number  # each piece of memory that was ever asked for has another, the same modulo the places
        self.size = 0
        self.generation = 0
        self.state = State.EMPTY
        self.used = 0.0

    def turn(self, generation: int, before: State, after: State) -> None:
        """What it was lent for, as that generation, goes on, or does not.

        Nothing happens if the place is another's by now: a reader may say that it has taken what it has not even got.
        """
        if self.generation == generation and self.state is before:
            self.state = after

    @property
    def present(self) -> bool:
        """Whether there is memory, at both ends."""
        return self.state in _PRESENT


class Pool:
    """The places of one direction.

    Args:
        words: one 64-bit word per place, written by the reader.
    """

    def __init__(self, words: Sequence[int]) -> None:
        self._words = words
        self.places = [Place(number) for number in range(len(words))]

    @property
    def total(self) -> int:
        """Bytes of all places, those included that are only asked for."""
        return sum(place.size for place in self.places)

    def _refresh(self) -> None:
        for place in self.places:
            if place.state is State.LENT and self._words[place.number] == 2 * place.generation:
                place.state = State.FREE

    def lend(self, size: int, now: float, *, any_size: bool = False) -> Place | None:
        """A free place for ``size`` bytes, to be written to from now on; None if there is none."""
        self._refresh()
        limit = LARGEST if any_size else max(size_class(size) * _MUCH, SMALLEST)
        fitting = [place for place in self.places if place.state is State.FREE and size <= place.size <= limit]
        if not fitting:
            return None
        place = min(fitting, key=lambda each: each.size)
        place.generation += 1
        place.used = now
        place.state = State.WRITING
        return place

    def ask(self, size: int, now: float) -> Place | None:
        """An empty place, for which memory of that size class is to be asked; None if there is none."""
        for place in self.places:
            if place.state is State.EMPTY:
                place.state, place.size, place.used = State.ASKED, size_class(size), now
                place.piece += len(self.places)
                return place
        return None

    def came(self, place: Place) -> None:
        """Its memory is there, at both ends."""
        place.state = State.FREE

    def refuse(self, place: Place) -> None:
        """Its memory cannot be had; whoever has asked for it has it leave."""
        place.state = State.REFUSED

    def leave(self, place: Place) -> None:
        """Its memory does not come, or is given up."""
        place.state, place.size = State.LEAVING, 0

    def empty(self, place: Place) -> None:
        """The core knows that it has left."""
        place.state = State.EMPTY

    def droppable(self, idle_since: float, *, lent: bool) -> list[Place]:
        """Places that were last used before ``idle_since``, longest unused first.

        ``lent``: those too of which the reader has a view. It keeps the memory then for as long as it likes; but not one
        whose message it has not even read.
        """
        self._refresh()
        found = [place for place in self.places if place.used <= idle_since and self._may_drop(place, lent)]
        return sorted(found, key=lambda place: place.used)

    def _may_drop(self, place: Place, lent: bool) -> bool:
        if place.state is State.LENT:
            return lent and self._words[place.number] == 2 * place.generation - 1
        return place.state is State.FREE
