"""What can be said of a few rounds: an exact rank test, and a correction for asking often. Nothing else is needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import comb

__all__ = ["holm", "least_p", "spread", "stochastically_greater"]


def stochastically_greater(new: Sequence[float], old: Sequence[float]) -> float:
    """The probability of ranks like these, or more extreme, if nothing but chance had made ``new`` larger than ``old``.

    The one-sided rank-sum test of Wilcoxon, Mann and Whitney, by counting all ways of dealing the ranks: exact for few
    values and with ties, and without any assumption about how times are distributed.
    """
    ranks = _doubled_ranks([*new, *old])
    observed = sum(ranks[: len(new)])
    ways: Counter[tuple[int, int]] = Counter({(0, 0): 1})  # (how many are dealt, their sum)
    for rank in ranks:
        for (dealt, total), count in list(ways.items()):
            if dealt < len(new):
                ways[dealt + 1, total + rank] += count
    extreme = sum(n for (dealt, total), n in ways.items() if dealt == len(new) and total >= observed)
    return extreme / comb(len(ranks), len(new))


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Twice the rank of each; equal values share the middle of theirs."""
    ordered = sorted(values)
    first: dict[float, int] = {}
    last: dict[float, int] = {}
    for rank, value in enumerate(ordered, 1):
        first.setdefault(value, rank)
        last[value] = rank
    return [first[value] + last[value] for value in values]


def least_p(new: int, old: int) -> float:
    """The smallest probability that the test can give for so many values."""
    return 1 / comb(new + old, new)


def holm(probabilities: Mapping[str, float], alpha: float) -> set[str]:
    """The questions that may be answered with yes, so that the chance of even one wrong yes stays below ``alpha``."""
    yes: set[str] = set()
    remaining = len(probabilities)
    for question, probability in sorted(probabilities.items(), key=lambda item: item[1]):
        if probability > alpha / remaining:
            break
        yes.add(question)
        remaining -= 1
    return yes


def spread(values: Sequence[float], centre: float) -> float:
    """A standard deviation around ``centre`` that a few wild values do not spoil: 1.4826 x the median distance."""
    distances = sorted(abs(value - centre) for value in values)
    middle = len(distances) // 2
    median = distances[middle] if len(distances) % 2 else (distances[middle - 1] + distances[middle]) / 2
    return 1.4826 * median
