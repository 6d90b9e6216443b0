"""Outcomes as text for people and as JSON for programs.

The table has every peer in every variant, the verdict every comparison: what is lost is shown as what is won is. A
comparison is decided only if the ranges over the rounds do not touch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from benchmarks.results import HOT, PARKED, Outcome, Row, Settings

__all__ = ["render", "to_json"]

_PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9)
_ENOUGH: Final = 1000  # calls below which p99.9 would be a single one: the maximum, under another name
_FORMAT: Final = 1

_MEASURES: Final[dict[str, Callable[[Row], Sequence[float]]]] = {
    "p50": lambda row: row.percentiles(50),
    "p99": lambda row: row.percentiles(99),
    "CPU": Row.cpu_of_rounds,
}
"""What the verdict compares: a name, and each round's figure, of which less is better."""


# --- text ------------------------------------------------------------------------------------------------------------


def render(machine: Mapping[str, Any], settings: Settings, outcomes: Sequence[Outcome]) -> str:
    """The whole report."""
    parts = [_describe(machine, settings)]
    for outcome in outcomes:
        parts += [f"{outcome.scenario}, in µs", _table(outcome, settings)]
        parts += [text for text in (_verdict(outcome), "\n".join(outcome.notes), _missing(outcome)) if text]
    return "\n\n".join(parts) + "\n"


def _describe(machine: Mapping[str, Any], settings: Settings) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    load = machine["load_average"][0]
    lines = [
        f"{machine['cpu']}, {machine['cpus_allowed']} of {machine['cpus']} CPUs allowed, {machine['kernel']}",
        f"{machine['python']}, {libraries}",
        f"{machine['time']}, load average {load} when we began"
        + (": the machine was not quiet" if load > machine["cpus"] / 4 else ""),
    ]
    timings = {
        HOT: f"hot: back to back for {settings.hot_seconds:g} s after {settings.hot_warmup:g} s of warm-up",
        PARKED: f"parked: every {settings.interval * 1000:g} ms for {settings.parked_seconds:g} s, timed from the"
        f" intended send, after {settings.parked_warmup:g} s of warm-up",
    }
    lines.append(f"{settings.rounds} rounds, peers in turn")
    lines += [timings[variant] for variant in settings.variants]
    if settings.conditions:
        lines.append(f"conditions: {settings.conditions}")
    return "\n".join(lines)


_HEADINGS: Final = (
    "variant", "peer", "calls", "p50", "p90", "p99", "p99.9", "max",
    "x Pipe", "p50 of rounds", "late", "CPU caller", "CPU callee",
)  # fmt: skip
_TEXT_COLUMNS: Final = 2


def _table(outcome: Outcome, settings: Settings) -> str:
    measured = [row for row in outcome.rows if row.samples]
    lines = [list(_HEADINGS)]
    lines += [_cells(row, outcome.row(outcome.baseline, row.variant), settings) for row in measured]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < _TEXT_COLUMNS else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _cells(row: Row, baseline: Row | None, settings: Settings) -> list[str]:
    latency, late, medians = row.latency(), row.late(), row.percentiles(50)
    percentiles = [
        _us(latency.percentile(percent)) if percent <= 99 or latency.count >= _ENOUGH else "-"
        for percent in _PERCENTILES
    ]
    return [
        f"{row.variant} ({settings.conditions})" if settings.conditions else row.variant,
        row.title,
        str(latency.count),
        *percentiles,
        _us(latency.maximum),
        f"{row.ratio_to(baseline):.2f}" if baseline else "-",
        f"{_us(min(medians))}–{_us(max(medians))}",
        _us(late.percentile(50)) if late.count else "-",
        _us(row.caller_cpu()) if row.caller_cpu() else "-",
        _us(row.callee_cpu()) if row.callee_cpu() else "-",
    ]


def _us(nanoseconds: float) -> str:
    value = nanoseconds / 1000
    return f"{value:.1f}" if value < 1000 else f"{value:.0f}"


def _verdict(outcome: Outcome) -> str:
    lines = []
    for row in outcome.rows:
        others = [other for other in outcome.rows if other.variant == row.variant and not other.ours]
        if not row.ours or not row.samples or not others:
            continue
        for name in _MEASURES:
            grouped = _grouped(row, others, name)
            judged = "; ".join(f"{verb} {', '.join(names)}" for verb, names in grouped.items() if names)
            lines.append(f"{row.variant}, {row.peer}, {name}: {judged}")
    if not lines:
        return ""
    return "\n".join(["Wins and losses (even: the rounds' ranges touch; CPU: caller and callee together)", *lines])


def _grouped(row: Row, others: Sequence[Row], measure: str) -> dict[str, list[str]]:
    """The others by how ``row`` compares to them."""
    grouped: dict[str, list[str]] = {"less than": [], "even with": [], "MORE than": []}
    figures = _MEASURES[measure](row)
    for other in others:
        theirs = _MEASURES[measure](other)
        if max(figures) < min(theirs):
            grouped["less than"].append(other.peer)
        elif min(figures) > max(theirs):
            grouped["MORE than"].append(other.peer)
        else:
            grouped["even with"].append(other.peer)
    return grouped


def _missing(outcome: Outcome) -> str:
    lines = [f"skipped {peer}: {reason}" for peer, reason in outcome.skipped.items()]
    lines += [f"FAILED {peer}: {reason}" for peer, reason in outcome.failed.items()]
    return "\n".join(lines)


# --- JSON ------------------------------------------------------------------------------------------------------------


def to_json(machine: Mapping[str, Any], settings: Settings, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Everything, with all histograms: other reports can be made of it. Times are nanoseconds."""
    return {
        "format": _FORMAT,
        "machine": dict(machine),
        "settings": asdict(settings),
        "scenarios": [
            {
                "scenario": outcome.scenario,
                "baseline": outcome.baseline,
                "rows": [_row_as_json(row, outcome) for row in outcome.rows if row.samples],
                "skipped": outcome.skipped,
                "failed": outcome.failed,
                "notes": outcome.notes,
            }
            for outcome in outcomes
        ],
    }


def _row_as_json(row: Row, outcome: Outcome) -> dict[str, Any]:
    latency, late = row.latency(), row.late()
    baseline = outcome.row(outcome.baseline, row.variant)
    others = [other for other in outcome.rows if other.variant == row.variant and not other.ours]
    return {
        "peer": row.peer,
        "title": row.title,
        "variant": row.variant,
        "ours": row.ours,
        "calls": row.calls,
        **{f"p{percent:g}": latency.percentile(percent) for percent in _PERCENTILES},
        "max": latency.maximum,
        "late_p50": late.percentile(50) if late.count else None,
        "ratio_to_baseline": row.ratio_to(baseline) if baseline else None,
        "ratio_of_rounds": row.ratio_of_rounds(baseline) if baseline else None,
        "p50_of_rounds": row.percentiles(50),
        "caller_cpu": row.caller_cpu(),
        "callee_cpu": row.callee_cpu(),
        "verdict": {name: _grouped(row, others, name) for name in _MEASURES} if row.ours else None,
        "rounds": [sample.to_dict() for sample in row.samples],
    }
