"""Where on an axis a value lies, and what to write beside it."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, floor, log10

__all__ = ["Axis", "tick_text"]


class Axis:
    """A logarithmic axis from ``start`` to ``end`` (pixels) that holds all ``values``; only what is above 0 can be shown."""

    def __init__(self, values: Iterable[float], start: float, end: float, *, whole_decades: bool = True) -> None:
        shown = [value for value in values if value > 0] or [1.0]
        low, high = log10(min(shown)), log10(max(shown))
        if whole_decades:
            low, high = float(floor(low)), float(ceil(high))
        if high - low < 1e-9:
            low, high = low - 0.5, high + 0.5
        self._low, self._high, self._start, self._end = low, high, start, end

    def at(self, value: float) -> float:
        """The pixel; values that cannot be shown lie at the start."""
        if value <= 0:
            return self._start
        part = (log10(value) - self._low) / (self._high - self._low)
        return self._start + min(max(part, 0.0), 1.0) * (self._end - self._start)

    def ticks(self) -> list[float]:
        """Decades; where there are few, with 2 and 5 in between."""
        steps = (1, 2, 5) if self._high - self._low <= 3 else (1,)
        found = [step * 10.0**decade for decade in range(floor(self._low), ceil(self._high) + 1) for step in steps]
        return [value for value in found if self._low - 1e-9 <= log10(value) <= self._high + 1e-9]


def tick_text(value: float) -> str:
    """As short as it can be said."""
    for bound, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= bound:
            divisor = {"G": 1e9, "M": 1e6, "k": 1e3}[letter]
            return f"{value / divisor:g}{letter}"
    return f"{value:g}"
