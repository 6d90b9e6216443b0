"""What all actors of a run share, and the threads in which they act."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from chaos.tally import Tally
from chaos.watcher import Watcher
from logoscore import Core

__all__ = ["BATCH", "DEFAULT_TIMEOUT", "LIFECYCLE_SECONDS", "LONGEST", "MODULES", "NAMES", "Actor", "Stage", "act"]

MODULES: Final = Path(__file__).with_name("modules")
NAMES: Final = tuple(sorted(folder.name for folder in MODULES.iterdir() if (folder / "metadata.json").is_file()))
DEFAULT_TIMEOUT: Final = 6.0
LIFECYCLE_SECONDS: Final = 60.0
"""Within which loading or unloading a chain of two must be over: twice load_timeout, and the escalation of unload."""
BATCH: Final = 20
"""Calls that are awaited on one event loop."""
LONGEST: Final = max(LIFECYCLE_SECONDS, BATCH * DEFAULT_TIMEOUT)
"""Seconds that one actor may take for one thing, whatever it is."""


@dataclass
class Stage:
    """One run's."""

    core: Core
    tally: Tally
    watcher: Watcher
    seed: int
    folder: Path
    """For files of the run."""
    ended: threading.Event = field(default_factory=threading.Event)
    """Set when the round is over."""


Actor = Callable[[Stage, Random], None]
"""Does one thing; called again until the round is over."""


class _Thread(threading.Thread):
    """An actor at work. What it raises is a defect of ours, or of the library: never swallowed."""

    def __init__(self, stage: Stage, actor: Actor, name: str, round_number: int) -> None:
        super().__init__(name=f"chaos-{name}", daemon=True)
        self._stage = stage
        self._actor = actor
        self._rng = Random(f"{stage.seed} {round_number} {name}")

    def run(self) -> None:
        try:
            while not self._stage.ended.is_set():
                # (What it does has bounds of its own. This is for what it does between.)
                with self._stage.watcher.watching(f"one thing of {self.name}", LONGEST):
                    self._actor(self._stage, self._rng)
        except Exception:  # noqa: BLE001 - the verdict says it
            self._stage.tally.defect("unnamed errors", f"{self.name} ended:\n{traceback.format_exc()}")


def act(
    stage: Stage, actors: Sequence[Actor], round_number: int, seconds: float, patience: float
) -> list[threading.Thread]:
    """All actors for ``seconds``; returns those that are not over ``patience`` seconds later (they hang for ever)."""
    stage.ended.clear()
    threads = [_Thread(stage, actor, f"{actor.__name__}-{index}", round_number) for index, actor in enumerate(actors)]
    for thread in threads:
        thread.start()
    stage.ended.wait(seconds)
    stage.ended.set()
    for thread in threads:
        thread.join(patience)
    return [thread for thread in threads if thread.is_alive()]
