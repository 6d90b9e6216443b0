"""The design's goals, and whether a run reached them. Those of scenarios and peers that were not measured are left out.

Ratios are the median, over the rounds, of the ratio within each round, where both sides saw the same machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.peers import BASELINE, OURS
from benchmarks.results import Outcome, Row, median

__all__ = ["Goal", "goals"]


@dataclass(frozen=True, slots=True)
class Goal:
    """What was to be reached, and what was."""

    what: str
    measured: float
    unit: str
    bound: str
    met: bool


_HOT: Final = {"iceoryx2-poll": 1.0, "pipe": 0.3, "pyzmq": 0.08, "rpyc": 0.06, "pyro5": 0.05, "qt": 0.05}
"""The hot call's p50, as a ratio to others'."""

_CONDITIONS: Final = (
    ("round-trip", "every 5 ms", 1.3),
    ("busy", "hot, all CPUs busy", 1.5),
    ("busy", "every 5 ms, all CPUs busy", 1.5),
    ("one-cpu", "hot, one CPU", 1.5),
    ("one-cpu", "every 5 ms, one CPU", 1.5),
)
"""Ratios of p50 to Pipe's."""

_EVEN: Final = 1.1  # "as fast as", "unchanged": within a tenth
_COLLAPSE: Final = 3.0  # p99 against Pipe's where p50 may be 1.5


def goals(outcomes: Sequence[Outcome]) -> list[Goal]:
    """All that this run can say something of, in the order of the scenarios."""
    found = {outcome.scenario: outcome for outcome in outcomes}
    return [
        goal
        for scenario, check in (
            ("round-trip", _round_trip), ("busy", _busy), ("one-cpu", _one_cpu), ("idle", _idle),
            ("pipelined", _pipelined), ("threads", _threads), ("events", _events), ("sizes", _sizes),
            ("start", _start), ("many-modules", _many),
        )
        if scenario in found
        for goal in check(found[scenario])
    ]  # fmt: skip


def _at_most(what: str, measured: float, unit: str, bound: float) -> Goal:
    return Goal(what, measured, unit, f"at most {bound:g}", measured <= bound)


def _at_least(what: str, measured: float, unit: str, bound: float) -> Goal:
    return Goal(what, measured, unit, f"at least {bound:g}", measured >= bound)


def _ratio(row: Row, other: Row, figures: Callable[[Row], Sequence[float]] = Row.figures) -> float:
    pairs = zip(figures(row), figures(other), strict=False)
    return median([own / theirs for own, theirs in pairs if theirs])


def _round_trip(outcome: Outcome) -> Iterator[Goal]:
    ours = outcome.row(OURS, "hot")
    if ours is None:
        return
    for peer, bound in _HOT.items():
        other = outcome.row(peer, "hot")
        if other is not None:
            yield _at_most(f"hot call, p50 against {peer}", _ratio(ours, other), f"x {peer}", bound)
    modules = outcome.row("logoscore-modules", "hot")
    if modules is not None:
        yield _at_most("hot call from a module, against that from the app", _ratio(modules, ours), "x app", _EVEN)
    yield from _conditions(outcome)


def _conditions(outcome: Outcome, *, tail: bool = False) -> Iterator[Goal]:
    for scenario, variant, bound in _CONDITIONS:
        ours, pipe = outcome.row(OURS, variant), outcome.row(BASELINE, variant)
        if scenario != outcome.scenario or ours is None or pipe is None:
            continue
        yield _at_most(f"{variant}: p50", _ratio(ours, pipe), "x pipe", bound)
        if tail:
            p99 = _ratio(ours, pipe, lambda row: row.percentiles(99))
            yield _at_most(f"{variant}: p99 does not collapse", p99, "x pipe", _COLLAPSE)


def _busy(outcome: Outcome) -> Iterator[Goal]:
    yield from _conditions(outcome, tail=True)


_one_cpu = _busy


def _idle(outcome: Outcome) -> Iterator[Goal]:
    cpu, wakeups = outcome.row(OURS, "CPU time"), outcome.row(OURS, "wake-ups")
    if cpu is not None and wakeups is not None:
        yield _at_most("idle: CPU time of app and hosts", cpu.median(), "ms per s", 0.1)
        yield _at_most("idle: wake-ups of app and hosts", wakeups.median(), "per s", 0)


def _pipelined(outcome: Outcome) -> Iterator[Goal]:
    for row in outcome.rows:
        if row.peer == OURS:
            yield _at_least("pipelined submit from one thread", row.median(), "1000/s", 60)


def _threads(outcome: Outcome) -> Iterator[Goal]:
    one, many = outcome.row(OURS, "1 thread"), outcome.row(OURS, "16 threads")
    if one is not None and many is not None:
        yield _at_least("16 client threads do not collapse", _ratio(many, one), "x one thread's rate", 0.5)


def _events(outcome: Outcome) -> Iterator[Goal]:
    for row in outcome.rows:
        if row.peer == OURS:
            yield _at_least(f"events {row.variant}, deliveries", row.median(), "1000/s", 100)


def _sizes(outcome: Outcome) -> Iterator[Goal]:
    memcpy = outcome.row("memcpy", "64 MiB")
    for row in outcome.rows:
        if row.ours and memcpy is not None and row.variant == memcpy.variant:
            yield _at_least(f"64 MiB one way, {row.peer}", _ratio(row, memcpy), "x memcpy", 0.7)


def _start(outcome: Outcome) -> Iterator[Goal]:
    rows = {row.peer: row.median() for row in outcome.rows}
    if {OURS, "spawned no-op", "python", "import"} <= rows.keys():
        yield _at_most("loading a module, against a spawned no-op", rows[OURS] / rows["spawned no-op"], "x no-op", 1.6)
        yield _at_most("import logoscore beyond bare Python", rows["import"] - rows["python"], "ms", 30)
    if "logoscore-warm" in rows:
        yield _at_most("loading a module into a warm host", rows["logoscore-warm"], "ms", 10)


def _many(outcome: Outcome) -> Iterator[Goal]:
    bare, host = outcome.row("bare", "memory of its own"), outcome.row(OURS, "memory of its own")
    if bare is not None and host is not None:
        yield _at_most("memory of a host beyond a spawned Python", host.median() - bare.median(), "MB", 6)
    hot = [row for row in outcome.rows if row.peer == OURS and row.variant.startswith("hot")]
    if len(hot) > 1:
        what = f"hot call beside {hot[-1].x:g} modules"
        yield _at_most(what, hot[-1].median() / hot[0].median(), "x beside one", _EVEN)
    loads = [row for row in outcome.rows if row.variant.startswith("load no.")]
    if len(loads) > 1:
        yield _at_most("loading the last modules", loads[-1].median() / loads[0].median(), "x the first", 1.25)
