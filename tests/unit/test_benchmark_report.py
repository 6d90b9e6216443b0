"""What the benchmarks say about given figures."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.histogram import Histogram
from benchmarks.loops import Sample
from benchmarks.report import render, to_json
from benchmarks.results import HOT, PARKED, Outcome, Row, Settings

MACHINE: dict[str, Any] = {
    "cpu": "Test CPU",
    "cpus": 2,
    "cpus_allowed": 2,
    "kernel": "Test 1.0",
    "python": "CPython 3",
    "time": "2000-01-01T00:00:00+00:00",
    "load_average": [0.0, 0.0, 0.0],
    "libraries": {"logoscore": "1"},
}
SETTINGS = Settings(peers=("floor", "pipe", "logoscore"), rounds=2)


def row(peer: str, *rounds: int, variant: str = HOT, ours: bool = False, late: int | None = None) -> Row:
    """A row whose calls all took as many µs as each round says, and half as much CPU on either side."""
    samples = [
        Sample(
            latency=Histogram([each * 1000] * 10),
            late=Histogram([] if late is None else [late * 1000] * 10),
            wall_ns=each * 10_000,
            caller_cpu_ns=each * 5000,
            callee_cpu_ns=each * 5000,
        )
        for each in rounds
    ]
    return Row(peer, f"title of {peer}", variant, ours, samples)


def text(*rows: Row, settings: Settings = SETTINGS, **keys: Any) -> str:
    return render(MACHINE, settings, [Outcome("scenario", "pipe", list(rows), **keys)])


def test_wins_losses_and_ties_are_all_said() -> None:
    report = text(row("floor", 2, 3), row("pipe", 40, 42), row("rival", 9, 11), row("logoscore", 10, 10, ours=True))
    assert "hot, logoscore, p50: less than pipe; even with rival; MORE than floor\n" in report
    assert "hot, logoscore, p99: less than pipe; even with rival; MORE than floor\n" in report
    assert "hot, logoscore, CPU: less than pipe; even with rival; MORE than floor\n" in report


def test_variants_are_not_mixed() -> None:
    report = text(row("pipe", 10), row("pipe", 100, variant=PARKED), row("logoscore", 50, variant=PARKED, ours=True))
    assert "parked, logoscore, p50: less than pipe\n" in report
    assert "hot, logoscore" not in report


def test_the_table() -> None:
    report = text(row("pipe", 40, 42), row("logoscore", 10, 11, ours=True, late=3))
    line = next(line for line in report.splitlines() if "title of logoscore" in line)
    # p50 of the two rounds together is 10; p99.9 is not said of 20 calls; CPU is (10 + 11) / 2 / 2.
    assert line.split()[4:] == ["20", "10.0", "11.0", "11.0", "-", "11.0", "0.25", "10.0–11.0", "3.0", "5.2", "5.2"]


def test_without_the_baseline_there_is_no_ratio() -> None:
    line = text(row("logoscore", 10, ours=True)).splitlines()[-1]
    assert line.split()[-6:-3] == ["10.0", "-", "10.0–10.0"]


def test_who_is_missing_is_said() -> None:
    report = text(row("pipe", 1), skipped={"pyzmq": "is not installed"}, failed={"floor": "it raised"})
    assert "skipped pyzmq: is not installed\nFAILED floor: it raised\n" in report


def test_conditions_stand_beside_the_figures() -> None:
    settings = Settings(peers=("pipe",), busy=True, pinned=True)
    assert "hot (busy, pinned)  title of pipe" in text(row("pipe", 1), settings=settings)


def test_json_has_everything_again() -> None:
    outcome = Outcome("scenario", "pipe", [row("pipe", 40, 42), row("logoscore", 10, 11, ours=True)], {"a": "b"})
    document = json.loads(json.dumps(to_json(MACHINE, SETTINGS, [outcome])))
    assert document["machine"] == MACHINE
    assert document["settings"]["rounds"] == 2
    [scenario] = document["scenarios"]
    assert scenario["skipped"] == {"a": "b"}
    pipe, ours = scenario["rows"]
    assert pipe["verdict"] is None
    assert ours["verdict"]["p50"] == {"less than": ["pipe"], "even with": [], "MORE than": []}
    assert ours["ratio_of_rounds"] == [0.25, 11 / 42]
    assert [Sample.from_dict(each).calls for each in ours["rounds"]] == [10, 10]
