"""The round trip of one small call: back to back, parked, at a fixed rate; on a free machine, a busy one, and one CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from benchmarks.loops import Plan
from benchmarks.machine import can_pin
from benchmarks.peers.running import CALL, RoundTrips
from benchmarks.results import Outcome, Settings
from benchmarks.scenarios import matrix
from benchmarks.scenarios.matrix import Cell, Progress, ns

__all__ = ["BUSY", "FREE", "HOT", "PINNED", "PINNED_HOT", "Condition", "cells"]

HOT: Final = "hot"
PINNED_HOT: Final = "hot, one CPU"
_RATE: Final = 1000  # calls a second of the open loop


def cells(settings: Settings, suffix: str = "", *, few: bool = False) -> list[Cell]:
    """What each peer is asked for. ``few``: only the hot and the first parked one."""
    hot = Plan(ns(settings.hot_seconds), ns(settings.hot_warmup))

    def every(seconds: float) -> Plan:
        return Plan(ns(settings.parked_seconds), ns(settings.parked_warmup), ns(seconds))

    plans = {
        HOT: hot,
        f"every {settings.interval * 1e3:g} ms": every(settings.interval),
        f"every {settings.interval * 2e3:g} ms": every(2 * settings.interval),
        f"open loop, {_RATE}/s": Plan(ns(settings.hot_seconds), ns(settings.hot_warmup), ns(1 / _RATE)),
    }
    if few:
        plans = dict(list(plans.items())[:2])
    return [Cell(f"{variant}{suffix}", RoundTrips(plan)) for variant, plan in plans.items()]


class Condition:
    """The same under one condition.

    Args:
        suffix: what the variants are called there.
    """

    def __init__(self, name: str, suffix: str, *, busy: bool = False, one_cpu: bool = False) -> None:
        self.name = name
        self._cells: Callable[[Settings], list[Cell]] = partial(cells, suffix=suffix, few=bool(suffix))
        self._busy = busy
        self._one_cpu = one_cpu

    def steps(self, settings: Settings) -> int:
        """How many steps are announced."""
        return matrix.steps(settings, CALL, self._cells(settings))

    def run(self, settings: Settings, progress: Progress) -> Outcome:
        """Measure."""
        if self._one_cpu and not can_pin():
            return Outcome(self.name, skipped={"all": "this system cannot confine processes to one CPU"})
        return matrix.run(
            self.name, settings, CALL, self._cells(settings), progress, busy=self._busy, one_cpu=self._one_cpu
        )


FREE: Final = Condition("round-trip", "")
BUSY: Final = Condition("busy", ", all CPUs busy", busy=True)
PINNED: Final = Condition("one-cpu", ", one CPU", one_cpu=True)
