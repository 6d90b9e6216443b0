"""A full-text table in SQLite (FTS5). Knows nothing of logoscore."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from logos_code_search.model import Hit, Symbol

# "porter" finds "parsing" for "parse". It splits at "_" and ".", and we split camelCase, see _words().
_TABLE = """
CREATE VIRTUAL TABLE symbols USING fts5(
    name, path, doc, full_name UNINDEXED, kind UNINDEXED, file UNINDEXED, line UNINDEXED, tokenize = 'porter unicode61'
)"""
_INSERT = "INSERT INTO symbols VALUES (?, ?, ?, ?, ?, ?, ?)"
# bm25() is smaller for better matches, so that ORDER BY puts them first; Hit.score is the other way round.
_SELECT = """
SELECT full_name, kind, file, line, doc, bm25(symbols, ?, ?, ?) AS rank
FROM symbols WHERE symbols MATCH ? ORDER BY rank, full_name LIMIT ?"""

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Store:
    """Symbols, empty at first. ``file``: where; None: in memory."""

    def __init__(self, file: Path | None) -> None:
        if file is not None:
            file.unlink(missing_ok=True)  # the source may have changed since: what the last run stored is of no use
        self.place = str(file or "memory")
        # logoscore serves each caller on a thread of its own, one call at a time: SQLite need not insist on one thread.
        self._db = sqlite3.connect(file or ":memory:", check_same_thread=False)
        # The index can be made again at any time, so a crash may cost it.
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute(_TABLE)

    def add(self, symbols: Iterable[Symbol]) -> None:
        """Keep ``symbols``, all or none."""
        with self._db:
            self._db.executemany(_INSERT, map(_row, symbols))

    def count(self) -> int:
        """How many symbols there are."""
        return int(self._db.execute("SELECT count(*) FROM symbols").fetchone()[0])

    def match(self, expression: str, weights: list[float], limit: int) -> list[Hit]:
        """The best ``limit`` of them. Raises sqlite3.OperationalError if ``expression`` is not one of FTS5's."""
        name, path, doc = weights
        rows = self._db.execute(_SELECT, (name, path, doc, expression, limit))
        return [
            Hit(Symbol(full_name, kind, file, line, text), -rank) for full_name, kind, file, line, text, rank in rows
        ]


def _row(symbol: Symbol) -> tuple[str | int, ...]:
    path, _, name = symbol.name.rpartition(".")
    return _words(name), _words(path), symbol.doc, symbol.name, symbol.kind, symbol.file, symbol.line


def _words(name: str) -> str:
    """The name and its humps: ``JSONDecoder`` is found as ``jsondecoder``, ``json`` and ``decoder``."""
    humps = _HUMP.sub(" ", name)
    return name if humps == name else f"{name} {humps}"
