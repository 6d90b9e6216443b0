"""A run: warm-up, rounds of chaos with a quiet moment after each, the end; and what all of it came to."""

from __future__ import annotations

import logging
import os
import resource
import statistics
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

from helpers import Holdings

from chaos.apps import Apps
from chaos.load import LOAD, listen
from chaos.mischief import MISCHIEF
from chaos.quiet import Figures, look, recover, warm_up
from chaos.stage import DEFAULT_TIMEOUT, LONGEST, MODULES, Actor, Stage, act
from chaos.tally import Tally
from chaos.waiting import waits_for
from chaos.watcher import SLACK, Watcher
from logoscore import Core

__all__ = ["run"]

ROUND_SECONDS: Final = 30.0
_MEASURES: Final[tuple[tuple[str, float, Callable[[Figures], float]], ...]] = (
    ("MiB", 16.0, lambda figures: figures.resident_mb),
    ("objects", 2000.0, lambda figures: figures.objects),
)
"""What must not grow from the first third of a run to its last, and by how much it may: caches, and an untidy heap."""
_DEPTH: Final = 12  # innermost calls of a thread that hangs
_PATIENCE: Final = LONGEST + 2 * SLACK

Say = Callable[[str], None]


def run(seconds: float, seed: int, say: Say, crowd: int = 1) -> Tally:
    """So much chaos; returns what came of it. Does not return, but ends the process, if something hangs for ever.

    ``crowd``: how many threads there are of each kind of load.
    """
    actors = (*LOAD * crowd, *MISCHIEF)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    tally = Tally()
    rounds = max(round(seconds / ROUND_SECONDS), 1)
    before = Holdings.now()
    with tempfile.TemporaryDirectory(prefix="logoscore-chaos-") as folder, _own_errors(tally):
        watcher, apps = Watcher(tally), Apps()
        core = Core(
            MODULES, entry_points=False, default_timeout=DEFAULT_TIMEOUT, load_timeout=20.0, unload_timeout=1.0,
            restart_period=5.0, restart_backoff=0.05,
        )  # fmt: skip
        stage = Stage(core, tally, watcher, seed, Path(folder))
        rng = Random(seed)
        with core:
            heard = listen(stage)
            first = warm_up(stage, rng)
            say(f"warm: {_brief(first)}")
            figures = []
            for number in range(rounds):
                _round(stage, (*actors, apps.killed_app), number, seconds / rounds, say)
                recover(stage, rng)
                heard()
                figures.append(look(stage, first))
                say(f"after round {number + 1} of {rounds}: {_brief(figures[-1])}, {_progress(tally)}")
        apps.sweep(stage, rng)
        watcher.close()
        _judge_memory(tally, figures)
    _judge_end(tally, before)
    return tally


def _round(stage: Stage, actors: tuple[Actor, ...], number: int, seconds: float, say: Say) -> None:
    hanging = act(stage, actors, number, seconds, _PATIENCE)
    if hanging:
        frames = sys._current_frames()
        say(stage.tally.report())
        say("FAILED: this hangs, and cannot be ended (the stacks of all, when it was noticed, are in the log):")
        for thread in hanging:
            stack = traceback.format_stack(frames.get(thread.ident or 0), limit=_DEPTH)
            say(f"{thread.name} {waits_for(thread)}\n{''.join(stack)}")
        sys.stdout.flush()
        os._exit(1)


def _brief(figures: Figures) -> str:
    return (
        f"{sum(count for what, count in figures.held.items() if what.startswith('descriptor'))} descriptors, "
        f"{figures.threads.total()} threads, {figures.hosts} hosts, "
        f"{figures.resident_mb:.1f} MiB, {figures.objects:,} objects"
    )


def _progress(tally: Tally) -> str:
    kinds = ("calls", "submits", "awaits", "streams", "kills")
    return ", ".join(f"{tally.counted(kind).total():,} {kind}" for kind in kinds)


def _judge_memory(tally: Tally, figures: list[Figures]) -> None:
    """Compare the first third of the quiet moments with the last."""
    third = len(figures) // 3
    if not third:
        return
    for what, may_grow, of in _MEASURES:
        begin, end = (statistics.median(map(of, part)) for part in (figures[:third], figures[-third:]))
        tally.count("memory", f"{what} at first, {end - begin:+,.1f} at the end", round(begin))
        if end - begin > may_grow:
            tally.defect("leftovers", f"memory grew from {begin:,.1f} to {end:,.1f} {what}")


def _judge_end(tally: Tally, before: Holdings) -> None:
    try:
        before.assert_nothing_left(20)
    except AssertionError as error:
        tally.defect("leftovers", f"after the core's end: {error}")


class _Errors(logging.Handler):
    """What the library logs with a traceback is an error that it did not expect."""

    def __init__(self, tally: Tally) -> None:
        super().__init__(logging.ERROR)
        self._tally = tally

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self._tally.defect("errors of our own threads", self.format(record))


@contextmanager
def _own_errors(tally: Tally) -> Any:
    """Count what ends a thread of this process, or is raised where nobody can catch it."""

    def in_thread(args: threading.ExceptHookArgs) -> None:
        tally.defect("errors of our own threads", f"{args.thread}: {args.exc_value!r}")
        threading.__excepthook__(args)

    def unraisable(args: Any) -> None:
        tally.defect("errors of our own threads", f"{args.err_msg}: {args.exc_value!r} in {args.object!r}")
        sys.__unraisablehook__(args)

    handler, logger = _Errors(tally), logging.getLogger("logoscore")
    former = threading.excepthook, sys.unraisablehook
    threading.excepthook, sys.unraisablehook = in_thread, unraisable
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        threading.excepthook, sys.unraisablehook = former
