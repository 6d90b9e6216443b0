"""Two runs: what got slower beyond noise.

Rounds within a run resemble each other more than runs do: the kernel places processes anew, the machine is in another
mood. So a difference between rounds of two runs says little by itself. But the peers that are not ours have not changed
from one run to the other, and how they moved shows what the machine did. A row of ours is slower *beyond noise* if

1. its rounds differ: by the exact one-sided rank-sum test on the rounds' figures, after the machine's drift (the median
   movement of the other peers in the same variant and measure) has been taken out, with Holm's correction, so that a
   comparison of equal versions cries wolf in at most one of twenty cases as far as chance within the runs goes; and
2. it moved by more than a tenth, and by more than twice the robust standard deviation of the others' movements.

Both must hold. With too few rounds for 1, nothing is said of a row but that. With fewer than three other peers there is
no drift and no spread to speak of, and only the tenth remains of 2: the report says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Any, Final

from benchmarks.results import KINDS, LATENCY, Outcome, Row, Settings, median
from benchmarks.statistics import holm, least_p, spread, stochastically_greater

__all__ = ["Comparison", "Difference", "compare", "render"]

ALPHA: Final = 0.05
LEAST: Final = 0.1
"""What is less than this is not worth a word, however sure."""
_CONTROLS: Final = 3
_SIGMAS: Final = 2.0
_SAME: Final = ("cpu", "cpus_allowed", "architecture", "kernel", "python")


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure of one row of ours. ``change`` is new to old after drift, such that more than 1 is worse."""

    name: str
    old: float
    new: float
    unit: str
    change: float
    needed: float
    controls: int
    worse: float
    better: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """``warnings`` say why it may not be fair."""

    slower: list[Difference]
    faster: list[Difference]
    even: list[Difference]
    unjudged: list[str]
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class _Measured:
    row: Row
    unit: str
    less_is_better: bool
    figures: list[float]


Key = tuple[str, str, str, str]
"""Scenario, variant, measure, peer."""


def compare(
    old: tuple[Mapping[str, Any], Settings, Sequence[Outcome]],
    new: tuple[Mapping[str, Any], Settings, Sequence[Outcome]],
) -> Comparison:
    """What :func:`benchmarks.reports.document.from_json` gives, twice."""
    before, after = dict(_measures(old[2])), dict(_measures(new[2]))
    shared = [key for key in after if key in before]
    ours = [key for key in shared if after[key].row.ours]
    unjudged = [
        f"{_name(key)}: {len(before[key].figures)} and {len(after[key].figures)} rounds are too few"
        for key in ours
        if not _can_be_judged(before[key], after[key], len(ours))
    ]
    differences = [
        _difference(key, before, after, shared) for key in ours if _can_be_judged(before[key], after[key], len(ours))
    ]
    worse = holm({each.name: each.worse for each in differences}, ALPHA)
    better = holm({each.name: each.better for each in differences}, ALPHA)
    slower = [each for each in differences if each.name in worse and each.change > each.needed]
    faster = [each for each in differences if each.name in better and 1 / each.change > each.needed]
    return Comparison(
        slower=sorted(slower, key=lambda each: -each.change),
        faster=sorted(faster, key=lambda each: each.change),
        even=[each for each in differences if each not in slower and each not in faster],
        unjudged=unjudged,
        warnings=_warnings(old, new),
    )


def _measures(outcomes: Sequence[Outcome]) -> Iterator[tuple[Key, _Measured]]:
    for outcome in outcomes:
        for row in outcome.rows:
            if not row.samples:
                continue
            kind = KINDS[row.kind]
            measures = {"p50" if row.kind == LATENCY else kind.name: (kind.unit, kind.less_is_better, row.figures())}
            if any(sample.caller_cpu_ns for sample in row.samples):
                measures["CPU"] = ("µs", True, [each / 1e3 for each in row.cpu_of_rounds()])
            for measure, (unit, less, figures) in measures.items():
                if all(figure > 0 for figure in figures):
                    yield (outcome.scenario, row.variant, measure, row.peer), _Measured(row, unit, less, figures)


def _can_be_judged(old: _Measured, new: _Measured, questions: int) -> bool:
    return least_p(len(new.figures), len(old.figures)) <= ALPHA / questions


def _difference(
    key: Key, before: Mapping[Key, _Measured], after: Mapping[Key, _Measured], shared: Sequence[Key]
) -> Difference:
    old, new = before[key], after[key]
    moved = [
        _moved(before[other], after[other]) for other in shared if other[:3] == key[:3] and not after[other].row.ours
    ]
    drift, wobble = 0.0, 0.0
    if len(moved) >= _CONTROLS:
        drift = median(moved)
        wobble = spread(moved, drift)
    sign = 1.0 if new.less_is_better else -1.0
    levelled = [figure / exp(drift) for figure in new.figures]
    worse = stochastically_greater(*((levelled, old.figures) if sign > 0 else (old.figures, levelled)))
    better = stochastically_greater(*((old.figures, levelled) if sign > 0 else (levelled, old.figures)))
    return Difference(
        name=_name(key),
        old=median(old.figures),
        new=median(new.figures),
        unit=new.unit,
        change=exp(sign * (_moved(old, new) - drift)),
        needed=max(1 + LEAST, exp(_SIGMAS * wobble)),
        controls=len(moved),
        worse=worse,
        better=better,
    )


def _moved(old: _Measured, new: _Measured) -> float:
    return log(median(new.figures) / median(old.figures))


def _name(key: Key) -> str:
    scenario, variant, measure, peer = key
    return f"{scenario}, {variant}, {peer}, {measure}"


def _warnings(
    old: tuple[Mapping[str, Any], Settings, Sequence[Outcome]],
    new: tuple[Mapping[str, Any], Settings, Sequence[Outcome]],
) -> list[str]:
    lines = [
        f"{name} differs: {old[0].get(name)} then, {new[0].get(name)} now"
        for name in _SAME
        if old[0].get(name) != new[0].get(name)
    ]
    then, now = (
        {name: version for name, version in each[0]["libraries"].items() if name != "logoscore"} for each in (old, new)
    )
    lines += [f"{name} was {then[name]} and is {now[name]}" for name in then if name in now and then[name] != now[name]]
    if old[1].target != new[1].target:
        lines.append(f"another method was measured then: {old[1].target}")
    if old[1].quick or new[1].quick:
        lines.append("a quick run is not for figures")
    return lines


def render(comparison: Comparison) -> str:
    """The comparison as text; what got slower stands last, where it is seen."""
    lines = ["Compared with the run before (change: after the machine's drift; more than 1 is worse)"]
    lines += [f"NOT QUITE COMPARABLE: {warning}" for warning in comparison.warnings]
    lines += [f"not judged: {each}" for each in comparison.unjudged]
    lines.append(f"{len(comparison.even)} measures did not change beyond noise")
    for word, group in (("faster", comparison.faster), ("SLOWER", comparison.slower)):
        lines += [f"{word}: {_line(each)}" for each in group]
    if not comparison.slower:
        lines.append("nothing got slower beyond noise")
    return "\n".join(lines) + "\n"


def _line(each: Difference) -> str:
    judged_by = f"{each.controls} other peers" if each.controls >= _CONTROLS else "no other peers to judge drift by"
    return (
        f"{each.name}: {each.old:.4g} → {each.new:.4g} {each.unit}, {each.change:.2f} x"
        f" (noise: {each.needed:.2f} x, {judged_by}; p = {min(each.worse, each.better):.1g})"
    )
