"""The module whose host counts. Imported by the host, so it imports little."""

from __future__ import annotations

from typing import Any

from benchmarks.hotpath.counting import Counts, Tally, typical
from logoscore import PluginInterface, invokable

__all__ = ["BenchCounted"]


class BenchCounted(PluginInterface):
    """Adds, and counts what the host does from one addition to the next."""

    def init_logos(self, api: Any) -> None:
        """Nothing is counted yet."""
        super().init_logos(api)
        self._tally: Tally | None = None

    @invokable
    def start(self) -> None:
        """Count from now on."""
        self._tally = Tally()
        self._tally.start()

    @invokable
    def add(self, a: int, b: int) -> int:
        """The sum."""
        if self._tally is not None:
            self._tally.mark()
        return a + b

    @invokable
    def counts(self) -> Counts:
        """Of the typical round; counting ends."""
        assert self._tally is not None
        self._tally.stop()
        rounds, self._tally = self._tally.rounds[2:], None  # the first ones have the start in them
        return typical(rounds)
