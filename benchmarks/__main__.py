"""``python -m benchmarks``: measure, or read what was measured; report; compare."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import compare
from benchmarks.machine import describe
from benchmarks.options import Options, parse
from benchmarks.reports import html, markdown, text
from benchmarks.reports.document import FormatError, from_json, to_json
from benchmarks.reports.plots import summary
from benchmarks.results import Outcome, Settings
from benchmarks.scenarios import SCENARIOS

__all__ = ["main"]

Run = tuple[dict[str, Any], Settings, list[Outcome]]

FAILED, UNUSABLE, SLOWER = 1, 2, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; returns the exit status that ``--help`` describes."""
    options = parse(argv)
    try:
        old = _read(options.old) if options.old else None  # before minutes are spent
        run = _read(options.source) if options.source else _measured(options)
        _write(options, run)
    except (OSError, FormatError, ImportError, ValueError) as exc:
        print(f"{type(exc).__name__}: {exc}", file=sys.stderr)
        return UNUSABLE
    print(markdown.render(*run) if options.markdown else text.render(*run), end="")
    if old is not None:
        comparison = compare.compare(old, run)
        print("\n" + compare.render(comparison), end="")
        if comparison.slower:
            return SLOWER
    return FAILED if any(outcome.failed for outcome in run[2]) else 0


def _read(path: Path) -> Run:
    try:
        return from_json(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as exc:
        raise FormatError(f"{path}: {exc}") from exc


def _measured(options: Options) -> Run:
    machine = describe()
    outcomes = []
    for number, name in enumerate(options.scenarios, 1):
        scenario = SCENARIOS[name]
        title = f"{number}/{len(options.scenarios)} {name}"
        with _progress(title, scenario.steps(options.settings)) as progress:
            outcomes.append(scenario.run(options.settings, progress))
    return machine, options.settings, outcomes


def _write(options: Options, run: Run) -> None:
    if options.json is not None:
        options.json.write_text(json.dumps(to_json(*run)) + "\n", encoding="utf-8")
    if options.html is not None:
        options.html.write_text(html.render(*run), encoding="utf-8")
    if options.png is not None:
        from benchmarks.reports import png  # matplotlib is an extra

        png.write(options.png, summary(run[2]))


@contextmanager
def _progress(title: str, steps: int) -> Iterator[Callable[[str], None]]:
    """What shows the steps: on a terminal, and if tqdm is there."""
    try:
        from tqdm import tqdm  # type: ignore[import-untyped, unused-ignore]  # an extra; has no types of its own
    except ImportError:
        yield lambda _: None
        return
    tqdm.monitor_interval = 0  # no thread of its own: this process only waits while something is measured
    layout = "{l_bar}{bar}| {remaining} {postfix}"
    with tqdm(total=steps, leave=False, disable=None, desc=title, bar_format=layout) as bar:

        def progress(step: str) -> None:
            bar.set_postfix_str(step, refresh=False)
            bar.update()
            bar.refresh()

        yield progress


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)  # everything has been ended on the way here
