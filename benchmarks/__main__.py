"""The command line: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.machine import describe, pin_to_one_cpu
from benchmarks.peers import PEERS
from benchmarks.report import render, to_json
from benchmarks.results import VARIANTS, Settings
from benchmarks.scenarios import SCENARIOS

__all__ = ["main", "parse"]


def parse(argv: Sequence[str] | None = None) -> tuple[Settings, list[str], Path | None]:
    """What the command line asks for: settings, scenarios, and where to write JSON."""
    default = Settings(peers=tuple(PEERS))
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Round trips of calls between processes, logoscore beside others; and how soon a death is noticed.",
    )
    parser.add_argument("--quick", action="store_true", help="a few seconds, to see that everything works; no figures")
    parser.add_argument("--busy", action="store_true", help="keep every allowed CPU busy meanwhile")
    parser.add_argument("--pinned", action="store_true", help="confine everything to one CPU")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything, with all histograms, to FILE")
    parser.add_argument("--rounds", type=_positive(int), metavar="N", help=f"how many (default {default.rounds})")
    parser.add_argument(
        "--interval-ms", type=_positive(float), metavar="MS",
        help=f"between two parked calls (default {default.interval * 1000:g})",
    )  # fmt: skip
    for option, known in (("scenarios", tuple(SCENARIOS)), ("peers", tuple(PEERS)), ("variants", VARIANTS)):
        parser.add_argument(
            f"--{option}", type=_some_of(known), default=known, metavar="A,B",
            help=f"some of {', '.join(known)} (default: all)",
        )  # fmt: skip
    given = parser.parse_args(argv)
    settings = replace(default, peers=given.peers, variants=given.variants, busy=given.busy, pinned=given.pinned)
    if given.quick:
        settings = replace(settings, rounds=2, hot_seconds=0.1, hot_warmup=0.02, parked_seconds=0.1, parked_warmup=0.02)
    if given.rounds is not None:
        settings = replace(settings, rounds=given.rounds)
    if given.interval_ms is not None:
        settings = replace(settings, interval=given.interval_ms / 1000)
    return settings, list(given.scenarios), given.json


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the report; returns 1 if a peer failed (one that is only not installed is no failure)."""
    settings, scenarios, destination = parse(argv)
    if settings.pinned:
        try:
            pin_to_one_cpu()  # before anything starts, so that everything inherits it
        except OSError as exc:
            print(f"--pinned: {exc}", file=sys.stderr)
            return 2
    machine = describe()
    outcomes = []
    for name in scenarios:
        scenario = SCENARIOS[name]
        with _progress(scenario.steps(settings)) as progress:
            outcomes.append(scenario.run(settings, progress))
    if destination is not None:
        destination.write_text(json.dumps(to_json(machine, settings, outcomes)) + "\n", encoding="utf-8")
    print(render(machine, settings, outcomes), end="")
    return 1 if any(outcome.failed for outcome in outcomes) else 0


@contextmanager
def _progress(steps: int) -> Iterator[Callable[[str], None]]:
    """What shows the steps: on a terminal, and if tqdm is there."""
    try:
        from tqdm import tqdm  # type: ignore[import-untyped, unused-ignore]  # an extra; has no types of its own
    except ImportError:
        yield lambda _: None
        return
    tqdm.monitor_interval = 0  # no thread of its own: this process only waits while something is measured
    with tqdm(total=steps, leave=False, disable=None, bar_format="{l_bar}{bar}| {desc}") as bar:

        def progress(step: str) -> None:
            bar.set_description_str(step, refresh=False)
            bar.update()
            bar.refresh()

        yield progress


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    def convert(text: str) -> float:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
        return value

    convert.__name__ = kind.__name__  # argparse says it: "invalid int value"
    return convert


def _some_of(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    def convert(text: str) -> tuple[str, ...]:
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return tuple(name for name in known if name in chosen)

    return convert


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)  # everything has been ended on the way here
