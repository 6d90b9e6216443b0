"""How long a caller that waits goes on waiting after its callee has been killed.

    app ──────── call("wait") ──▶ victim ◀── call("wait") ──── another module
                                    │
                 the victim notes the time and dies; each of the two notes when it had its ModuleCrashedError

The clock is the monotonic one, which all processes of a machine share. It is read right before what kills: a signal of the
app's, or the victim's own last statement. So what the process needs for its end is in the figures: the stacks that
faulthandler writes, the interpreter's shutdown after ``sys.exit``. Both callers sleep when it happens.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from benchmarks.histogram import Histogram
from benchmarks.loops import Sample
from benchmarks.results import Outcome, Row, Settings
from logoscore import PluginInterface, invokable
from logoscore.errors import LogosError, ModuleCrashedError

if TYPE_CHECKING:
    from logoscore.core import Core

__all__ = ["DEATHS", "NAME", "run", "steps"]

NAME: Final = "crash-notice"
GOAL_MS: Final = 50
_PATIENCE: Final = 60.0
_MOST_ROUNDS: Final = 5
_EACH: Final = 4
"""Deaths of each kind in each round; one in a quick run."""


def _overflow_stack() -> None:
    """Recurse through C on a small stack: the guard page is hit long before any recursion limit."""

    def dive(_: int) -> Any:
        return sorted([0], key=dive)

    sys.setrecursionlimit(1_000_000)
    threading.stack_size(64 * 1024)
    thread = threading.Thread(target=dive, args=(0,))
    thread.start()
    thread.join()


DEATHS: Final[dict[str, Callable[[], object] | None]] = {
    "SIGKILL": None,
    "SIGSEGV": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "os._exit": lambda: os._exit(3),
    "stack overflow": _overflow_stack,
    "sys.exit": lambda: sys.exit(4),
}
"""How the victim dies; None: the app sends it the signal of that name."""


class BenchVictim(PluginInterface):
    """Keeps callers waiting, and dies."""

    metadata: ClassVar[dict[str, Any]] = {"concurrency": "multi", "max_workers": 4, "limits": {"core_size": 0}}

    def init_logos(self, api: Any) -> None:
        """What it says in its last moments is said, but not shown."""
        super().init_logos(api)
        self._waiting = 0
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 2)
        os.close(silence)

    @invokable
    def wait(self) -> None:
        """Until it dies."""
        self._waiting += 1
        threading.Event().wait()

    @invokable
    def waiting(self) -> int:
        """How many wait."""
        return self._waiting

    @invokable
    def die(self, how: str, clock: str) -> None:
        """Note the time in the file ``clock``, and die."""
        death = DEATHS[how]
        assert death is not None
        with Path(clock).open("wb", buffering=0) as file:
            file.write(str(time.monotonic_ns()).encode())
        death()


class BenchWaiter(PluginInterface):
    """Waits for the victim."""

    metadata: ClassVar[dict[str, Any]] = {"calls": ["bench_victim"]}

    @invokable
    def wait(self) -> int:
        """When the victim's death was noticed here."""
        return _noticed(self.api)


def _noticed(api: Any) -> int:
    try:
        api.get_client("bench_victim").call("wait", timeout=_PATIENCE)
    except ModuleCrashedError:
        return time.monotonic_ns()
    raise RuntimeError("the victim lives")


_WAITERS: Final = {"app": "logoscore, the app waits", "module": "logoscore, another module waits"}


def steps(settings: Settings) -> int:
    """How many steps are announced."""
    return _rounds(settings) * len(DEATHS)


def _rounds(settings: Settings) -> int:
    return min(settings.rounds, _MOST_ROUNDS)


def run(settings: Settings, progress: Callable[[str], None]) -> Outcome:
    """Measure every kind of death, in the app and in another module at once."""
    from logoscore.core import Core  # hosts import this file too, and need none

    outcome = Outcome(scenario=NAME, baseline="")
    rows = {(who, how): Row(who, title, how, ours=True) for how in DEATHS for who, title in _WAITERS.items()}
    try:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="logoscore-bench-"))
            core = stack.enter_context(Core(entry_points=False))
            core.load_plugin(BenchWaiter)
            for number in range(_rounds(settings)):
                for how in DEATHS:
                    progress(f"round {number + 1}/{_rounds(settings)} {how}")
                    _measure(core, how, Path(folder, "clock"), 1 if settings.quick else _EACH, rows)
    except (LogosError, OSError, RuntimeError) as exc:
        outcome.failed["logoscore"] = f"{type(exc).__name__}: {exc}"
    outcome.rows = list(rows.values())
    outcome.notes = [_against_goal(row) for row in outcome.rows if row.samples]
    return outcome


def _measure(core: Core, how: str, clock: Path, deaths: int, rows: dict[tuple[str, str], Row]) -> None:
    """So many deaths of one kind."""
    times: dict[str, list[int]] = {who: [] for who in _WAITERS}
    began = time.perf_counter_ns()
    for _ in range(deaths):
        for who, took in _one_death(core, how, clock).items():
            times[who].append(took)
    wall = time.perf_counter_ns() - began
    for who, values in times.items():
        rows[who, how].samples.append(Sample(Histogram(values), wall_ns=wall))


def _one_death(core: Core, how: str, clock: Path) -> dict[str, int]:
    """Nanoseconds from the death until each noticed it."""
    victim = core.load_plugin(BenchVictim)
    in_module = core.get_client("bench_waiter").submit("wait", timeout=_PATIENCE)
    in_app: list[int] = []
    thread = threading.Thread(target=lambda: in_app.append(_noticed(core.api)))
    thread.start()
    while victim.call("waiting") < len(_WAITERS):
        time.sleep(0.002)
    time.sleep(0.01)  # both have gone to sleep
    if DEATHS[how] is None:
        pid = core.get_plugin_info("bench_victim").pid
        assert pid is not None
        died = time.monotonic_ns()
        os.kill(pid, signal.Signals[how])
    else:
        with contextlib.suppress(ModuleCrashedError):
            victim.call("die", how, str(clock))
        died = int(clock.read_text(encoding="ascii"))
    thread.join(_PATIENCE)
    if not in_app:
        raise RuntimeError(f"the app did not notice the end by {how}")
    return {"app": in_app[0] - died, "module": in_module.result(_PATIENCE) - died}


def _against_goal(row: Row) -> str:
    latency = row.latency()
    within = "within" if latency.percentile(99) <= GOAL_MS * 1_000_000 else "NOT within"
    return f"{row.variant}, {row.title}: p99 {latency.percentile(99) / 1e6:.1f} ms, {within} the design goal of {GOAL_MS} ms"
