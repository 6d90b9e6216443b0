"""Which plots a report has: plain data, drawn by :mod:`benchmarks.reports.svg` or :mod:`benchmarks.reports.png`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.results import KINDS, LATENCY, Outcome, Row
from benchmarks.scenarios.throughput import size_name

__all__ = ["Dots", "Line", "Lines", "Mark", "dots_of", "plots", "summary"]

_CURVE: Final = (0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99)


@dataclass(slots=True)
class Line:
    """One peer's points."""

    name: str
    ours: bool
    points: list[tuple[float, float]]


@dataclass(slots=True)
class Lines:
    """Lines over a logarithmic x; ``ticks`` are its places and what is written there."""

    title: str
    x_label: str
    y_label: str
    y_log: bool
    ticks: list[tuple[float, str]]
    lines: list[Line] = field(default_factory=list)


@dataclass(slots=True)
class Mark:
    """One peer's figure, with the lowest and the highest of its rounds."""

    name: str
    ours: bool
    low: float
    middle: float
    high: float


@dataclass(slots=True)
class Dots:
    """A mark for each peer on one logarithmic axis: lengths of bars would mean nothing on it."""

    title: str
    x_label: str
    marks: list[Mark] = field(default_factory=list)


def plots(outcomes: Sequence[Outcome]) -> dict[str, list[Lines | Dots]]:
    """By scenario."""
    return {outcome.scenario: list(_of(outcome)) for outcome in outcomes}


def summary(outcomes: Sequence[Outcome]) -> list[Lines | Dots]:
    """Those of the picture in the README: the hot call, parked calls, large payloads."""
    found = {outcome.scenario: outcome for outcome in outcomes}
    chosen: list[Lines | Dots] = []
    if "round-trip" in found:
        variants = _variants(found["round-trip"], LATENCY)
        chosen += [dots_of(found["round-trip"], variant) for variant in variants if variant in ("hot", "every 5 ms")]
    if "sizes" in found:
        chosen += list(_of(found["sizes"]))
    return chosen


def _of(outcome: Outcome) -> Iterator[Lines | Dots]:
    swept = [row for row in outcome.rows if row.x is not None and row.samples]
    if swept:
        yield from _sweeps(outcome, swept)
    for kind in KINDS:
        for variant in _variants(outcome, kind):
            rows = [row for row in outcome.rows if row.variant == variant and row.samples]
            if rows[0].x is not None:
                continue
            if any(row.median() > 0 for row in rows):
                yield dots_of(outcome, variant)
            if kind == LATENCY and outcome.scenario != "crash-notice":
                yield _distribution(outcome, variant)


def _variants(outcome: Outcome, kind: str) -> list[str]:
    return list(dict.fromkeys(row.variant for row in outcome.rows if row.kind == kind and row.samples))


def dots_of(outcome: Outcome, variant: str) -> Dots:
    """The figures of one variant."""
    rows = [row for row in outcome.rows if row.variant == variant and row.samples]
    kind = KINDS[rows[0].kind]
    what = "p50 of the rounds' round trips" if kind.name == LATENCY else kind.name
    better = "less is better" if kind.less_is_better else "more is better"
    dots = Dots(f"{outcome.scenario}: {variant}", f"{what}, {kind.unit} ({better}; line: lowest to highest round)")
    for row in rows:
        figures = row.figures()
        dots.marks.append(Mark(row.title, row.ours, min(figures), row.median(), max(figures)))
    return dots


def _distribution(outcome: Outcome, variant: str) -> Lines:
    """Latency over percentile, with as much room for 99 to 99.9 as for 0 to 90: the tail is what hurts."""
    ticks = [(1.0, "0"), (2.0, "50"), (10.0, "90"), (100.0, "99"), (1000.0, "99.9"), (10000.0, "99.99")]
    plot = Lines(f"{outcome.scenario}: {variant}, distribution", "percentile of calls", "round trip, µs", True, ticks)
    for row in outcome.rows:
        if row.variant != variant or not row.samples:
            continue
        latency = row.latency()
        # A percentile that is decided by fewer than ten calls is chance.
        points = [
            (100 / (100 - percent), latency.percentile(percent) / 1e3)
            for percent in _CURVE
            if latency.count * (100 - percent) / 100 >= 10
        ]
        plot.lines.append(Line(row.title, row.ours, points))
    last = max((x for line in plot.lines for x, _ in line.points), default=1.0)
    plot.ticks = [tick for tick in ticks if tick[0] <= last]
    return plot


def _sweeps(outcome: Outcome, rows: Sequence[Row]) -> Iterator[Lines]:
    for kind in dict.fromkeys(row.kind for row in rows):
        chosen = [row for row in rows if row.kind == kind]
        places = sorted({row.x for row in chosen if row.x is not None})
        if len(places) < 2:
            continue
        sizes = outcome.scenario == "sizes"
        names = [(place, size_name(place) if sizes else f"{place:g}") for place in places]
        axis = {"sizes": "payload", "threads": "client threads", "events": "subscribers"}.get(
            outcome.scenario, "modules"
        )
        what = "p50" if kind == LATENCY else kind
        plot = Lines(f"{outcome.scenario}: {what}", axis, f"{what}, {KINDS[kind].unit}", True, names)
        for title in dict.fromkeys(row.title for row in chosen):
            points = sorted((row.x or 0.0, row.median()) for row in chosen if row.title == title)
            plot.lines.append(Line(title, any(row.ours for row in chosen if row.title == title), points))
        yield plot
