"""Counts what a thread executes, split into rounds. Runs in the app and in the host, so it imports little.

Counted are bytecode instructions and Python calls (by a trace function), and calls of C functions (by a profile
function): each system call, each lock and each allocation of a container hides behind one of the latter.

The path depends on the other side in one place: whether the message that a thread wants is there already, or it has to
look and to park. Of the hot path it is there. So whoever comes to that place is held up for a moment (:data:`WAITS_AT`),
in which the other side gets ready, on one CPU as on many; and the core runs with ``spin_microseconds=0``.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from types import CodeType, FrameType
from typing import Any, Final

__all__ = ["CALLS", "C_CALLS", "INSTRUCTIONS", "WAITS_AT", "Counts", "Tally", "typical"]

INSTRUCTIONS: Final = "instructions"
CALLS: Final = "calls"
C_CALLS: Final = "C calls"

WAITS_AT: Final = ".Receiver.receive"
"""How the name of the function ends that waits for a message."""
_MOMENT: Final = 0.002

Counts = dict[str, dict[str, int]]
"""Measure to function to how many."""


class Tally:
    """Counts on the thread that starts it, from :meth:`start` to :meth:`stop`."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}
        self._clear()
        self._starter: CodeType | None = None
        self.rounds: list[Counts] = []
        self.waits = 0

    def _clear(self) -> None:
        self._counts = {INSTRUCTIONS: Counter(), CALLS: Counter(), C_CALLS: Counter()}

    def start(self) -> None:
        """From now on, also in the functions that have called this one.

        Not in the one that calls it: its frame runs already, and whether its instructions are seen depends, on Python 3.12,
        on whether anybody has ever traced them before.
        """
        frame: FrameType | None = sys._getframe(1)
        self._starter = sys._getframe(1).f_code
        sys._getframe().f_trace_opcodes = True  # Python 3.12 looks here, and only at this moment, whether anybody cares
        sys.settrace(self._trace)
        while frame is not None:
            frame.f_trace, frame.f_trace_opcodes, frame.f_trace_lines = self._trace, True, False
            frame = frame.f_back
        sys.setprofile(self._profile)

    def stop(self) -> None:
        """Count nothing any more.

        Raises:
            RuntimeError: nobody came by the place of waiting, so the counts are chance.
        """
        sys.setprofile(None)
        sys.settrace(None)
        if not self.waits:
            raise RuntimeError(
                f"{WAITS_AT} was never called: say in {__file__} where the hot path waits for a message now"
            )

    def mark(self) -> None:
        """Here one round ends and another begins."""
        self.rounds.append({measure: dict(counted) for measure, counted in self._counts.items()})
        self._clear()

    def _trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "opcode" and frame.f_code is not self._starter:
            self._counts[INSTRUCTIONS][_name(frame)] += 1
        elif event == "call":
            if frame.f_code.co_filename == __file__:
                return None
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
            name = _name(frame)
            self._counts[CALLS][name] += 1
            if name.endswith(WAITS_AT):
                self.waits += 1
                time.sleep(_MOMENT)
        return self._trace

    def _profile(self, frame: FrameType, event: str, function: Any) -> None:
        if event == "c_call" and frame.f_code.co_filename != __file__:
            self._counts[C_CALLS][str(getattr(function, "__qualname__", function))] += 1


def _name(frame: FrameType) -> str:
    return f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_qualname}"


def typical(rounds: list[Counts]) -> Counts:
    """The round that occurred most often: in a few, the moment was not enough for the other side."""
    keys = [tuple(sorted((measure, sum(counted.values())) for measure, counted in each.items())) for each in rounds]
    most, _ = Counter(keys).most_common(1)[0]
    return rounds[keys.index(most)]
