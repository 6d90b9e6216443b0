"""A log-linear histogram of nanoseconds: exact below 2048, to one part in 1024 above.

    value      0 … 2047       2048 … 4095      4096 … 8191    …
    cell       one value      2 values wide    4 values wide  …      1024 cells for each doubling

The layout is HdrHistogram's with three significant digits, and so are the answers: a percentile is the highest value of
its cell, and never more than the largest value recorded. Cells are kept sparsely; histograms merge and travel as pairs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

__all__ = ["Histogram", "cell_of", "highest_of", "lowest_of"]

_BITS: Final = 10
_LINEAR: Final = 1 << (_BITS + 1)  # below this every value has a cell of its own


def cell_of(value: int) -> int:
    """The cell that counts ``value``; grows with it. Negative values count as 0."""
    if value < _LINEAR:
        return max(value, 0)
    shift = value.bit_length() - _BITS - 1
    return (shift << _BITS) + (value >> shift)


def lowest_of(cell: int) -> int:
    """The smallest value that ``cell`` counts."""
    if cell < _LINEAR:
        return cell
    shift = (cell >> _BITS) - 1
    return (cell - (shift << _BITS)) << shift


def highest_of(cell: int) -> int:
    """The largest value that ``cell`` counts."""
    return lowest_of(cell + 1) - 1


class Histogram:
    """Counts of values, in cells; count, minimum and maximum are exact."""

    __slots__ = ("_cells", "count", "maximum", "minimum")

    def __init__(self, values: Iterable[int] = ()) -> None:
        self._cells: Counter[int] = Counter()
        self.count = 0
        self.minimum = 0
        self.maximum = 0
        self.record(values)

    def record(self, values: Iterable[int]) -> None:
        """Count each of ``values``."""
        exact = Counter(values)
        if not exact:
            return
        self._widen(max(min(exact), 0), max(*exact, 0))
        for value, count in exact.items():
            self._cells[cell_of(value)] += count
        self.count += exact.total()

    def merge(self, other: Histogram) -> None:
        """Count everything that ``other`` has counted."""
        if other.count:
            self._widen(other.minimum, other.maximum)
            self._cells.update(other._cells)
            self.count += other.count

    def _widen(self, minimum: int, maximum: int) -> None:
        self.minimum = min(self.minimum, minimum) if self.count else minimum
        self.maximum = max(self.maximum, maximum)

    def percentile(self, percent: float) -> int:
        """The smallest recorded value, to the width of its cell, that ``percent`` of all values do not exceed.

        Raises:
            ValueError: nothing was recorded, or ``percent`` is not within 0 to 100.
        """
        if not 0 <= percent <= 100:
            raise ValueError(f"a percentile is within 0 to 100, not {percent!r}")
        if not self.count:
            raise ValueError("an empty histogram has no percentiles")
        # The subtrahend undoes the rounding of e.g. 99.9 / 100 * 1000, which is a little more than 999.
        rank = max(1, math.ceil(self.count * percent / 100 - 1e-9))
        seen = 0
        for cell in sorted(self._cells):
            seen += self._cells[cell]
            if seen >= rank:
                return min(highest_of(cell), self.maximum)
        raise AssertionError("the cells hold fewer values than were counted")

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it: ``cells`` are pairs of lowest value and count, in order."""
        return {
            "minimum": self.minimum,
            "maximum": self.maximum,
            "cells": [[lowest_of(cell), count] for cell, count in sorted(self._cells.items())],
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Histogram:
        """What :meth:`to_dict` was made of."""
        histogram = cls()
        for lowest, count in state["cells"]:
            histogram._cells[cell_of(lowest)] += count
            histogram.count += count
        histogram.minimum, histogram.maximum = state["minimum"], state["maximum"]
        return histogram

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"<Histogram of {self.count} values from {self.minimum} to {self.maximum}>"
