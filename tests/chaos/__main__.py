"""Chaos for a while, then what came of it; the exit code is 1 if anything of it must not be.

cd tests && python -m chaos [--seconds S] [--seed K] [--crowd N]      kill random parties under load
cd tests && python -m chaos --reloads N                   N reloads of a module that others use
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from chaos import reloads, run
from chaos.tally import Tally

_NOISE = ("Exception in thread logos-", "Exception ignored in")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="of chaos (600)")
    parser.add_argument("--seed", type=int, help="of what happens in which order (random, and printed)")
    parser.add_argument("--reloads", type=int, metavar="N", help="no chaos, but so many reloads")
    parser.add_argument(
        "--crowd", type=int, default=1, metavar="N", help="threads of each kind of load (1); more find more"
    )
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(4))
    # A shell that starts us in the background has us, and all whom we start, ignore Ctrl-C; the apps are to die of it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # What modules write while they die is nobody's pleasure, and there is much of it.
    with tempfile.NamedTemporaryFile(prefix="logoscore-chaos-", suffix=".log", delete=False) as log:
        original = os.dup(2)
        os.dup2(log.fileno(), 2)
    try:
        return _run(options, seed, Path(log.name))
    finally:
        os.dup2(original, 2)


def _run(options: argparse.Namespace, seed: int, log: Path) -> int:
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {text}", flush=True)

    what = f"--seed {seed} --seconds {options.seconds:g} --crowd {options.crowd}"
    print(f"python -m chaos {what}; stderr of everybody is in {log}", flush=True)
    tally = reloads.run(options.reloads, say) if options.reloads else run.run(options.seconds, seed, say, options.crowd)
    _judge_log(tally, log)
    say(tally.report())
    if tally.passed:
        log.unlink()
    print("passed" if tally.passed else f"FAILED; see {log}", flush=True)
    return 0 if tally.passed else 1


def _judge_log(tally: Tally, path: Path) -> None:
    """A thread of the library that ended with an exception in a host shows there only."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if any(noise in line for noise in _NOISE):
                tally.defect("errors of our own threads", line.strip())


if __name__ == "__main__":
    sys.exit(main())
