"""The module ``index``: keeps symbols and finds them again."""

from __future__ import annotations

from logos_code_search.index.store import Store
from logos_code_search.member import Member
from logos_code_search.model import Hit, Symbol
from logoscore import LogosAPI, invokable


class Index(Member):
    """One method runs at a time (``concurrency`` is ``"single"`` unless metadata says otherwise): no locks needed."""

    def init_logos(self, api: LogosAPI) -> None:
        super().init_logos(api)
        # A folder of our own, if the app gave its modules a place to keep files; else the index lives in memory.
        folder = api.persistence_path
        self._store = Store(folder / "symbols.sqlite" if folder is not None else None)

    @invokable
    def add(self, symbols: list[Symbol]) -> int:
        """Keep ``symbols``; returns how many there are now.

        The annotation is checked: what is no list of symbols never gets here, its sender gets InvalidArgumentsError.
        """
        self._store.add(symbols)
        total = self._store.count()
        self.api.trigger("stored", len(symbols), total)
        return total

    @invokable
    def match(self, expression: str, weights: list[float], limit: int) -> list[Hit]:
        """The best ``limit`` symbols for an FTS5 expression. ``weights``: of a match in name, in path, in docstring."""
        return self._store.match(expression, weights, limit)

    @invokable
    def count(self) -> int:
        """How many symbols there are."""
        return self._store.count()

    @invokable
    def place(self) -> str:
        """Where the index is kept."""
        return self._store.place
