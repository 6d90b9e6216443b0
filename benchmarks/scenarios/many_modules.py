"""A hundred modules at once: what loading the N-th costs, what each needs of memory, and whether calls notice.

Two cores, one after the other. The first loads modules one by one, with a look at the hot call in between. The second
loads one module that depends on all the others, so that they come in as fast as the core can bring them up.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil  # type: ignore[import-untyped, unused-ignore]  # its types are a package of their own

from benchmarks.caller import Caller, PeerFailedError
from benchmarks.loops import Plan, Sample, measure
from benchmarks.peers import BASELINE, OURS
from benchmarks.peers.logos import pid_of
from benchmarks.peers.running import RoundTrips
from benchmarks.results import Outcome, Row, Settings
from benchmarks.scenarios.bare_python import Bare
from benchmarks.scenarios.matrix import Progress, ns
from logoscore.errors import LogosError

if TYPE_CHECKING:
    from logoscore.core import Core

__all__ = ["NAME", "run", "steps", "write_modules"]

NAME: Final = "many-modules"
_MODULES: Final = 100
_QUICK_MODULES: Final = 4
_BIN: Final = 10
_LOOKS: Final = 5
_MB: Final = 1e6
_LOAD_TIMEOUT: Final = 120.0

_CODE: Final = """\
from logoscore import PluginInterface, invokable


class Member(PluginInterface):
    @invokable
    def add(self, a: int, b: int) -> int:
        return a + b
"""


def write_modules(folder: Path, count: int) -> None:
    """``m000`` and so on, which need nothing, and ``all_of_them``, which depends on each."""
    names = [f"m{number:03}" for number in range(count)]
    for name, dependencies in (*((name, []) for name in names), ("all_of_them", names)):
        place = folder / name
        place.mkdir()
        metadata = {"name": name, "version": "1.0.0", "dependencies": dependencies}
        (place / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
        (place / f"{name}.py").write_text(_CODE, encoding="utf-8")


def _count(settings: Settings) -> int:
    return _QUICK_MODULES if settings.quick else _MODULES


def _looks(settings: Settings) -> list[int]:
    """After how many modules the hot call is looked at."""
    count = _count(settings)
    return sorted({1, count // 4, count // 2, count})


def steps(settings: Settings) -> int:
    """How many steps are announced."""
    return _count(settings) + len(_looks(settings)) + 2


def run(settings: Settings, progress: Progress) -> Outcome:
    """Measure."""
    outcome = Outcome(NAME)
    if OURS not in settings.peers:
        outcome.skipped[OURS] = "was not asked for"
        return outcome
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            write_modules(Path(folder), _count(settings))
            _one_by_one(settings, Path(folder), outcome, progress)
            progress("all at once")
            _at_once(settings, Path(folder), outcome)
    except (LogosError, PeerFailedError, OSError) as exc:
        outcome.failed[OURS] = f"{type(exc).__name__}: {exc}"
    return outcome


def _one_by_one(settings: Settings, folder: Path, outcome: Outcome, progress: Progress) -> None:
    loads: dict[int, Row] = {}
    looks: list[Row] = []
    with ExitStack() as stack:
        pipe = stack.enter_context(Caller(BASELINE))
        pipe.wait_ready()
        core = stack.enter_context(_core(folder))
        first = core.load_plugin("m000")
        call: Callable[[], object] = lambda: first.call("add", 1, 2)  # noqa: E731 - as short as the others' calls
        call()
        for number in range(1, _count(settings) + 1):
            progress(f"module {number}")
            if number > 1:
                upto = -(-number // _BIN) * _BIN
                title = "logoscore, load_plugin"
                row = loads.setdefault(
                    upto, Row(OURS, title, f"load no. {upto - _BIN + 1}-{upto}", True, [], "time", upto)
                )
                began = time.perf_counter_ns()
                core.load_plugin(f"m{number - 1:03}")
                row.samples.append(Sample(value=(time.perf_counter_ns() - began) / 1e6))
            if number in _looks(settings):
                progress(f"hot call beside {number}")
                looks += _hot_calls(settings, number, call, pid_of(core, "m000"), pipe)
        outcome.rows += [*loads.values(), *sorted(looks, key=lambda row: row.x or 0)]
        outcome.rows += _memory(core, [f"m{number:03}" for number in range(_count(settings))])


def _hot_calls(settings: Settings, number: int, call: Callable[[], object], pid: int, pipe: Caller) -> list[Row]:
    """The hot call, and the pipe's, in turns."""
    plan = Plan(ns(settings.hot_seconds), ns(settings.hot_warmup))
    ours = Row(OURS, "logoscore, app → module: add(1, 2)", f"hot, {number} loaded", True, x=number)
    theirs = Row(BASELINE, pipe.title, ours.variant, x=number)
    for _ in range(2 if settings.quick else _LOOKS):
        ours.samples.append(measure(call, pid, plan))
        theirs.samples.append(pipe.measure(RoundTrips(plan)))
    return [theirs, ours]


def _memory(core: Core, names: list[str]) -> list[Row]:
    """What every host has for itself (USS), beside a Python that was spawned and has done nothing."""
    own = [_uss(pid_of(core, name)) for name in names]
    with Bare() as bare_python:
        bare = _uss(bare_python.ask("sleep"))
    return [
        Row("bare", "spawned Python that sleeps", "memory of its own", False, [Sample(value=bare)], "memory"),
        Row(
            OURS,
            "logoscore, a module's host",
            "memory of its own",
            True,
            [Sample(value=each) for each in own],
            "memory",
        ),
    ]


def _uss(pid: int) -> float:
    return float(psutil.Process(pid).memory_full_info().uss) / _MB


def _at_once(settings: Settings, folder: Path, outcome: Outcome) -> None:
    count = _count(settings)
    with _core(folder) as core:
        began = time.perf_counter_ns()
        core.load_plugin("all_of_them")
        took = (time.perf_counter_ns() - began) / 1e6
    title = f"logoscore, {count} dependencies of one module, each"
    outcome.rows.append(Row(OURS, title, "load all at once", True, [Sample(value=took / (count + 1))], "time"))
    outcome.notes.append(f"{count + 1} modules along their dependencies: {took / 1e3:.1f} s with {os.cpu_count()} CPUs")


def _core(folder: Path) -> Core:
    from logoscore.core import Core  # hosts import what imports this, and need none

    return Core(plugins_dir=folder, entry_points=False, load_timeout=_LOAD_TIMEOUT)
