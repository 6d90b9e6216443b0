"""What was asked for and what came out: plain data, between scenarios and reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from benchmarks.histogram import Histogram
from benchmarks.loops import Sample
from benchmarks.peers import BASELINE, PEERS, Target

__all__ = ["KINDS", "LATENCY", "Kind", "Outcome", "Row", "Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """One run's. Times are seconds; each is per peer, variant and round."""

    peers: tuple[str, ...] = tuple(PEERS)
    rounds: int = 7
    hot_seconds: float = 0.2
    hot_warmup: float = 0.05
    parked_seconds: float = 0.5
    parked_warmup: float = 0.1
    interval: float = 0.005
    quick: bool = False
    target: Target | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """What the figures of a row are."""

    name: str
    unit: str
    less_is_better: bool
    of: Callable[[Row, Sample], float]
    """A round's figure."""


def _bandwidth(row: Row, sample: Sample) -> float:
    return (row.x or 0.0) / max(sample.latency.percentile(50), 1)


LATENCY: Final = "latency"

KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind(LATENCY, "µs", True, lambda _, sample: sample.latency.percentile(50) / 1e3),
        Kind("rate", "1000/s", False, lambda _, sample: sample.calls / max(sample.wall_ns, 1) * 1e6),
        Kind("bandwidth", "GB/s", False, _bandwidth),  # x: bytes; of the median transfer
        Kind("time", "ms", True, lambda _, sample: sample.value),
        Kind("memory", "MB", True, lambda _, sample: sample.value),
        Kind("cpu", "ms of CPU per s", True, lambda _, sample: sample.value),
        Kind("wake-ups", "per s", True, lambda _, sample: sample.value),
    )
}


@dataclass(slots=True)
class Row:
    """One peer in one variant, over all rounds."""

    peer: str
    title: str
    variant: str
    ours: bool = False
    samples: list[Sample] = field(default_factory=list)
    kind: str = LATENCY
    x: float | None = None
    """Where on the axis of a sweep: bytes, threads, subscribers, modules."""

    @property
    def calls(self) -> int:
        """How many operations were done."""
        return sum(sample.calls for sample in self.samples)

    def figures(self) -> list[float]:
        """One of each round, in the unit of the row's kind."""
        of = KINDS[self.kind].of
        return [of(self, sample) for sample in self.samples]

    def median(self) -> float:
        """Of the rounds' figures."""
        return median(self.figures())

    def latency(self) -> Histogram:
        """Of all rounds together."""
        merged = Histogram()
        for sample in self.samples:
            merged.merge(sample.latency)
        return merged

    def late(self) -> Histogram:
        """Of all rounds together; empty for calls that are not on a schedule."""
        merged = Histogram()
        for sample in self.samples:
            merged.merge(sample.late)
        return merged

    def percentiles(self, percent: float) -> list[int]:
        """That of each round, in nanoseconds."""
        return [sample.latency.percentile(percent) for sample in self.samples]

    def caller_cpu(self) -> float:
        """Nanoseconds for each call."""
        return sum(sample.caller_cpu_ns for sample in self.samples) / max(self.calls, 1)

    def callee_cpu(self) -> float:
        """Nanoseconds for each call."""
        return sum(sample.callee_cpu_ns for sample in self.samples) / max(self.calls, 1)

    def cpu_of_rounds(self) -> list[float]:
        """Caller's and callee's together, nanoseconds for each call, of each round."""
        return [(sample.caller_cpu_ns + sample.callee_cpu_ns) / max(sample.calls, 1) for sample in self.samples]

    def ratio_to(self, baseline: Row) -> float:
        """Of the medians: for latencies below 1, for rates above 1, this is better than the baseline."""
        if self.kind == LATENCY:
            return self.latency().percentile(50) / max(baseline.latency().percentile(50), 1)
        return self.median() / baseline.median() if baseline.median() else float("inf")

    def ratio_of_rounds(self, baseline: Row) -> list[float]:
        """The same within each round, where both saw the same machine."""
        pairs = zip(self.figures(), baseline.figures(), strict=False)
        return [own / other for own, other in pairs if other]


@dataclass(slots=True)
class Outcome:
    """A scenario's result."""

    scenario: str
    baseline: str = BASELINE
    rows: list[Row] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """Peers that cannot be measured here, and why."""
    failed: dict[str, str] = field(default_factory=dict)
    """Peers that should have worked, and what they raised."""
    notes: list[str] = field(default_factory=list)
    """What else the scenario has to say of its rows, one line each."""

    def row(self, peer: str, variant: str) -> Row | None:
        """The one of that peer and variant, if it was measured."""
        for row in self.rows:
            if (row.peer, row.variant) == (peer, variant) and row.samples:
                return row
        return None


def median(values: list[float]) -> float:
    """The middle one, or the mean of the two in the middle."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
