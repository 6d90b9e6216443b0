"""Outcomes as text.

The table has every peer in every variant, the verdict every comparison: what is lost is shown as what is won is. A
comparison is decided only if the ranges over the rounds do not touch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from benchmarks.goals import Goal, goals
from benchmarks.peers import BASELINE
from benchmarks.results import KINDS, LATENCY, Outcome, Row, Settings
from benchmarks.scenarios import SCENARIOS

__all__ = [
    "FIGURES",
    "LATENCIES",
    "cells_of",
    "compared",
    "describe",
    "goal_line",
    "missing",
    "number",
    "render",
    "ring_of",
    "verdicts",
]

_PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9)
_ENOUGH: Final = 1000  # calls below which p99.9 would be a single one: the maximum, under another name

LATENCIES: Final = (
    "variant", "peer", "calls", "p50", "p90", "p99", "p99.9", "max",
    "x Pipe", "p50 of rounds", "late", "CPU caller", "CPU callee",
)  # fmt: skip
FIGURES: Final = ("variant", "peer", "rounds", "median", "unit", "x baseline", "of rounds", "CPU caller", "CPU callee")
"""Headings of the tables of latencies and of everything else."""
_BESIDE_OTHERS: Final = tuple("x baseline" if heading == "x Pipe" else heading for heading in LATENCIES)
"""Of latencies that are not compared with Pipe's."""
_TEXT_COLUMNS: Final = 2

_MEASURES: Final[dict[str, Callable[[Row], Sequence[float]]]] = {
    "p50": lambda row: row.percentiles(50),
    "p99": lambda row: row.percentiles(99),
    "CPU": Row.cpu_of_rounds,
}
"""What the verdict compares of latencies: a name, and each round's figure, of which less is better."""


def render(machine: Mapping[str, Any], settings: Settings, outcomes: Sequence[Outcome]) -> str:
    """The whole report."""
    parts = ["\n".join(describe(machine, settings))]
    for outcome in outcomes:
        parts.append(f"{outcome.scenario}: {title_of(outcome)}")
        for headings, rows in tables(outcome):
            parts.append(_table(headings, [cells_of(row, outcome) for row in rows]))
        said = verdicts(outcome)
        if said:
            parts.append(
                "\n".join(["Wins and losses (even: the rounds' ranges touch; CPU: caller and callee together)", *said])
            )
        parts += ["\n".join(lines) for lines in (outcome.notes, missing(outcome)) if lines]
    reached = [] if settings.quick else goals(outcomes)
    if reached:
        parts.append("\n".join(["Design goals", *map(goal_line, reached)]))
    return "\n\n".join(parts) + "\n"


def title_of(outcome: Outcome) -> str:
    """What was measured."""
    scenario = SCENARIOS.get(outcome.scenario)
    return scenario.title if scenario else outcome.scenario


def describe(machine: Mapping[str, Any], settings: Settings) -> list[str]:
    """Machine, libraries, and how was measured, a line each."""
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    load = machine["load_average"][0]
    return [
        f"{machine['cpu']}, {machine['cpus_allowed']} of {machine['cpus']} CPUs allowed, {machine['kernel']}",
        f"{machine['python']}, {ring_of(machine)}{libraries}",
        f"{machine['time']}, load average {load} when we began"
        + (": THE MACHINE WAS NOT QUIET" if load > machine["cpus"] / 4 else ""),
        f"{settings.rounds} rounds, peers in turn. Latencies in µs, whole round trips"
        + (". A QUICK RUN, NOT FOR FIGURES" if settings.quick else ""),
        f"hot: back to back for {settings.hot_seconds:g} s after {settings.hot_warmup:g} s of warm-up. On a schedule:"
        f" {settings.parked_seconds:g} s after {settings.parked_warmup:g} s, timed from the intended send",
    ]


def ring_of(machine: Mapping[str, Any]) -> str:
    """How our ring was built, to stand before something else; nothing in a report of before there was a choice."""
    return f"logoscore's ring in {machine['ring']}, " if "ring" in machine else ""


def tables(outcome: Outcome) -> list[tuple[Sequence[str], list[Row]]]:
    """Headings and rows: latencies, then all else."""
    latencies = [row for row in outcome.rows if row.samples and row.kind == LATENCY]
    others = [row for row in outcome.rows if row.samples and row.kind != LATENCY]
    shown = LATENCIES if outcome.baseline in (BASELINE, "") else _BESIDE_OTHERS
    return [(headings, rows) for headings, rows in ((shown, latencies), (FIGURES, others)) if rows]


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [list(headings), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < _TEXT_COLUMNS else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def cells_of(row: Row, outcome: Outcome) -> list[str]:
    """A row of the table that its kind belongs into."""
    baseline = outcome.row(outcome.baseline, row.variant)
    cpu = [number(each / 1000) if each else "-" for each in (row.caller_cpu(), row.callee_cpu())]
    figures = row.figures()
    spread = f"{number(min(figures))}–{number(max(figures))}"
    ratio = f"{row.ratio_to(baseline):.2f}" if baseline else "-"
    if row.kind != LATENCY:
        unit = KINDS[row.kind].unit
        return [row.variant, row.title, str(len(figures)), number(row.median()), unit, ratio, spread, *cpu]
    latency, late = row.latency(), row.late()
    percentiles = [
        _us(latency.percentile(percent)) if percent <= 99 or latency.count >= _ENOUGH else "-"
        for percent in _PERCENTILES
    ]
    lateness = _us(late.percentile(50)) if late.count else "-"
    return [
        row.variant, row.title, str(latency.count), *percentiles, _us(latency.maximum), ratio, spread, lateness, *cpu,
    ]  # fmt: skip


def _us(nanoseconds: float) -> str:
    return number(nanoseconds / 1000)


def number(value: float) -> str:
    """With as many digits as mean something."""
    if value >= 1000:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 1 or not value else f"{value:.2g}"


def verdicts(outcome: Outcome) -> list[str]:
    """Every row of ours against all others of its variant, a line for each measure."""
    lines = []
    for row in outcome.rows:
        others = [other for other in outcome.rows if other.variant == row.variant and not other.ours]
        if not row.ours or not row.samples or not others:
            continue
        for name in compared(row):
            grouped = grouped_by_verdict(row, others, name)
            judged = "; ".join(f"{verb} {', '.join(names)}" for verb, names in grouped.items() if names)
            lines.append(f"{row.variant}, {row.peer}, {name}: {judged}")
    return lines


def compared(row: Row) -> dict[str, Callable[[Row], Sequence[float]]]:
    """The measures of a row, by name."""
    return _MEASURES if row.kind == LATENCY else {KINDS[row.kind].unit: Row.figures}


def grouped_by_verdict(row: Row, others: Sequence[Row], measure: str) -> dict[str, list[str]]:
    """The others by how ``row`` compares to them. Capitals: where it loses."""
    less = row.kind == LATENCY or KINDS[row.kind].less_is_better
    below, above = ("less than", "MORE than") if less else ("LESS than", "more than")
    grouped: dict[str, list[str]] = {below: [], "even with": [], above: []}
    of = compared(row)[measure]
    figures = of(row)
    for other in others:
        theirs = of(other)
        if max(figures) < min(theirs):
            grouped[below].append(other.peer)
        elif min(figures) > max(theirs):
            grouped[above].append(other.peer)
        else:
            grouped["even with"].append(other.peer)
    return grouped


def missing(outcome: Outcome) -> list[str]:
    """Who was skipped and who failed, and why."""
    lines = [f"skipped {peer}: {reason}" for peer, reason in outcome.skipped.items()]
    return lines + [f"FAILED {peer}: {reason}" for peer, reason in outcome.failed.items()]


def goal_line(goal: Goal) -> str:
    """One line of the list of goals."""
    return (
        f"{'met   ' if goal.met else 'MISSED'}  {goal.what}: {number(goal.measured)} {goal.unit} (goal: {goal.bound})"
    )
