"""Run the fuzzer over the subjects, one after the other, and say what came out.

    cd tests && python -m fuzz [--runs N | --seconds S] [--seed K] [--keep] [SUBJECT ...]

What it finds ends the subject's run and is printed as a line for its corpus; then the exit code is 1.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from fuzz import corpus, features
from fuzz.subjects import TARGETS
from fuzz.target import Target

_SECONDS = 60.0
_SLOWEST = 25  # seconds for one input, after which it counts as hanging; generous, because machines are busy
_MEMORY_MB = 1024
_STATISTIC = re.compile(rb"stat::(\w+):\s+(\d+)")


@dataclass(frozen=True)
class Outcome:
    """What became of one subject: how many inputs, how fast, and what was found."""

    executed: int
    seconds: float
    failed: bool
    findings: list[bytes]
    log: str


def run(target: Target, limits: list[str], seed: int, *, keep: bool) -> Outcome:
    """Fuzz one subject in a process of its own, beginning with its seeds and its corpus."""
    with tempfile.TemporaryDirectory(prefix="logoscore-fuzz-") as folder:
        found, inputs = Path(folder, "found"), Path(folder, "inputs")
        found.mkdir()
        inputs.mkdir()
        for number, data in enumerate([*target.seeds(), *corpus.load(target.name)]):
            (inputs / str(number)).write_bytes(data)
        command = [sys.executable, "-m", "fuzz.driver", target.name, str(inputs), *limits]
        command += [f"-seed={seed}", f"-max_len={target.max_length}", f"-timeout={_SLOWEST}"]
        command += [f"-rss_limit_mb={_MEMORY_MB}", f"-artifact_prefix={found}/", "-print_final_stats=1"]
        # Hashes decide the order of sets, and so what runs: with them fixed, the same seed makes the same run.
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        began = time.monotonic()
        done = subprocess.run(command, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, env=environment, check=False)
        seconds = time.monotonic() - began
        statistics = {name: int(value) for name, value in _STATISTIC.findall(done.stdout)}
        findings = [path.read_bytes() for path in sorted(found.iterdir())]
        if keep:
            everything = [*target.seeds(), *(path.read_bytes() for path in inputs.iterdir())]
            corpus.store(target.name, features.smallest(target.check, everything))
    return Outcome(
        statistics.get(b"number_of_executed_units", 0),
        seconds,
        bool(done.returncode) or not statistics,
        findings,
        done.stdout.decode("utf-8", "backslashreplace"),
    )


def _what_matters(log: str) -> str:
    """The log without libFuzzer's progress."""
    return "\n".join(line for line in log.splitlines() if not line.startswith(("#", "INFO", "WARNING")))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"of {', '.join(TARGETS)}; all, unless named")
    parser.add_argument("--runs", type=int, help="so many inputs for each subject")
    parser.add_argument("--seconds", type=float, help=f"so long in all ({_SECONDS:g}, unless --runs is given)")
    parser.add_argument("--seed", type=int, default=1, help="of the fuzzer's random numbers (1)")
    parser.add_argument("--keep", action="store_true", help="add what reached new places to the corpus")
    options = parser.parse_args()
    unknown = set(options.subjects) - TARGETS.keys()
    if unknown:
        parser.error(f"there is no subject {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    if find_spec("atheris") is None:
        parser.error("atheris is not installed for this interpreter: `make fuzz` sees to it; or pip install atheris")
    names = options.subjects or list(TARGETS)
    limits = [f"-runs={options.runs}"] if options.runs else []
    if options.seconds or not options.runs:
        limits.append(f"-max_total_time={max(round((options.seconds or _SECONDS) / len(names)), 1)}")
    outcomes = {}
    for name in names:
        outcomes[name] = outcome = run(TARGETS[name], limits, options.seed, keep=options.keep)
        rate = outcome.executed / outcome.seconds
        print(f"{name:14}{outcome.executed:12,} inputs in {outcome.seconds:6.1f} s, {rate:8,.0f}/s", flush=True)
        if outcome.failed or outcome.findings:
            print(f"\n{_what_matters(outcome.log)}\n{name} has findings. Lines for {corpus.path_of(name)}:")
            print(*map(repr, outcome.findings), sep="\n", flush=True)
    print(f"{'in all':14}{sum(outcome.executed for outcome in outcomes.values()):12,} inputs")
    return int(any(outcome.failed or outcome.findings for outcome in outcomes.values()))


if __name__ == "__main__":
    sys.exit(main())
