"""What is measured, and in which order: one file for each scenario.

To add one: a file here, and a line in :data:`SCENARIOS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.results import Outcome, Settings
from benchmarks.scenarios import crash_notice, round_trip

__all__ = ["SCENARIOS", "Scenario"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """``run`` measures as the settings say, and calls its second argument before each of its ``steps``, with what it does."""

    run: Callable[[Settings, Callable[[str], None]], Outcome]
    steps: Callable[[Settings], int]


SCENARIOS: Final = {
    round_trip.NAME: Scenario(round_trip.run, round_trip.steps),
    crash_notice.NAME: Scenario(crash_notice.run, crash_notice.steps),
}
