"""The command line: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from benchmarks.peers import PEERS, Target
from benchmarks.results import Settings
from benchmarks.scenarios import SCENARIOS

__all__ = ["Options", "parse"]

_FOR_A_MODULE: Final = (("round-trip", "threads"), ("socketpair", "pipe", "logoscore"))
"""Scenarios and peers where a module of the user's is measured, unless he says otherwise."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for. ``source``: a document in place of a measurement; ``old``: one to compare with."""

    settings: Settings
    scenarios: list[str]
    json: Path | None = None
    html: Path | None = None
    png: Path | None = None
    markdown: bool = False
    source: Path | None = None
    old: Path | None = None


def parse(argv: Sequence[str] | None = None) -> Options:
    """What the command line asks for. Ends the process with 2 if it cannot be understood."""
    parser = _parser()
    given = parser.parse_args(argv)
    target = _target(given, parser)
    scenarios, peers = given.scenarios, given.peers
    if target is not None:
        scenarios, peers = scenarios or _FOR_A_MODULE[0], peers or _FOR_A_MODULE[1]
    settings = Settings(peers=peers or tuple(PEERS), target=target)
    if given.quick:
        settings = replace(
            settings, quick=True, rounds=2, hot_seconds=0.05, hot_warmup=0.02, parked_seconds=0.05, parked_warmup=0.02
        )
    if given.rounds is not None:
        settings = replace(settings, rounds=given.rounds)
    if given.interval_ms is not None:
        settings = replace(settings, interval=given.interval_ms / 1000)
    return Options(
        settings=settings,
        scenarios=list(scenarios or SCENARIOS),
        json=given.json,
        html=given.html,
        png=given.png,
        markdown=given.markdown,
        source=given.source,
        old=given.compare,
    )


def _parser() -> argparse.ArgumentParser:
    default = Settings()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="What a call between processes costs: logoscore beside what you would use instead, in one run.",
        epilog="Exit status: 0; 1 if a peer failed (one that is not installed does not); 3 if something got slower.",
    )
    parser.add_argument("--quick", action="store_true", help="a few seconds, to see that everything works; no figures")
    parser.add_argument("--rounds", type=_positive(int), metavar="N", help=f"how many (default {default.rounds})")
    parser.add_argument(
        "--interval-ms", type=_positive(float), metavar="MS",
        help=f"between two parked calls (default {default.interval * 1000:g}; and twice as much)",
    )  # fmt: skip
    for option, known in (("scenarios", tuple(SCENARIOS)), ("peers", tuple(PEERS))):
        parser.add_argument(
            f"--{option}", type=_some_of(known), metavar="A,B", help=f"some of {', '.join(known)} (default: all)"
        )
    group = parser.add_argument_group("reports")
    group.add_argument("--json", type=Path, metavar="FILE", help="write everything, with all histograms")
    group.add_argument("--html", type=Path, metavar="FILE", help="write a report with plots, in one file")
    group.add_argument("--png", type=Path, metavar="FILE", help="draw the picture of the README (needs matplotlib)")
    group.add_argument("--markdown", action="store_true", help="print the tables of the README, not the report")
    group.add_argument("--from", dest="source", type=Path, metavar="FILE", help="report this JSON, measure nothing")
    group.add_argument("--compare", type=Path, metavar="OLD.json", help="say what got slower than then, beyond noise")
    group = parser.add_argument_group("a module of yours")
    group.add_argument("--module", metavar="NAME", help="a known module")
    group.add_argument("--method", metavar="NAME", help="what to call")
    group.add_argument(
        "--args", nargs="*", default=[], metavar="VALUE", help="Python literals; what is none is taken as a string"
    )
    group.add_argument(
        "--plugins-dir", action="append", default=[], metavar="DIR", help="where it is, if not installed"
    )
    return parser


def _target(given: argparse.Namespace, parser: argparse.ArgumentParser) -> Target | None:
    if given.module is None:
        if given.method or given.args or given.plugins_dir:
            parser.error("--method, --args and --plugins-dir need --module")
        return None
    if given.method is None:
        parser.error("--module needs --method")
    folders = tuple(str(Path(each).absolute()) for each in given.plugins_dir)
    return Target(given.module, given.method, tuple(map(_literal, given.args)), folders)


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


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
