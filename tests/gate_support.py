"""Looking at a gate, and running as a call that has its turn there."""

from __future__ import annotations

from logoscore.session.execution import RunningCall, current_call
from logoscore.session.gate import Gate
from logoscore.transport.frame import FOREVER


def waiting(gate: Gate) -> int:
    """How many wait. (There is no other way to know that a thread has taken its place in the queue.)"""
    return len(gate.queue)


def idle(gate: Gate) -> bool:
    """Whether nobody has a turn or waits for one."""
    with gate._lock:
        return len(gate.free) == gate.limit and not gate.queue


def running(gate: Gate | None, events: list[str] | None = None) -> RunningCall:
    before = (lambda: events.append("before")) if events is not None else None
    return RunningCall("peer", FOREVER, gate, before, [gate])


class as_call:  # noqa: N801 - used like a function
    """The body runs as this call."""

    def __init__(self, call: RunningCall | None) -> None:
        self._call = call

    def __enter__(self) -> None:
        self._token = current_call.set(self._call)

    def __exit__(self, *_: object) -> None:
        current_call.reset(self._token)
