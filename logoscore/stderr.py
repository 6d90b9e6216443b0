"""What a host writes to its stderr: passed on to the app's, and its last lines kept for error messages."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from typing import Final

__all__ = ["StderrPipe"]

_PATIENCE_MS: Final = 200
_LINES: Final = 50
_BYTES: Final = 16384
_DRAIN_SECONDS: Final = 1.0


class StderrPipe:
    """The reading end of a host's stderr.

    Args:
        fd: its descriptor, which is ours from now on.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._tail = b""
        self._stuck = False
        os.set_blocking(fd, False)

    def tail(self) -> str:
        """The last lines, at most 50."""
        lines = self._tail.decode("utf-8", "replace").splitlines()
        return "\n".join(lines[-_LINES:])

    def pass_on(self) -> bool:
        """Take in what is there, without waiting. False at its end."""
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return True
        if not data:
            return False
        self._tail = (self._tail + data)[-_BYTES:]
        self._forward(data)
        return True

    def _forward(self, data: bytes) -> None:
        """To the app's stderr, unless nobody reads that: this thread must not be held up, so then it is lost."""
        if sys.__stderr__ is None or sys.__stderr__.closed:
            return  # descriptor 2 is no stream, but maybe a file of the app's
        poll = select.poll()
        poll.register(2, select.POLLOUT)
        with contextlib.suppress(OSError):  # the app has no stderr
            for start in range(0, len(data), select.PIPE_BUF):
                ready = poll.poll(0 if self._stuck else _PATIENCE_MS)
                self._stuck = not ready
                if not ready:
                    return
                os.write(2, data[start : start + select.PIPE_BUF])

    def drain(self) -> None:
        """What it wrote at last; bounded, since a grandchild may hold the pipe and go on writing."""
        end = time.monotonic() + _DRAIN_SECONDS
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        while time.monotonic() < end and poll.poll(0) and self.pass_on():
            pass

    def close(self) -> None:
        """Let go of it."""
        os.close(self.fd)
