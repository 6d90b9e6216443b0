"""A small corpus out of a large one: those inputs that do something which no shorter one does.

What an input does is told apart by the steps from line to line of logoscore that it makes, and how often (once, twice, up to
4, 8 … times), by what the C code below says in its errors, and by the types that functions return.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import logoscore

_HOME = str(Path(logoscore.__file__).parent)
_BELOW = frozenset({"builtins", "json.decoder", "msgspec", "struct"})
_CHOSEN_BY_INPUT = re.compile(r"\d+|'.*'")


class _Tracer:
    """Notes what happens in logoscore's frames."""

    def __init__(self) -> None:
        self.arcs: Counter[tuple[CodeType, int, int]] = Counter()
        self.other: set[Hashable] = set()
        self._last: dict[FrameType, int] = {}

    def call(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        return self.step if frame.f_code.co_filename.startswith(_HOME) else None

    def step(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self.arcs[frame.f_code, self._last.get(frame, 0), frame.f_lineno] += 1
            self._last[frame] = frame.f_lineno
        elif event == "return":
            self._last.pop(frame, None)
            self.other.add((frame.f_code, type(argument)))
        elif event == "exception" and argument[0].__module__ in _BELOW:
            self.other.add((frame.f_code, argument[0], _CHOSEN_BY_INPUT.sub("", str(argument[1]))[:100]))
        return self.step


def features(check: Callable[[bytes], bool], data: bytes) -> set[Hashable]:
    """What ``check(data)`` did, in pieces that can be compared with those of other inputs."""
    tracer = _Tracer()
    before = sys.gettrace()
    sys.settrace(tracer.call)
    try:
        accepted = check(data)
    finally:
        sys.settrace(before)
    counted = {(*arc, (count - 1).bit_length()) for arc, count in tracer.arcs.items()}
    return {accepted} | counted | tracer.other


def smallest(check: Callable[[bytes], bool], inputs: Iterable[bytes]) -> list[bytes]:
    """Of ``inputs``, shortest first, those that do something new."""
    known: set[Hashable] = set()
    kept = []
    for data in sorted(set(inputs), key=lambda each: (len(each), each)):
        done = features(check, data)
        if not done <= known:
            known |= done
            kept.append(data)
    return kept
