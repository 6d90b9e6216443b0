"""What is measured, and in which order: one file for each scenario, or for several of a kind.

To add one: a file here, and a line in :data:`SCENARIOS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.results import Outcome, Settings
from benchmarks.scenarios import c_library, crash_notice, idle, many_modules, start
from benchmarks.scenarios.round_trip import BUSY, FREE, PINNED
from benchmarks.scenarios.throughput import EVENT, PIPELINED, SIZES, THREADS

__all__ = ["SCENARIOS", "Scenario"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """``run`` measures as the settings say, and calls its second argument before each of its ``steps``, with what it does."""

    title: str
    run: Callable[[Settings, Callable[[str], None]], Outcome]
    steps: Callable[[Settings], int]


SCENARIOS: Final = {
    FREE.name: Scenario("Round trip of one small call", FREE.run, FREE.steps),
    BUSY.name: Scenario("The same while every CPU has something else to do", BUSY.run, BUSY.steps),
    PINNED.name: Scenario("The same on one CPU", PINNED.run, PINNED.steps),
    idle.NAME: Scenario("What it costs while nothing happens", idle.run, idle.steps),
    PIPELINED.name: Scenario("Pipelined calls from one thread", PIPELINED.run, PIPELINED.steps),
    THREADS.name: Scenario("Many client threads", THREADS.run, THREADS.steps),
    EVENT.name: Scenario("Events", EVENT.run, EVENT.steps),
    SIZES.name: Scenario("Large payloads, one way", SIZES.run, SIZES.steps),
    start.NAME: Scenario("Start", start.run, start.steps),
    many_modules.NAME: Scenario("A hundred modules", many_modules.run, many_modules.steps),
    crash_notice.NAME: Scenario("How soon a death is noticed", crash_notice.run, crash_notice.steps),
    c_library.NAME: Scenario(
        "A call through the C library, beside the same from Python", c_library.run, c_library.steps
    ),
}
