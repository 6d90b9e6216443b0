"""What the modules say to each other: values, and the interfaces that ``client.bind`` makes typed views of.

Nothing here is special to logoscore. Plain dataclasses travel, and plain Protocols describe who can be asked what.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Symbol:
    """A module, class or function, where it is, and what its docstring says."""

    name: str
    """The whole dotted name, as ``json.decoder.JSONDecoder.decode``."""
    kind: str
    file: str
    line: int
    doc: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A symbol that matches, and how well: higher is better."""

    symbol: Symbol
    score: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What ``query`` found for ``text``."""

    text: str
    every_word: bool
    """Whether the hits have all the words of the question; False: none had, so these have at least one."""
    hits: list[Hit]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that could not be read or parsed, and why."""

    file: str
    reason: str


@dataclass(slots=True)
class WalkReport:
    """What ``walker`` did."""

    source: str
    files: int = 0
    symbols: int = 0
    seconds: float = 0.0
    unreadable: list[Unreadable] = field(default_factory=list)


class IndexService(Protocol):
    """What ``index`` can be asked."""

    def add(self, symbols: list[Symbol]) -> int: ...
    def match(self, expression: str, weights: list[float], limit: int) -> list[Hit]: ...
    def count(self) -> int: ...
    def place(self) -> str: ...


class QueryService(Protocol):
    """What ``query`` can be asked."""

    def search(self, text: str, limit: int = 5) -> Answer: ...
