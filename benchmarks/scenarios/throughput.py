"""How much gets through: pipelined calls, many threads, events, large payloads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import psutil  # type: ignore[import-untyped, unused-ignore]  # its types are a package of their own

from benchmarks.loops import Plan
from benchmarks.peers.running import CONNECT, EVENTS, PIPELINE, TRANSFER, Events, Pipelined, Threads, Transfers
from benchmarks.results import Outcome, Row, Settings
from benchmarks.scenarios import matrix
from benchmarks.scenarios.matrix import Cell, Progress, ns

__all__ = ["EVENT", "PIPELINED", "SIZES", "THREADS", "Throughput"]

_KIB: Final = 1024
_MIB: Final = 1024 * _KIB
_ALL_SIZES: Final = (4 * _KIB, 64 * _KIB, _MIB, 16 * _MIB, 64 * _MIB, 256 * _MIB, 1024 * _MIB)
_QUICK_SIZES: Final = (4 * _KIB, _MIB)
_ROUNDS_OF_LARGE: Final = 3
_COPIES: Final = 8  # of a payload, in all processes together, that must fit into the memory that is free


class Throughput:
    """A scenario of one feature, with cells that the settings make, and lines about its rows."""

    def __init__(
        self,
        name: str,
        feature: str,
        cells: Callable[[Settings], list[Cell]],
        notes: Callable[[Settings], list[str]] = lambda _: [],
    ) -> None:
        self.name = name
        self._feature = feature
        self._cells = cells
        self._notes = notes

    def steps(self, settings: Settings) -> int:
        """How many steps are announced."""
        return matrix.steps(settings, self._feature, self._cells(settings))

    def run(self, settings: Settings, progress: Progress) -> Outcome:
        """Measure."""
        outcome = matrix.run(self.name, settings, self._feature, self._cells(settings), progress)
        outcome.notes += self._notes(settings)
        if self._feature == TRANSFER:
            outcome.notes += _against_memcpy(outcome.rows)
        return outcome


def _plan(settings: Settings, longer: float = 1.0) -> Plan:
    return Plan(ns(settings.hot_seconds * longer), ns(settings.hot_warmup))


def _pipelined(settings: Settings) -> list[Cell]:
    batch = 100 if settings.quick else 2000
    return [Cell(f"batches of {batch}", Pipelined(batch, _plan(settings, 1.5)), "rate")]


def _threads(settings: Settings) -> list[Cell]:
    counts = (1, 4) if settings.quick else (1, 4, 16)
    plan = _plan(settings, 1.5)
    jobs = [(count, Threads(count, plan)) for count in counts]
    return [Cell(f"{count} threads" if count > 1 else "1 thread", job, "rate", count) for count, job in jobs]


def _events(settings: Settings) -> list[Cell]:
    counts = (1, 2) if settings.quick else (1, 16)
    batch = 200 if settings.quick else 5000
    return [
        Cell(
            f"to {count} subscriber{'s' * (count > 1)}",
            Events(count, batch // (1 if count == 1 else 5), _plan(settings, 1.5)),
            "rate",
            count,
            None if count == 1 else _ROUNDS_OF_LARGE,
        )
        for count in counts
    ]


def _sizes(settings: Settings) -> list[Cell]:
    return [
        Cell(size_name(size), Transfers(size, _plan(settings)), "bandwidth", size, _rounds_of(size))
        for size in (_QUICK_SIZES if settings.quick else _ALL_SIZES)
        if _fits(size)
    ]


def _rounds_of(size: int) -> int | None:
    if size >= 1024 * _MIB:
        return 1  # making the payloads alone takes seconds
    return _ROUNDS_OF_LARGE if size >= 256 * _MIB else None


def _fits(size: int) -> bool:
    return bool(size * _COPIES <= psutil.virtual_memory().available)


def _left_out(settings: Settings) -> list[str]:
    if settings.quick:
        return []
    return [f"{size_name(size)} left out: too little memory is free" for size in _ALL_SIZES if not _fits(size)]


def _against_memcpy(rows: list[Row]) -> list[str]:
    floors = {row.variant: row for row in rows if row.peer == "memcpy"}
    return [
        f"{row.variant}, {row.peer}: {row.median() / floors[row.variant].median():.2f} x memcpy"
        for row in rows
        if row.ours and row.variant in floors and (row.x or 0) >= _MIB
    ]


def size_name(size: float) -> str:
    """As people say it."""
    for unit, name in ((1024 * _MIB, "GiB"), (_MIB, "MiB"), (_KIB, "KiB")):
        if size >= unit:
            return f"{size / unit:g} {name}"
    return f"{size:g} B"


PIPELINED: Final = Throughput("pipelined", PIPELINE, _pipelined)
THREADS: Final = Throughput("threads", CONNECT, _threads)
EVENT: Final = Throughput("events", EVENTS, _events, lambda _: ["rates are of deliveries: events times subscribers"])
SIZES: Final = Throughput("sizes", TRANSFER, _sizes, _left_out)
