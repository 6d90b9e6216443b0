"""What somebody may have meant by a name that nobody has. Imported only where there is an error to explain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["nearest"]

_LONGEST: Final = 32  # characters; to compare takes time with the square of that, and strangers choose names, too
_MOST: Final = 20  # names that are compared: those nearest in length
_LIKENESS: Final = 0.75  # of 1: one wrong letter in four. Lower, and words that only share an ending are near


def nearest(word: object, known: Iterable[str]) -> str | None:
    """The one of ``known`` that ``word`` is probably a misspelling of; None: it resembles none of them."""
    if not isinstance(word, str) or len(word) > _LONGEST:
        return None
    import difflib  # 2 ms that only an error pays

    near = sorted((abs(len(name) - len(word)), name) for name in known if len(name) <= _LONGEST)[:_MOST]
    plain = {_plain(name): name for _, name in reversed(near)}
    found = difflib.get_close_matches(_plain(word), plain, n=1, cutoff=_LIKENESS)
    return plain[found[0]] if found else None


def _plain(name: str) -> str:
    """So that another case and another hyphen are no difference at all."""
    return name.casefold().replace("-", "_").replace(".", "_")
