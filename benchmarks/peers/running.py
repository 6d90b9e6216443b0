"""What a peer offers while its server runs, and the jobs that are made of it. They are run in the caller's process.

Job (round trips, threads, pipelined, transfers, events) ── run(Running) ──▶ Sample
"""

from __future__ import annotations

import threading
import time
import zlib
from array import array
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final, Protocol

from benchmarks.loops import Call, Plan, Sample, back_to_back, timed

__all__ = [
    "CALL", "CONNECT", "EVENTS", "PIPELINE", "TRANSFER",
    "Events", "Job", "Payload", "Pipelined", "RoundTrips", "Running", "Threads", "Transfers", "WrongAnswerError", "glimpse",
]  # fmt: skip

CALL: Final = "call"
CONNECT: Final = "connect"
PIPELINE: Final = "pipeline"
TRANSFER: Final = "transfer"
EVENTS: Final = "events"

_PAGE: Final = 4096


class WrongAnswerError(Exception):
    """A peer answered something else than what was asked."""


@dataclass(slots=True, kw_only=True)
class Running:
    """A peer while its server runs. What it does not offer is None."""

    callee: int
    """The pid of who answers."""

    measure: Callable[[Plan], Sample] | None = None
    """One round of round trips. The payload is written here, read and answered there, and the answer checked here."""

    connect: Callable[[], AbstractContextManager[Call]] | None = None
    """A round trip for one more thread, in the way in which this library wants threads to be served."""

    pipeline: Callable[[int], object] | None = None
    """So many calls, none of which waits for another's answer; returns when all answers have been read and checked."""

    transfer: Callable[[int], Call] | None = None
    """A call that brings so many bytes to the other side, where each page of them is looked at."""

    events: Callable[[int], AbstractContextManager[tuple[Callable[[int], object], list[int]]]] | None = None
    """With so many subscribers: what publishes so many events and returns when all have all; and the pids."""

    awake: Callable[[], AbstractContextManager[None]] = nullcontext
    """Whatever must go on only while this peer is measured."""


class Job(Protocol):
    """One round of something. Picklable."""

    @property
    def seconds(self) -> float:
        """How long it takes, if all is well."""

    def run(self, running: Running) -> Sample:
        """Do it."""


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """One thread calls, as the plan says."""

    plan: Plan

    @property
    def seconds(self) -> float:
        """See :class:`Job`."""
        return self.plan.seconds

    def run(self, running: Running) -> Sample:
        """See :class:`Job`."""
        assert running.measure is not None
        with running.awake():
            return running.measure(self.plan)


@dataclass(frozen=True, slots=True)
class Threads:
    """So many threads call back to back at once."""

    count: int
    plan: Plan

    @property
    def seconds(self) -> float:
        """See :class:`Job`."""
        return self.plan.seconds

    def run(self, running: Running) -> Sample:
        """See :class:`Job`. The wall-clock time is that of the planned duration, which each thread overruns by one call."""
        assert running.connect is not None
        with running.awake(), ExitStack() as stack:
            calls = [stack.enter_context(running.connect()) for _ in range(self.count)]
            _together(calls, self.plan.warmup_ns)
            return timed(lambda: (_together(calls, self.plan.duration_ns), ()), (running.callee,))


def _together(calls: list[Call], duration_ns: int) -> Iterator[int]:
    """Each call on a thread of its own; all begin at once. Raises what one of them has raised."""
    results: list[array[int]] = []
    errors: list[BaseException] = []
    gate = threading.Barrier(len(calls))

    def loop(call: Call) -> None:
        try:
            gate.wait()
            results.append(back_to_back(call, duration_ns))
        except BaseException as exc:  # noqa: BLE001 - raised below, on the thread that asked
            errors.append(exc)

    threads = [threading.Thread(target=loop, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return (latency for each in results for latency in each)


@dataclass(frozen=True, slots=True)
class Pipelined:
    """Batches of calls that do not wait for each other, one batch after the other, from one thread."""

    batch: int
    plan: Plan

    @property
    def seconds(self) -> float:
        """See :class:`Job`."""
        return self.plan.seconds

    def run(self, running: Running) -> Sample:
        """See :class:`Job`. The latencies are those of batches."""
        assert running.pipeline is not None
        pipeline, batch = running.pipeline, self.batch
        with running.awake():
            back_to_back(lambda: pipeline(batch), self.plan.warmup_ns)
            return timed(
                lambda: (back_to_back(lambda: pipeline(batch), self.plan.duration_ns), ()), (running.callee,), batch
            )


@dataclass(frozen=True, slots=True)
class Transfers:
    """Payloads of one size, one way, one after the other."""

    size: int
    plan: Plan

    @property
    def seconds(self) -> float:
        """See :class:`Job`."""
        return self.plan.seconds + self.size / 50e6

    def run(self, running: Running) -> Sample:
        """See :class:`Job`."""
        assert running.transfer is not None
        with running.awake():
            call = running.transfer(self.size)
            back_to_back(call, self.plan.warmup_ns)
            return timed(lambda: (back_to_back(call, self.plan.duration_ns), ()), (running.callee,))


@dataclass(frozen=True, slots=True)
class Events:
    """Batches of events to so many subscribers; ``operations`` are deliveries."""

    subscribers: int
    batch: int
    plan: Plan

    @property
    def seconds(self) -> float:
        """See :class:`Job`."""
        return self.plan.seconds + 2.0 * self.subscribers

    def run(self, running: Running) -> Sample:
        """See :class:`Job`. The subscribers are started, and ended, outside of what is timed."""
        assert running.events is not None
        with running.awake(), running.events(self.subscribers) as (publish, others):
            back_to_back(lambda: publish(self.batch), self.plan.warmup_ns)
            return timed(
                lambda: (back_to_back(lambda: publish(self.batch), self.plan.duration_ns), ()),
                others,
                self.batch * self.subscribers,
            )


def glimpse(data: bytes | bytearray | memoryview) -> int:
    """A checksum over one byte of every page: who knows it has touched all of it. In C, so that it costs little."""
    return zlib.crc32(memoryview(data)[::_PAGE].tobytes())


class Payload:
    """Two payloads of one size, handed out in turn, so that what arrives is not what was there before."""

    def __init__(self, size: int) -> None:
        pattern = bytes(time.perf_counter_ns() >> shift & 0xFF for shift in range(61))  # 61: prime to the page size
        once = (pattern * (size // len(pattern) + 1))[:size]
        self._pair = (once, once[1:] + b"\0")
        self._expected = tuple(glimpse(each) for each in self._pair)
        self._turn = 0

    def next(self) -> tuple[bytes, int]:
        """A payload, and what :func:`glimpse` makes of it."""
        self._turn ^= 1
        return self._pair[self._turn], self._expected[self._turn]


@contextmanager
def same(call: Call) -> Iterator[Call]:
    """For a library whose connection threads may share."""
    yield call
