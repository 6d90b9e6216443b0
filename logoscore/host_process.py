"""A host's process, from its start until it is reaped: its end, seen and waited for, and signals that hit no other."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from typing import Final

from logoscore.launch import StartedHost
from logoscore.limits import cpu_seconds
from logoscore.locks import Flag

__all__ = ["HostProcess"]

_PAUSE_SECONDS: Final = 0.001


class HostProcess:
    """One process. Only one thread reaps it, under a lock: until it has, the pid is this process's."""

    def __init__(self, started: StartedHost) -> None:
        self.pid = started.pid
        self.signalled = False
        """We have ended it by a signal."""
        self.cpu: float | None = None
        """Seconds of CPU time that it has used, if somebody wanted to know and the system could say."""
        self._started = started
        self._lock = threading.Lock()
        self._gone = False

    def open_pidfd(self) -> int | None:
        """A descriptor that becomes readable when the process ends; None where the system has none."""
        if self.pid is None or not sys.platform.startswith("linux"):
            return None
        try:
            return os.pidfd_open(self.pid)
        except (OSError, AttributeError):
            return None

    def reap(self, patience: float, *, measure: bool) -> int | None:
        """Wait for its end, and kill it after ``patience`` seconds. None: ended, but nobody can say how.

        Args:
            measure: whether ``cpu`` is wanted; nobody can say once it is reaped.
        """
        end = time.monotonic() + patience
        pause = Flag()
        while True:
            with self._lock:
                if measure:
                    self.cpu = cpu_seconds(self.pid)
                status = self._started.poll()
                if status is None and not _exists(self.pid):
                    self._gone = True
                    return None  # somebody else has reaped it, say because the app ignores SIGCHLD
                self._gone = status is not None
            if status is not None:
                return status
            if time.monotonic() > end:
                self.signal(signal.SIGKILL)
            pause.wait(_PAUSE_SECONDS)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        with self._lock:
            if self.pid is not None and not self._gone:
                with contextlib.suppress(ProcessLookupError):
                    self.signalled = True
                    os.kill(self.pid, number)


def _exists(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
