"""``python -m benchmarks.c_library [--calls N] [--runs N]``."""

from __future__ import annotations

import argparse
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from logoscore.capi.build import build

_HERE: Final = Path(__file__).parent
_MODULES: Final = _HERE / "modules"
_WARMUP: Final = 1000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.c_library", description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000, help="calls of each run (default %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each way (default %(default)s)")
    parser.add_argument("--way", choices=("pair", "call"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(*_measure_python(options.way, options.calls), sep="\n")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        program = _compiled(Path(folder))
        ways = {
            "C: call_plugin_method_async, process_events": [program, _MODULES, options.calls, _WARMUP],
            "Python: the same pair": _python("pair", options.calls),
            "Python: client.call": _python("call", options.calls),
        }
        rows: dict[str, list[list[float]]] = {way: [] for way in ways}
        for _ in range(options.runs):
            for way, command in ways.items():
                done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)  # noqa: S603
                times = sorted(int(line) / 1e3 for line in done.stdout.split())
                rows[way].append([times[int(len(times) * part)] for part in (0.5, 0.9, 0.99)])
    print(f"µs per round trip, {options.calls} calls after {_WARMUP}; median of {options.runs} runs [least–most]\n")
    print("| way | p50 | p90 | p99 |\n|---|---|---|---|")
    for way, runs in rows.items():
        cells = (f"{statistics.median(each):.1f} [{min(each):.1f}–{max(each):.1f}]" for each in zip(*runs, strict=True))
        print(f"| {way} | {' | '.join(cells)} |")
    return 0


def _python(way: str, calls: int) -> list[object]:
    return [sys.executable, "-m", "benchmarks.c_library", "--way", way, "--calls", calls]


def _compiled(folder: Path) -> Path:
    build(folder)
    program = folder / "call"
    libraries = [f"-L{folder / 'lib'}", "-llogos_core", f"-Wl,-rpath,{folder / 'lib'}"]
    command = ["cc", "-O2", f"-I{folder / 'include'}", _HERE / "call.c", "-o", program, *libraries]
    print("$", shlex.join(map(str, command)), file=sys.stderr)
    subprocess.run(list(map(str, command)), check=True)  # noqa: S603
    return program


def _measure_python(way: str, count: int) -> list[int]:
    import logoscore

    logoscore.initialize(str(_MODULES))
    logoscore.start()
    adder = logoscore.load_plugin("adder")
    answers: list[str] = []

    def pair() -> None:
        logoscore.call_plugin_method_async("adder", "add", "[1, 2]", lambda _, message: answers.append(message))
        while not answers:
            logoscore.process_events()
        if answers.pop() != "Method call successful. Result: 3":
            raise AssertionError("a wrong answer")

    def call() -> None:
        if adder.call("add", 1, 2) != 3:
            raise AssertionError("a wrong answer")

    once = pair if way == "pair" else call
    times = []
    for index in range(-_WARMUP, count):
        begin = time.monotonic_ns()
        once()
        if index >= 0:
            times.append(time.monotonic_ns() - begin)
    logoscore.cleanup()
    return times


if __name__ == "__main__":
    sys.exit(main())
