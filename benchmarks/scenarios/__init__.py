"""What is measured, and in which order: one file for each scenario.

To add one: a file here, and a line in :data:`SCENARIOS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from benchmarks.results import Outcome, Settings
from benchmarks.scenarios import round_trip

__all__ = ["SCENARIOS", "Scenario"]

Scenario = Callable[[Settings, Callable[[str], None]], Outcome]
"""Measures as the settings say; calls its second argument with what it does now, before each step."""

SCENARIOS: Final[dict[str, Scenario]] = {round_trip.NAME: round_trip.run}
