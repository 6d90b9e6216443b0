"""What was asked for and what came out: plain data, between scenarios and reports."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.histogram import Histogram
from benchmarks.loops import Sample

__all__ = ["HOT", "PARKED", "VARIANTS", "Outcome", "Row", "Settings"]

HOT = "hot"
PARKED = "parked"
VARIANTS = (HOT, PARKED)


@dataclass(frozen=True, slots=True)
class Settings:
    """One run's. Times are seconds; each is per peer, variant and round."""

    peers: tuple[str, ...]
    variants: tuple[str, ...] = VARIANTS
    rounds: int = 5
    hot_seconds: float = 0.2
    hot_warmup: float = 0.05
    parked_seconds: float = 1.0
    parked_warmup: float = 0.1
    interval: float = 0.005
    busy: bool = False
    pinned: bool = False

    @property
    def conditions(self) -> str:
        """What was made hard, to be said beside every figure."""
        return ", ".join(name for name, given in (("busy", self.busy), ("pinned", self.pinned)) if given)


@dataclass(slots=True)
class Row:
    """One peer in one variant, over all rounds."""

    peer: str
    title: str
    variant: str
    ours: bool = False
    samples: list[Sample] = field(default_factory=list)

    @property
    def calls(self) -> int:
        """How many calls were timed."""
        return sum(sample.calls for sample in self.samples)

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
        return sum(sample.caller_cpu_ns for sample in self.samples) / self.calls

    def callee_cpu(self) -> float:
        """Nanoseconds for each call."""
        return sum(sample.callee_cpu_ns for sample in self.samples) / self.calls

    def cpu_of_rounds(self) -> list[float]:
        """Caller's and callee's together, nanoseconds for each call, of each round."""
        return [(sample.caller_cpu_ns + sample.callee_cpu_ns) / sample.calls for sample in self.samples]

    def ratio_to(self, baseline: Row) -> float:
        """Of the medians of all rounds together. Below 1: faster than the baseline."""
        return self.latency().percentile(50) / baseline.latency().percentile(50)

    def ratio_of_rounds(self, baseline: Row) -> list[float]:
        """The same within each round, where both saw the same machine."""
        pairs = zip(self.percentiles(50), baseline.percentiles(50), strict=False)
        return [own / other for own, other in pairs]


@dataclass(slots=True)
class Outcome:
    """A scenario's result."""

    scenario: str
    baseline: str
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
