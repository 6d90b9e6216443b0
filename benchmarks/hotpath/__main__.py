"""``python -m benchmarks.hotpath`` (``make hotpath``): is the hot path as short as it was?

Counts one hot call on both sides and compares it with ``budget.json``, which has figures for each version of Python. Exit
status 1 if something grew by more than a hundredth. ``--accept`` writes today's counts as the new budget.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.hotpath.counting import Counts, Tally, typical
from benchmarks.hotpath.module import BenchCounted
from logoscore.transport.ring import COMPILED

__all__ = ["BUDGET", "count", "differences", "main", "version"]

BUDGET: Final = Path(__file__).with_name("budget.json")
_TOLERANCE: Final = 0.01
_WARM_UP: Final = 200
_ROUNDS: Final = 300
_SHOWN: Final = 8

Sides = dict[str, Counts]
"""``caller`` and ``callee``."""


def count() -> Sides:
    """One call ``add(1, 2)``, as the app's thread and the module's serving thread execute it."""
    from logoscore.core import Core  # hosts import what lies beside this, and need none

    with Core(entry_points=False, spin_microseconds=0) as core:
        client = core.load_plugin(BenchCounted)
        call = client.call
        for _ in range(_WARM_UP):
            call("add", 1, 2)
        call("start")
        for _ in range(_ROUNDS):
            call("add", 1, 2)
        callee: Counts = call("counts")
        tally = Tally()
        tally.start()
        try:
            for _ in range(_ROUNDS):
                tally.mark()
                call("add", 1, 2)
        finally:
            tally.stop()
    return {"caller": typical(tally.rounds[2:]), "callee": callee}


def version() -> str:
    """The key of the budget: bytecode differs between versions of Python."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def differences(budget: Mapping[str, Any], now: Sides) -> tuple[list[str], list[str]]:
    """Lines about what grew, and about what shrank, by more than the tolerance; with the functions that did it."""
    grown: list[str] = []
    shrunk: list[str] = []
    for side, measures in now.items():
        for measure, functions in measures.items():
            before: Mapping[str, int] = budget[side][measure]
            old, new = sum(before.values()), sum(functions.values())
            if abs(new - old) <= _TOLERANCE * old:
                continue
            lines = [f"{side}: {measure} for one call: {old} → {new} ({(new - old) / max(old, 1):+.1%})"]
            moved = {name: functions.get(name, 0) - before.get(name, 0) for name in {*functions, *before}}
            ranked = sorted((name for name in moved if moved[name]), key=lambda name: (-abs(moved[name]), name))
            lines += [f"    {moved[name]:+5} {name}" for name in ranked[:_SHOWN]]
            (grown if new > old else shrunk).extend(lines)
    return grown, shrunk


def main(argv: Sequence[str] | None = None) -> int:
    """Count, compare, report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hotpath", description=__doc__)
    parser.add_argument("--accept", action="store_true", help="write today's counts as the new budget of this Python")
    given = parser.parse_args(argv)
    now = count()
    for side, measures in now.items():
        print(
            f"{side}: " + ", ".join(f"{sum(functions.values())} {measure}" for measure, functions in measures.items())
        )
    if not COMPILED:
        print(
            "logoscore was installed without a C compiler: the budgets are for ring and frames in C. Nothing is judged."
        )
        return 0
    budgets = json.loads(BUDGET.read_text(encoding="utf-8")) if BUDGET.exists() else {}
    if given.accept:
        budgets[version()] = now
        BUDGET.write_text(json.dumps(budgets, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        print(f"accepted as the budget of Python {version()}: commit {BUDGET.name}, and say why in the message")
        return 0
    if version() not in budgets:
        print(f"no budget for Python {version()}; there are some for {', '.join(sorted(budgets))}. Nothing is judged.")
        return 0
    grown, shrunk = differences(budgets[version()], now)
    if shrunk:
        print("The hot path got shorter; make it the budget with: make hotpath ARGS=--accept", *shrunk, sep="\n")
    if grown:
        print("THE HOT PATH GREW", *grown, sep="\n")
        print("If it has to: make hotpath ARGS=--accept, with each Python of the budget, and say why in the commit.")
        return 1
    print(f"within {_TOLERANCE:.0%} of the budget")
    return 0


if __name__ == "__main__":
    sys.exit(main())
