"""The tables of the README, from a run: ``python -m benchmarks --from results.json --markdown``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks.goals import goals
from benchmarks.reports.text import missing, number, ring_of
from benchmarks.results import Outcome, Row, Settings

__all__ = ["render"]

_COLUMNS: Final = (
    ("round-trip", "hot", "hot"),
    ("round-trip", "every 5 ms", "every 5 ms"),
    ("one-cpu", "hot, one CPU", "hot, one CPU"),
    ("busy", "hot, all CPUs busy", "hot, CPUs busy"),
)


def render(machine: Mapping[str, Any], settings: Settings, outcomes: Sequence[Outcome]) -> str:
    """Peers by conditions, and the goals. Empty cells were not measured."""
    found = {outcome.scenario: outcome for outcome in outcomes}
    columns = [each for each in _COLUMNS if each[0] in found and any(_rows(found[each[0]], each[1]))]
    lines = [
        f"Median round trip in µs, and its ratio to `multiprocessing.Pipe` in the same run: {machine['cpu']},"
        f" {machine['cpus_allowed']} CPUs, {machine['python']},"
        f" {ring_of(machine)}{machine['time'][:10]}, {settings.rounds} rounds."
    ]
    if columns:
        lines += _peers(found, columns)
    lines += _c_library(found["c-library"]) if "c-library" in found else []
    reached = goals(outcomes)
    if reached:
        lines += ["", "| goal | measured | bound | |", "|---|---|---|---|"]
        lines += [
            f"| {goal.what} | {number(goal.measured)} {goal.unit} | {goal.bound} | {'met' if goal.met else '**missed**'} |"
            for goal in reached
        ]
    return "\n".join(lines) + "\n"


def _peers(found: Mapping[str, Outcome], columns: Sequence[tuple[str, str, str]]) -> list[str]:
    lines = [
        "",
        "| | " + " | ".join(name for *_, name in columns) + " | CPU per hot call |",
        "|---|" + "---|" * (len(columns) + 1),
    ]
    peers = {row.peer: row.title for scenario, variant, _ in columns for row in _rows(found[scenario], variant)}
    for peer, title in peers.items():
        cells = [_cell(found[scenario], peer, variant) for scenario, variant, _ in columns]
        hot = found["round-trip"].row(peer, "hot") if "round-trip" in found else None
        cpu = number((hot.caller_cpu() + hot.callee_cpu()) / 1e3) if hot else ""
        name = f"**{title}**" if peer.startswith("logoscore") else title
        lines.append(f"| {name} | " + " | ".join([*cells, cpu]) + " |")
    return lines


def _c_library(outcome: Outcome) -> list[str]:
    """A call from C beside the same from Python; what could not be measured is said."""
    lines = ["", "| one hot call, µs | p50 | p99 | CPU |", "|---|---|---|---|"]
    for row in _rows(outcome, "hot"):
        latency = row.latency()
        figures = (latency.percentile(50), latency.percentile(99), row.caller_cpu() + row.callee_cpu())
        lines.append(f"| {row.title} | " + " | ".join(number(each / 1e3) for each in figures) + " |")
    return [*lines, *(f"\n{line}" for line in missing(outcome))]


def _rows(outcome: Outcome, variant: str) -> list[Row]:
    return [row for row in outcome.rows if row.variant == variant and row.samples]


def _cell(outcome: Outcome, peer: str, variant: str) -> str:
    row = outcome.row(peer, variant)
    if row is None:
        return ""
    baseline = outcome.row(outcome.baseline, variant)
    p50 = number(row.latency().percentile(50) / 1e3)
    return f"{p50} ({row.ratio_to(baseline):.2f})" if baseline else p50
