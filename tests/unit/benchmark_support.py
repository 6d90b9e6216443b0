"""Outcomes of benchmarks that never took place."""

from __future__ import annotations

from typing import Any

from benchmarks.histogram import Histogram
from benchmarks.loops import Sample
from benchmarks.results import LATENCY, Row, Settings

MACHINE: dict[str, Any] = {
    "cpu": "Test <CPU> & Co",
    "cpus": 2,
    "cpus_allowed": 2,
    "architecture": "test",
    "kernel": "Test 1.0",
    "python": "CPython 3",
    "time": "2000-01-01T00:00:00+00:00",
    "load_average": [0.0, 0.0, 0.0],
    "libraries": {"logoscore": "1", "pyzmq": "2"},
}
SETTINGS = Settings(peers=("socketpair", "pipe", "logoscore"), rounds=2)


def row(peer: str, *rounds: float, variant: str = "hot", ours: bool = False, late: int | None = None) -> Row:
    """A row whose calls all took as many µs as each round says, and half as much CPU on either side."""
    samples = [
        Sample(
            latency=Histogram([int(each * 1000)] * 10),
            late=Histogram([] if late is None else [late * 1000] * 10),
            wall_ns=int(each * 10_000),
            caller_cpu_ns=int(each * 5000),
            callee_cpu_ns=int(each * 5000),
        )
        for each in rounds
    ]
    return Row(peer, f"title of {peer}", variant, ours, samples)


def values(peer: str, kind: str, *rounds: float, variant: str = "v", ours: bool = False, x: float | None = None) -> Row:
    """A row of figures that are no latencies."""
    assert kind != LATENCY
    if kind == "rate":
        samples = [Sample(wall_ns=1_000_000_000, operations=int(each * 1000)) for each in rounds]
    elif kind == "bandwidth":
        samples = [Sample(latency=Histogram([int((x or 0) / each)])) for each in rounds]
    else:
        samples = [Sample(value=each) for each in rounds]
    return Row(peer, f"title of {peer}", variant, ours, samples, kind, x)
