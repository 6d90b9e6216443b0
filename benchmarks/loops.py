"""How a call is timed. Runs in the caller's process, whoever that is: it imports little.

Rules: a time is that of the whole round trip, from before the call until its answer has been read; it is never halved.
The loop keeps raw times and counts them into histograms afterwards. Back to back, the clock starts at the send. On a
schedule, it starts when the send was *due*: what a slow call makes its followers wait is theirs too (no coordinated
omission).
"""

from __future__ import annotations

import gc
import os
import time
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.histogram import Histogram
from benchmarks.machine import cpu_time_ns, precise_sleep

__all__ = ["Call", "Plan", "Sample", "back_to_back", "measure", "on_schedule", "timed"]

Call = Callable[[], object]
Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to call: for so long, after a warm-up of so long, and in which intervals (0: back to back)."""

    duration_ns: int
    warmup_ns: int
    interval_ns: int = 0

    @property
    def seconds(self) -> float:
        """How long it takes, if all is well."""
        return (self.duration_ns + self.warmup_ns) / 1e9

    def to_dict(self) -> dict[str, int]:
        """For a caller that is a module."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Sample:
    """One peer, one variant, one round.

    ``late`` is how long after its due time each call was sent; empty back to back. ``operations`` is how much was done
    where single operations were not timed. ``value`` is the figure of what is not a matter of calls: see
    :data:`benchmarks.results.KINDS`.
    """

    latency: Histogram = field(default_factory=Histogram)
    late: Histogram = field(default_factory=Histogram)
    wall_ns: int = 0
    caller_cpu_ns: int = 0
    callee_cpu_ns: int = 0
    operations: int = 0
    value: float = 0.0

    @property
    def calls(self) -> int:
        """How many operations were done."""
        return self.operations or self.latency.count

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "latency": self.latency.to_dict(),
            "late": self.late.to_dict(),
            "wall_ns": self.wall_ns,
            "caller_cpu_ns": self.caller_cpu_ns,
            "callee_cpu_ns": self.callee_cpu_ns,
            "operations": self.operations,
            "value": self.value,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Sample:
        """What :meth:`to_dict` was made of."""
        return cls(
            latency=Histogram.from_dict(state["latency"]),
            late=Histogram.from_dict(state["late"]),
            wall_ns=state["wall_ns"],
            caller_cpu_ns=state["caller_cpu_ns"],
            callee_cpu_ns=state["callee_cpu_ns"],
            operations=state["operations"],
            value=state["value"],
        )


def back_to_back(call: Call, duration_ns: int, clock: Clock = time.perf_counter_ns) -> array[int]:
    """Call again as soon as the answer is there, at least once; returns each round trip's nanoseconds."""
    latencies = array("q")
    stop = clock() + duration_ns
    ended = 0
    while ended < stop:
        sent = clock()
        call()
        ended = clock()
        latencies.append(ended - sent)
    return latencies


def on_schedule(
    call: Call,
    duration_ns: int,
    interval_ns: int,
    clock: Clock = time.perf_counter_ns,
    sleep: Callable[[float], object] = time.sleep,
) -> tuple[array[int], array[int]]:
    """Call at fixed times, at least once; returns nanoseconds from due to answered, and from due to sent.

    The times are fixed beforehand: a call that takes longer than the interval makes the next one late, not later due.
    What has not been sent after three times the duration is given up, and not in the figures: they flatter whoever is as
    late as that.
    """
    latencies, late = array("q"), array("q")
    due = clock()
    giving_up = due + 3 * duration_ns
    for _ in range(max(1, duration_ns // interval_ns)):
        due += interval_ns
        if clock() > giving_up:
            break
        while (now := clock()) < due:
            sleep((due - now) / 1e9)
        call()
        latencies.append(clock() - due)
        late.append(now - due)
    return latencies, late


def measure(call: Call, callee: int, plan: Plan) -> Sample:
    """Warm up, then call as planned.

    Args:
        call: one round trip; it raises if the answer is wrong.
        callee: the pid of the process that answers.
    """
    if plan.interval_ns:
        with precise_sleep():
            on_schedule(call, plan.warmup_ns, plan.interval_ns)
            return timed(lambda: on_schedule(call, plan.duration_ns, plan.interval_ns), (callee,))
    back_to_back(call, plan.warmup_ns)
    return timed(lambda: (back_to_back(call, plan.duration_ns), ()), (callee,))


def timed(
    loop: Callable[[], tuple[Iterable[int], Iterable[int]]], callees: Sequence[int], operations: int = 0
) -> Sample:
    """What ``loop`` returns (latencies, latenesses), with the time and the CPU time that it took here and in ``callees``.

    Args:
        operations: done by one operation of the loop, where this is not 1.
    """
    gc.collect()  # the loop shall not pay for what was before it; the collector itself stays on, as it is for users
    caller = os.getpid()
    began, caller_before, callee_before = time.perf_counter_ns(), cpu_time_ns(caller), _together(callees)
    latencies, late = loop()
    caller_after, callee_after, ended = cpu_time_ns(caller), _together(callees), time.perf_counter_ns()
    latency = Histogram(latencies)
    return Sample(
        latency=latency,
        late=Histogram(late),
        wall_ns=ended - began,
        caller_cpu_ns=caller_after - caller_before,
        callee_cpu_ns=callee_after - callee_before,
        operations=operations * latency.count,
    )


def _together(pids: Sequence[int]) -> int:
    return sum(cpu_time_ns(pid) for pid in pids)
