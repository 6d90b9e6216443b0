"""What was counted, by kind and outcome, and what of it must not be."""

from __future__ import annotations

import re
import threading
from collections import Counter
from typing import Final

from logoscore import errors
from logoscore.errors import LogosError

__all__ = ["DEFECTS", "Tally", "class_name"]

DEFECTS: Final = (
    "hanging calls",
    "unnamed errors",
    "unfitting errors",
    "wrong answers",
    "orphans",
    "leftovers",
    "not recovered",
    "errors of our own threads",
)
"""Each must be 0."""
_SHOWN: Final = 40
_NUMBER: Final = re.compile(r"[0-9]+")
_RAISED: Final = re.compile(r" raised ([\w.]+):")


def class_name(error: BaseException) -> str:
    """By the first class that a user can name."""
    return next((cls.__name__ for cls in type(error).__mro__ if cls.__name__ in errors.__all__), type(error).__name__)


class Tally:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[str]] = {}
        self._defects: dict[str, list[str]] = {name: [] for name in DEFECTS}

    def count(self, kind: str, outcome: str, by: int = 1) -> None:
        """One more of ``kind`` ("calls", "kills" …) that came out as ``outcome``."""
        with self._lock:
            self._counts.setdefault(kind, Counter())[outcome] += by

    def defect(self, name: str, what: str) -> None:
        """Something that must not be; ``what`` is shown."""
        with self._lock:
            self._defects[name].append(what)

    def failed(self, kind: str, what: str, error: BaseException, plausible: tuple[type[LogosError], ...]) -> None:
        """``what`` raised ``error``, which should be one of ``plausible``."""
        self.count(kind, class_name(error))
        if not isinstance(error, LogosError):
            self.defect("unnamed errors", f"{what}: {error!r}")
        elif not _fits(error, plausible):
            self.defect("unfitting errors", f"{what}: {type(error).__name__}: {error}")

    def counted(self, kind: str) -> Counter[str]:
        """A copy of what was counted of one kind."""
        with self._lock:
            return self._counts.get(kind, Counter()).copy()

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        with self._lock:
            return not any(self._defects.values())

    def report(self) -> str:
        """Everything, for people."""
        with self._lock:
            lines = []
            for kind, outcomes in sorted(self._counts.items()):
                lines.append(f"{kind}: {outcomes.total():,}")
                lines += [f"  {count:>10,}  {outcome}" for outcome, count in outcomes.most_common()]
            lines.append("must be 0:")
            for name, found in self._defects.items():
                lines.append(f"  {len(found):>10,}  {name}")
                lines += [f"{count:>14,} x {what}" for what, count in _alike(found)[:_SHOWN]]
        return "\n".join(lines)


def _alike(found: list[str]) -> list[tuple[str, int]]:
    """The first of those that differ in numbers only, each with how many there are."""
    first: dict[str, str] = {}
    counts = Counter(_NUMBER.sub("#", each) for each in found)
    for each in found:
        first.setdefault(_NUMBER.sub("#", each), each)
    return [(first[pattern], count) for pattern, count in counts.most_common()]


def _fits(error: LogosError, plausible: tuple[type[LogosError], ...]) -> bool:
    if LogosError in plausible:
        return True
    if isinstance(error, errors.RemoteError):
        # What a module's own call raised, and the module did not catch; perhaps because of a call of that one's callee.
        name = (_RAISED.findall(str(error)) or [error.type_name or ""])[-1].rpartition(".")[2]
        return any(issubclass(getattr(errors, name, type(None)), cls) for cls in plausible)
    if isinstance(error, errors.ModuleCrashedError):
        known = error.module and error.pid and (error.exit_code is not None or error.signal_name)
        return bool(known) and isinstance(error, plausible)  # it must say who, and how
    return isinstance(error, plausible)
