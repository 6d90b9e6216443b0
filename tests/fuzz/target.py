"""What a subject of the fuzzer is, and the bytes of an input read as decisions."""

from __future__ import annotations

import random
import struct
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

_U64: Final = struct.Struct("<Q")
_T = TypeVar("_T")


@dataclass(frozen=True)
class Target:
    """One subject.

    Args:
        name: of the subject, and of its corpus.
        check: takes an input; whether it was accepted. Raises whatever breaks the subject's property.
        seeds: inputs made of real messages; all of them are accepted.
        max_length: bytes of the inputs that the fuzzer tries.
        bytes_per_byte: what a check may allocate at its peak per byte of input, the round trip included ...
        constant: ... and besides.
    """

    name: str
    check: Callable[[bytes], bool]
    seeds: Callable[[], list[bytes]]
    max_length: int = 4096
    bytes_per_byte: int = 512
    constant: int = 1 << 18


def peak_of(target: Target, data: bytes) -> int:
    """The most that checking ``data`` had allocated at once, in bytes, as tracemalloc sees it.

    Raises:
        AssertionError: more than the target allows for an input of that length.
    """
    tracemalloc.start()
    try:
        target.check(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    allowed = target.bytes_per_byte * len(data) + target.constant
    assert peak <= allowed, f"{len(data)} bytes made {target.name} allocate {peak} bytes; {allowed} are allowed"
    return peak


class Tape:
    """An input as a row of decisions. Behind its end come zeros, so whatever reads it has to stop by :attr:`left`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0
        self.level = 0  # of whoever builds something nested

    @property
    def left(self) -> int:
        """How many bytes are still to come."""
        return max(len(self._data) - self._place, 0)

    def byte(self) -> int:
        self._place += 1
        return self._data[self._place - 1] if self._place <= len(self._data) else 0

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes, or what is left of them."""
        self._place += size
        return self._data[self._place - size : self._place]

    def word(self) -> int:
        return int(_U64.unpack(self.take(8).ljust(8, b"\0"))[0])

    def choice(self, options: Sequence[_T]) -> _T:
        return options[self.byte() % len(options)]


def random_rows(check: Callable[[bytes], bool], rows: int = 400) -> list[bytes]:
    """Of so many rows of decisions at random, always the same, those that ``check`` accepts.

    A beginning for subjects that build their messages: what C code makes of these, no fuzzer of Python can see.
    """
    numbers = random.Random(1)
    tried = (numbers.randbytes(numbers.randrange(3, 80)) for _ in range(rows))
    return [row for row in tried if check(row)]
