"""Where a module's code is just now, in a line for each of its threads: for who asks what hangs.

    Worker.count (worker.py:12) > Event.wait (threading.py:629) > Condition.wait (threading.py:327)

From the method, or whatever else of the module's our threads have called, to where it is. What waits in a call of its own is
left out, since that does not hang. On the control thread: it looks at frames, and reads no file and runs no code of the
module's. Native code that keeps the interpreter keeps this from being asked, too.
"""

from __future__ import annotations

import os
import sys
import threading
from types import FrameType
from typing import Final

__all__ = ["running_code"]

_MOST: Final = 3  # threads
_INNERMOST: Final = 3  # frames beyond the first that are told
_DEEPEST: Final = 100_000  # frames that are looked at: recursion without end is a way to hang, too
_OURS: Final = os.path.dirname(os.path.dirname(__file__)) + os.sep  # noqa: PTH120 - no pathlib on the way up
_STANDARD: Final = os.path.dirname(os.__file__) + os.sep  # noqa: PTH120
_INSTALLED: Final = os.sep + "site-packages" + os.sep


def running_code() -> str:
    """What our threads run of the module's code and does not wait for other modules; "" if there is nothing."""
    ours = {thread.ident for thread in threading.enumerate() if thread.name.startswith("logos-")}
    places = [_place(frame) for ident, frame in sys._current_frames().items() if ident in ours]
    return "; and in ".join([place for place in places if place][:_MOST])


def _place(innermost: FrameType) -> str:
    frames: list[FrameType] = []
    frame: FrameType | None = innermost
    while frame is not None and len(frames) < _DEEPEST:
        frames.append(frame)
        frame = frame.f_back
    frames.reverse()
    first = next((place for place, each in enumerate(frames) if _is_modules(each)), None)
    if first is None or any(_is_ours(each) for each in frames[first:]):
        return ""
    inner = frames[first + 1 :]
    told = [frames[first], *inner[-_INNERMOST:]]
    texts = [_text(each) for each in told]
    if len(inner) > _INNERMOST:
        texts.insert(1, "…")
    return " > ".join(texts)


def _is_ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_OURS)


def _is_modules(frame: FrameType) -> bool:
    """Neither ours nor of the standard library, which runs our threads and event loops."""
    name = frame.f_code.co_filename
    standard = (name.startswith(_STANDARD) and _INSTALLED not in name) or name.startswith("<frozen ")
    return not standard and not _is_ours(frame)


def _text(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_qualname} ({os.path.basename(code.co_filename)}:{frame.f_lineno})"  # noqa: PTH119
