"""What a call through the C library costs, hot, beside the same call from Python.

    C program ──▶ liblogos_core, which embeds Python ──▶ host        each program with a core and a host of its own;
    Python program ──▶ logoscore ──────────────────────▶ host        one is measured at a time, the others are parked

The library and the program are built first, by the machine's C compiler. Without one the rows from C are left out.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped, unused-ignore]  # its types are a package of their own

from benchmarks.histogram import Histogram
from benchmarks.loops import Sample
from benchmarks.machine import cpu_time_ns
from benchmarks.peers import OURS
from benchmarks.results import Outcome, Row, Settings
from benchmarks.scenarios.matrix import Progress, ns, rotated
from logoscore.capi.build import BuildError, build, compiler

__all__ = ["NAME", "run", "steps"]

NAME: Final = "c-library"
_FROM_C: Final = "logoscore-c"
_TITLES: Final = {
    _FROM_C: "from C: call_plugin_method_async(), process_events()",
    "logoscore-pair": "from Python: the same two functions",
    OURS: "from Python: client.call()",
}
_VARIANT: Final = "hot"
_PROGRAMS: Final = Path(__file__).parents[1] / "c_library"
_MODULES: Final = _PROGRAMS / "modules"
_SLACK: Final = 60.0


def steps(settings: Settings) -> int:
    """How many steps are announced."""
    return 1 + settings.rounds


def run(settings: Settings, progress: Progress) -> Outcome:
    """Measure."""
    outcome = Outcome(NAME, baseline=OURS)
    with ExitStack() as stack:
        progress("building")
        commands = {
            "logoscore-pair": [sys.executable, "-m", "benchmarks.c_library", "pair", str(_MODULES)],
            OURS: [sys.executable, "-m", "benchmarks.c_library", "call", str(_MODULES)],
        }
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="logoscore-bench-")))
        try:
            commands[_FROM_C] = [str(_compiled(folder)), str(_MODULES)]
        except BuildError as exc:
            outcome.skipped[_FROM_C] = str(exc)
        rows = {peer: Row(peer, title, _VARIANT, ours=True) for peer, title in _TITLES.items() if peer in commands}
        try:
            programs = {peer: stack.enter_context(_Program(commands[peer])) for peer in rows}
            for number in range(settings.rounds):
                progress(f"round {number + 1}/{settings.rounds}")
                for peer in rotated(list(rows), number):
                    rows[peer].samples.append(programs[peer].measure(settings))
        except (RuntimeError, OSError, subprocess.SubprocessError) as exc:
            outcome.failed[OURS] = f"{type(exc).__name__}: {exc}"
        else:
            outcome.rows = list(rows.values())
    return outcome


def _compiled(folder: Path) -> Path:
    """The program in C, and the library beside it."""
    build(folder)
    program = folder / "call"
    library = [f"-I{folder / 'include'}", f"-L{folder / 'lib'}", "-llogos_core", f"-Wl,-rpath,{folder / 'lib'}"]
    command = [*compiler(), "-O2", str(_PROGRAMS / "call.c"), "-o", str(program), *library]
    subprocess.run(command, check=True)  # noqa: S603 - the machine's compiler
    return program


class _Program:
    """One of them; it runs within this context manager."""

    def __init__(self, command: list[str]) -> None:
        self._command = command

    def __enter__(self) -> _Program:
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_PROGRAMS.parents[1]
        )
        self._watched_line(0.0)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.__exit__(None, None, None)  # closes its input, at which it ends, and waits

    def measure(self, settings: Settings) -> Sample:
        """One round."""
        self._ask(settings.hot_warmup)
        callees = [child.pid for child in psutil.Process(self._process.pid).children(recursive=True)]
        before = [cpu_time_ns(pid) for pid in (self._process.pid, *callees)]
        began = time.perf_counter_ns()
        times = self._ask(settings.hot_seconds)
        wall = time.perf_counter_ns() - began
        used = [cpu_time_ns(pid) - each for pid, each in zip((self._process.pid, *callees), before, strict=True)]
        return Sample(Histogram(times), wall_ns=wall, caller_cpu_ns=used[0], callee_cpu_ns=sum(used[1:]))

    def _ask(self, seconds: float) -> list[int]:
        assert self._process.stdin is not None
        print(ns(seconds), file=self._process.stdin, flush=True)
        return [int(each) for each in self._watched_line(seconds).split()]

    def _watched_line(self, seconds: float) -> str:
        """What it writes next.

        Raises:
            RuntimeError: it has ended, or had to be ended because nothing came.
        """
        assert self._process.stdout is not None
        watchdog = threading.Timer(seconds + _SLACK, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            raise RuntimeError(f"{self._command[0]} has ended with exit code {self._process.wait()}")
        return line
