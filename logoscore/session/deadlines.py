"""Deadlines: points on the monotonic clock, in nanoseconds, as they stand in frames."""

from __future__ import annotations

import time

from logoscore.transport.frame import FOREVER

__all__ = ["deadline_after", "seconds_left"]

_now = time.monotonic_ns


def deadline_after(seconds: float) -> int:
    """The deadline ``seconds`` from now, in monotonic ns; infinity is FOREVER."""
    if seconds > 1e9:
        return FOREVER
    return _now() + int(seconds * 1e9)


def seconds_left(deadline: int) -> float:
    """Seconds until ``deadline``; 0 if it has passed, infinity for FOREVER."""
    if deadline >= FOREVER:
        return float("inf")
    return max(deadline - _now(), 0) / 1e9
