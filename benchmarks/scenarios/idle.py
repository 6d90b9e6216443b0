"""What everybody costs while nothing happens: after a few calls, both sides are left alone.

All peers are idle in the same seconds. Counted are the CPU time and the voluntary context switches (each is a thread that
went to sleep again, so that had been woken up) of the caller's process and of everything below it.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped, unused-ignore]  # its types are a package of their own

from benchmarks.caller import Caller, PeerFailedError
from benchmarks.loops import Plan, Sample
from benchmarks.machine import cpu_time_ns
from benchmarks.peers import library
from benchmarks.peers.running import CALL, RoundTrips
from benchmarks.results import Outcome, Row, Settings
from benchmarks.scenarios.matrix import Progress, chosen, ns, started

__all__ = ["NAME", "run", "steps"]

NAME: Final = "idle"
_SETTLE: Final = 1.0
_SECONDS: Final = 2.0
_QUICK_SECONDS: Final = 0.2
_POLLING: Final = "iceoryx2-poll"


def steps(settings: Settings) -> int:
    """How many steps are announced."""
    return len(_peers(settings)) + settings.rounds


def _peers(settings: Settings) -> list[str]:
    return [peer for peer in chosen(settings, CALL) if peer != _POLLING]


def run(settings: Settings, progress: Progress) -> Outcome:
    """Measure."""
    outcome = Outcome(NAME)
    if _POLLING in settings.peers:
        outcome.notes.append(f"{_POLLING} is not in this: it would take a CPU on either side")
    seconds = _QUICK_SECONDS if settings.quick else _SECONDS
    with started(_peers(settings), settings, outcome, progress) as callers:
        rows = [
            (peer, Row(peer, library(caller.title), "CPU time", caller.ours, kind="cpu"),
             Row(peer, library(caller.title), "wake-ups", caller.ours, kind="wake-ups"))
            for peer, caller in callers.items()
        ]  # fmt: skip
        for peer, caller in callers.items():
            try:
                caller.measure(RoundTrips(Plan(ns(settings.hot_seconds), 0)))
            except PeerFailedError as exc:
                outcome.failed[peer] = str(exc)
        time.sleep(_SETTLE)
        for number in range(settings.rounds):
            progress(f"round {number + 1}/{settings.rounds}")
            trees = {peer: _Tree(callers[peer]) for peer, *_ in rows if peer not in outcome.failed}
            began = time.perf_counter()
            time.sleep(seconds)
            took = time.perf_counter() - began
            for peer, cpu, wakeups in rows:
                if peer in trees:
                    used, woken = trees[peer].since()
                    cpu.samples.append(Sample(value=used / 1e6 / took))
                    wakeups.samples.append(Sample(value=woken / took))
        outcome.rows = [row for _, *both in rows for row in both if row.samples]
    return outcome


class _Tree:
    """The caller's process and all below it, from now on."""

    def __init__(self, caller: Caller) -> None:
        root = psutil.Process(caller.pid)
        self._pids = [root.pid, *(child.pid for child in root.children(recursive=True))]
        self._began = [(cpu_time_ns(pid), _switches(pid)) for pid in self._pids]

    def since(self) -> tuple[int, int]:
        """Nanoseconds of CPU time and context switches since then."""
        now = [(cpu_time_ns(pid), _switches(pid)) for pid in self._pids]
        cpu = sum(after[0] - before[0] for before, after in zip(self._began, now, strict=True))
        return cpu, sum(after[1] - before[1] for before, after in zip(self._began, now, strict=True))


def _switches(pid: int) -> int:
    """Of all its threads: psutil counts those of the main thread only."""
    found = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        try:
            lines = status.read_text(encoding="ascii").splitlines()
        except OSError:
            continue  # the thread has ended
        found += sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))
    return found
