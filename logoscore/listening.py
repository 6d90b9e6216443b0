"""What the core hears of a host: one thread waits for its messages, for what it writes to stderr, and for its end.

Rules: a host makes the core work no more than its allowance permits; what was read and not handled yet is bounded, the
rest waits in the pipe; and what it said last is heard after its end.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Any, Final

from logoscore.stderr import StderrPipe
from logoscore.transport import messages as m
from logoscore.transport.allowance import Allowance
from logoscore.transport.control import ControlPipe

__all__ = ["Listener"]

_MESSAGES_A_ROUND: Final = 16  # or the interpreter's lock is ours for too long at a time
_LAST_CHUNKS: Final = 8
#: What a host may make the core do, by weight; one that asks for more waits. A cancel weighs 1.
_WORK_A_SECOND: Final = 2_000.0
_WORK_AT_ONCE: Final = 5_000.0
_COSTS: Final[dict[type, float]] = {
    m.OpenLink: 50,
    m.Watch: 20,
    m.LinkFailed: 20,
    m.MakeBuffer: 20,
    m.Authorize: 5,
    m.Resolve: 3,
}


class Listener:
    """Hears one host.

    Args:
        pipe, stderr: the core's ends.
        pidfd: of its process; None where there is none.
        handle: called with each message.
    """

    def __init__(self, pipe: ControlPipe, stderr: StderrPipe, pidfd: int | None, handle: Callable[[Any], None]) -> None:
        self._pipe = pipe
        self._stderr = stderr
        self._pidfd = pidfd
        self._handle = handle
        self._allowance = Allowance(_WORK_A_SECOND, _WORK_AT_ONCE, time.monotonic())
        self._poll = select.poll()
        for descriptor in (pipe.fileno(), stderr.fd, pidfd):
            if descriptor is not None:
                self._poll.register(descriptor, select.POLLIN)

    def run(self) -> None:
        """Until the host, or its end of the pipe, is gone. Raises ProtocolViolationError."""
        while self._look():
            pass
        for _ in range(_LAST_CHUNKS):
            if not self._pipe.pump():
                break
        while self._take_message():
            pass

    def _look(self) -> bool:
        """One round. False when the host, or its end of the pipe, is gone."""
        pause = self._allowance.pause(time.monotonic())
        # What was read and not handled yet is enough: the rest waits in the pipe, which is bounded.
        busy = bool(pause) or self._pipe.has_message
        self._poll.modify(self._pipe.fileno(), 0 if busy else select.POLLIN)
        wait = pause * 1000 + 1 if pause else 0 if busy else None
        for fd, _ in self._poll.poll(wait):
            if fd == self._stderr.fd:
                if not self._stderr.pass_on():
                    self._poll.unregister(fd)
            elif fd == self._pidfd or not self._pipe.pump():
                return False
        for _ in range(0 if pause else _MESSAGES_A_ROUND):
            if not self._take_message():
                break
        return True

    def _take_message(self) -> bool:
        """Handle the next thing that the host has said, if there is one."""
        taken = self._pipe.take()
        if taken is None:
            return False
        message = m.decode_from_party(taken[0])
        self._allowance.spend(_COSTS.get(type(message), 1), time.monotonic())
        self._handle(message)
        return True
