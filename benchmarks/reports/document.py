"""Outcomes as a JSON document, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, Final

from benchmarks.goals import goals
from benchmarks.loops import Sample
from benchmarks.peers import Target
from benchmarks.reports.text import compared, grouped_by_verdict
from benchmarks.results import KINDS, LATENCY, Outcome, Row, Settings

__all__ = ["FormatError", "from_json", "to_json"]

_FORMAT: Final = 2
_PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9)


class FormatError(ValueError):
    """The document is none of ours, or of another version."""


def to_json(machine: Mapping[str, Any], settings: Settings, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Everything, with all histograms: other reports can be made of it. Latencies and times of CPU are nanoseconds."""
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
        "goals": [asdict(goal) for goal in goals(outcomes)],
    }


def _row_as_json(row: Row, outcome: Outcome) -> dict[str, Any]:
    baseline = outcome.row(outcome.baseline, row.variant)
    others = [other for other in outcome.rows if other.variant == row.variant and not other.ours]
    return {
        "peer": row.peer,
        "title": row.title,
        "variant": row.variant,
        "ours": row.ours,
        "kind": row.kind,
        "unit": KINDS[row.kind].unit,
        "x": row.x,
        "calls": row.calls,
        **(_latencies(row) if row.kind == LATENCY else {}),
        "median": row.median(),
        "figures_of_rounds": row.figures(),
        "ratio_to_baseline": row.ratio_to(baseline) if baseline else None,
        "ratio_of_rounds": row.ratio_of_rounds(baseline) if baseline else None,
        "caller_cpu": row.caller_cpu(),
        "callee_cpu": row.callee_cpu(),
        "verdict": {name: grouped_by_verdict(row, others, name) for name in compared(row)} if row.ours else None,
        "rounds": [sample.to_dict() for sample in row.samples],
    }


def _latencies(row: Row) -> dict[str, Any]:
    latency, late = row.latency(), row.late()
    return {
        **{f"p{percent:g}": latency.percentile(percent) for percent in _PERCENTILES},
        "max": latency.maximum,
        "late_p50": late.percentile(50) if late.count else None,
    }


def from_json(document: Any) -> tuple[dict[str, Any], Settings, list[Outcome]]:
    """Machine, settings and outcomes again.

    Raises:
        FormatError: it is no document of ours.
    """
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise FormatError(f"this is no report of format {_FORMAT}: measure again")
    try:
        outcomes = [
            Outcome(
                scenario=each["scenario"],
                baseline=each["baseline"],
                rows=[_row(row) for row in each["rows"]],
                skipped=each["skipped"],
                failed=each["failed"],
                notes=each["notes"],
            )
            for each in document["scenarios"]
        ]
        known = {field.name for field in fields(Settings)}
        values = {name: value for name, value in document["settings"].items() if name in known}
        target = values.pop("target", None)
        if target is not None:
            arguments, folders = tuple(target["arguments"]), tuple(target["plugins_dirs"])
            target = Target(target["module"], target["method"], arguments, folders)
        settings = Settings(**{**values, "peers": tuple(values["peers"]), "target": target})
        return document["machine"], settings, outcomes
    except (KeyError, TypeError, AttributeError) as exc:
        raise FormatError(f"this report is damaged: {type(exc).__name__}: {exc}") from exc


def _row(state: Mapping[str, Any]) -> Row:
    samples = [Sample.from_dict(each) for each in state["rounds"]]
    return Row(
        state["peer"], state["title"], state["variant"], state["ours"], samples, kind=state["kind"], x=state["x"]
    )
