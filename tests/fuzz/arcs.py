"""A small corpus out of a large one: those inputs that reach a step from line to line which no shorter one has reached."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import logoscore

_HOME = str(Path(logoscore.__file__).parent)
Arc = tuple[CodeType, int, int]


def arcs_of(check: Callable[[bytes], bool], data: bytes) -> set[Arc]:
    """Every step from one line of logoscore to the next that ``check(data)`` made."""
    arcs: set[Arc] = set()
    last: dict[FrameType, int] = {}

    def line(frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "line":
            arcs.add((frame.f_code, last.get(frame, 0), frame.f_lineno))
            last[frame] = frame.f_lineno
        return line

    def call(frame: FrameType, _event: str, _argument: Any) -> Any:
        return line if frame.f_code.co_filename.startswith(_HOME) else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        accepted = check(data)
    finally:
        sys.settrace(before)
    return arcs | {(check.__code__, 0, int(accepted))}


def smallest(check: Callable[[bytes], bool], inputs: Iterable[bytes]) -> list[bytes]:
    """Of ``inputs``, shortest first, those with a step of their own."""
    reached: set[Arc] = set()
    kept = []
    for data in sorted(set(inputs), key=lambda each: (len(each), each)):
        arcs = arcs_of(check, data)
        if not arcs <= reached:
            reached |= arcs
            kept.append(data)
    return kept
