"""How long until something is there: a module, beside a process that does nothing; and ``import logoscore``."""

from __future__ import annotations

import inspect
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil  # type: ignore[import-untyped, unused-ignore]  # its types are a package of their own

from benchmarks.loops import Sample
from benchmarks.peers import OURS
from benchmarks.results import Outcome, Row, Settings
from benchmarks.scenarios.bare_python import Bare
from benchmarks.scenarios.many_modules import write_modules
from benchmarks.scenarios.matrix import Progress, rotated
from logoscore.errors import LogosError

if TYPE_CHECKING:
    from logoscore.core import Core

__all__ = ["NAME", "run", "steps"]

NAME: Final = "start"
_SPAWNED: Final = "spawned no-op"
_EACH: Final = 3  # starts of each in each round
_WARM_HOSTS: Final = 2
_WARMING: Final = 30.0
_ROOT: Final = Path(__file__).parents[2]


def steps(settings: Settings) -> int:
    """How many steps are announced."""
    return settings.rounds


def run(settings: Settings, progress: Progress) -> Outcome:
    """Measure."""
    outcome = Outcome(NAME, baseline=_SPAWNED)
    try:
        with ExitStack() as stack:
            ways = _ways(stack, outcome)
            rows = {
                name: Row(name, title, variant, ours, [], "time") for name, (title, variant, ours, _) in ways.items()
            }
            for *_, way in ways.values():
                way()  # files are in the cache, bytecode is written
            for number in range(settings.rounds):
                progress(f"round {number + 1}/{settings.rounds}")
                for name in rotated(list(ways), number):
                    for _ in range(1 if settings.quick else _EACH):
                        rows[name].samples.append(Sample(value=ways[name][3]() / 1e6))
            outcome.rows = list(rows.values())
    except (LogosError, OSError, subprocess.SubprocessError, RuntimeError) as exc:
        outcome.failed[OURS] = f"{type(exc).__name__}: {exc}"
    return outcome


def _ways(stack: ExitStack, outcome: Outcome) -> dict[str, tuple[str, str, bool, Callable[[], int]]]:
    """Name to title, variant, whether it is ours, and what starts it once and returns nanoseconds."""
    from logoscore.core import Core  # hosts import what imports this, and need none

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
    write_modules(folder, 1)
    bare = stack.enter_context(Bare())
    core = stack.enter_context(Core(plugins_dir=folder, entry_points=False))
    ways: dict[str, tuple[str, str, bool, Callable[[], int]]] = {
        _SPAWNED: (
            "multiprocessing spawn, a function that does nothing, start to join",
            "process",
            False,
            lambda: bare.ask("spawn"),
        ),
        "managers": ("multiprocessing.managers, BaseManager.start()", "process", False, lambda: bare.ask("manager")),
        OURS: ("logoscore, load_plugin(), unloaded outside of the time", "process", True, lambda: _load(core)),
    }
    if "warm_hosts" in inspect.signature(Core.__init__).parameters:
        options = {"warm_hosts": _WARM_HOSTS}
        warm = stack.enter_context(Core(plugins_dir=folder, entry_points=False, **options))  # type: ignore[arg-type, unused-ignore]
        title = f"logoscore, load_plugin(), warm_hosts={_WARM_HOSTS}"
        ways["logoscore-warm"] = (title, "process", True, lambda: _load_warm(warm))
    else:
        outcome.skipped["logoscore-warm"] = "this Core has no argument warm_hosts"
    ways["python"] = ("python -c pass", "interpreter", False, lambda: _python("pass"))
    ways["import"] = ("python -c 'import logoscore'", "interpreter", True, lambda: _python("import logoscore"))
    return ways


def _load(core: Core) -> int:
    began = time.perf_counter_ns()
    core.load_plugin("m000")
    took = time.perf_counter_ns() - began
    core.unload_plugin("m000")
    return took


def _load_warm(core: Core) -> int:
    """When the hosts in reserve have come up, which is when nothing below us computes any more."""
    quiet, patience = 0, time.monotonic() + _WARMING
    used = _cpu_below()
    while quiet < 3 and time.monotonic() < patience:
        time.sleep(0.1)
        used, before = _cpu_below(), used
        quiet = quiet + 1 if used == before else 0
    return _load(core)


def _cpu_below() -> dict[int, float]:
    used = {}
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        used[child.pid] = times.user + times.system
    return used


def _python(code: str) -> int:
    began = time.perf_counter_ns()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=_ROOT)  # noqa: S603 - our own interpreter
    return time.perf_counter_ns() - began
