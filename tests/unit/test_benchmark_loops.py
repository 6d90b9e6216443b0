"""How the benchmarks time a call: with a clock that only moves when the call or the sleep moves it."""

from __future__ import annotations

import os

from benchmarks.loops import Plan, Sample, back_to_back, measure, on_schedule
from benchmarks.machine import cpu_time_ns, precise_sleep

MS = 1_000_000


class Clock:
    """Time stands still until somebody spends it."""

    def __init__(self) -> None:
        self.now = 0
        self.slept: list[float] = []

    def __call__(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += round(seconds * 1e9)

    def spend(self, *times: int) -> None:
        """Calls take these times, the last one forever after."""
        self._times = list(times)

    def call(self) -> None:
        self.now += self._times.pop(0) if len(self._times) > 1 else self._times[0]


def test_back_to_back_times_each_call() -> None:
    clock = Clock()
    clock.spend(3, 5, 2)
    assert list(back_to_back(clock.call, 10, clock)) == [3, 5, 2]


def test_back_to_back_calls_at_least_once() -> None:
    clock = Clock()
    clock.spend(7)
    assert list(back_to_back(clock.call, 1, clock)) == [7]


def test_a_schedule_sleeps_between_calls() -> None:
    clock = Clock()
    clock.spend(MS)
    latencies, late = on_schedule(clock.call, 20 * MS, 5 * MS, clock, clock.sleep)
    assert list(latencies) == [MS] * 4
    assert list(late) == [0] * 4
    assert clock.slept == [0.005, 0.004, 0.004, 0.004]


def test_a_schedule_charges_a_slow_call_for_what_it_makes_the_next_ones_wait() -> None:
    clock = Clock()
    clock.spend(12 * MS, MS)
    latencies, late = on_schedule(clock.call, 25 * MS, 5 * MS, clock, clock.sleep)
    assert list(latencies) == [12 * MS, 8 * MS, 4 * MS, MS, MS]
    assert list(late) == [0, 7 * MS, 3 * MS, 0, 0]


def test_a_schedule_charges_for_waking_up_late() -> None:
    clock = Clock()
    clock.spend(2)
    latencies, late = on_schedule(clock.call, 100, 100, clock, lambda seconds: clock.sleep(seconds + 3e-9))
    assert (list(latencies), list(late)) == ([5], [3])


def test_measure_counts_the_calls_after_the_warm_up() -> None:
    calls: list[None] = []
    sample = measure(lambda: calls.append(None), os.getpid(), Plan(5 * MS, 3 * MS, MS))
    assert (sample.calls, sample.late.count, len(calls)) == (5, 5, 8)
    assert sample.wall_ns >= 5 * MS


def test_measure_back_to_back() -> None:
    sample = measure(lambda: None, os.getpid(), Plan(MS, MS))
    assert sample.calls > 0
    assert sample.late.count == 0
    assert sample.caller_cpu_ns > 0
    assert sample.callee_cpu_ns > 0


def test_a_sample_travels() -> None:
    sample = measure(lambda: None, os.getpid(), Plan(MS, MS))
    assert Sample.from_dict(sample.to_dict()) == sample


def test_cpu_time_grows_with_work() -> None:
    before = cpu_time_ns(os.getpid())
    while cpu_time_ns(os.getpid()) < before + 20 * MS:
        pass


def test_precise_sleep_undoes_itself() -> None:
    with precise_sleep(), precise_sleep():
        pass
