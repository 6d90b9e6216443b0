"""How much work a peer may make: pure arithmetic over the clock that its user reads."""

from __future__ import annotations

__all__ = ["Allowance"]


class Allowance:
    """How much work somebody may make in a while: ``burst`` at once, ``per_second`` in the long run.

    Whoever overdraws it waits until it is made up for; nothing is lost.
    """

    def __init__(self, per_second: float, burst: float, now: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._left = burst
        self._last = now

    def spend(self, cost: float, now: float) -> None:
        """He made us work."""
        self._left = min(self._left + (now - self._last) * self._per_second, self._burst) - cost
        self._last = now

    def pause(self, now: float) -> float:
        """Seconds until he may make more."""
        owed = self._left + (now - self._last) * self._per_second
        return 0.0 if owed >= 0 else -owed / self._per_second
