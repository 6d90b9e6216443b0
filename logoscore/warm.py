"""Warm hosts: processes that are up, with logoscore imported, and wait for a module.

    refill ─▶ started ahead ─ Hello ─▶ waits on its control pipe ── take ─▶ a module's host, as if it had just been started
                 │ ended by itself                │ surroundings changed
                 ▼                                ▼
              replaced, within bounds          killed, replaced

Rules:

* A warm host knows no secret and no module, and uses no CPU. What a module's host is, it becomes by the ``Bootstrap``.
* It is a module's only if nobody could tell it from a fresh one: see ``surroundings.py``. Modules with an interpreter of
  their own always get a fresh one.
* The app's loads come first: hosts are started ahead on a thread of its own, while nothing is being loaded.
* Whatever keeps them from living (a limit, an administrator, a bug) is not fought: ``intensity`` ends within ``period``
  seconds, and no more are started until that time has passed and something is loaded.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, Final

from logoscore.errors import ProtocolViolationError
from logoscore.locks import Thread
from logoscore.settings import RestartLimits
from logoscore.spawner import Spawner
from logoscore.supervisor import SupervisedHost
from logoscore.surroundings import Surroundings
from logoscore.transport import messages as m

__all__ = ["WarmHosts"]

_NAME: Final = "warm"


class _Warm:
    """One of them."""

    def __init__(self, surroundings: Surroundings) -> None:
        self.surroundings = surroundings
        self.host: SupervisedHost | None = None


class WarmHosts:
    """The warm hosts of a core.

    Args:
        count: how many; 0: none.
        spawner: starts them.
        bounds: how many may end by themselves, within which time.
    """

    def __init__(self, count: int, spawner: Spawner, bounds: RestartLimits) -> None:
        self._count = count
        self._spawner = spawner
        self._bounds = bounds
        self._lock = threading.Lock()
        self._hosts: list[_Warm] = []
        self._all: set[SupervisedHost] = set()  # those that have not ended, taken ones excepted
        self._lost: deque[float] = deque()
        self._thread: Thread | None = None
        self._closed = False

    def take(self) -> tuple[SupervisedHost, m.Changes] | None:
        """A host, and what it must adopt to be as a fresh one; None: there is none. It is to be assigned."""
        if not self._count:
            return None
        now = Surroundings.now(self._spawner.native_id)
        chosen: tuple[SupervisedHost, m.Changes] | None = None
        stale: list[SupervisedHost] = []
        with self._lock:
            # One that is up before one that is on its way, which is still ahead of a fresh one.
            for warm in sorted(self._hosts, key=lambda each: not (each.host is not None and each.host.waits)):
                changes = warm.surroundings.changes(now)
                if warm.host is None or (changes is not None and chosen is not None):
                    continue
                self._hosts.remove(warm)
                if changes is None:
                    stale.append(warm.host)
                else:
                    chosen = warm.host, changes
                    self._all.discard(warm.host)
        for host in stale:
            host.kill()
        return chosen

    def refill(self) -> None:
        """See to it that there are enough again; does not wait."""
        with self._lock:
            if self._closed or self._thread is not None or not self._wanted():
                return
            self._thread = Thread(target=self._run, name="logos-warm")
            try:
                self._thread.start()
            except RuntimeError:  # no thread is to be had: the next load tries again
                self._thread = None

    def _wanted(self) -> bool:
        """Under the lock: whether to start another one."""
        now = time.monotonic()
        while self._lost and self._lost[0] < now - self._bounds.period:
            self._lost.popleft()
        return len(self._hosts) < self._count and len(self._lost) < max(self._bounds.intensity, 1)

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._closed or not self._wanted():
                    self._thread = None
                    return
                warm = _Warm(Surroundings.now(self._spawner.native_id))
                self._hosts.append(warm)
            try:
                self._start(warm)
            except OSError as exc:
                self._ended(warm, f"it could not be started: {exc}")

    def _start(self, warm: _Warm) -> None:
        host = SupervisedHost(_NAME, on_message=_refuse, on_end=lambda status: self._ended(warm, str(status)))
        host.start(None, self._spawner)
        changed = Surroundings.now(self._spawner.native_id) != warm.surroundings  # which ones it has got, nobody knows
        with self._lock:
            useless = self._closed or changed
            if useless and warm in self._hosts:
                self._hosts.remove(warm)
            if host.exit is None and not useless:
                warm.host = host
                self._all.add(host)
        if useless:
            host.kill()
            host.join()

    def _ended(self, warm: _Warm, why: str) -> None:
        """It has ended, and is no module's: by itself, or because we have killed it."""
        with self._lock:
            if warm.host is not None:
                self._all.discard(warm.host)
            by_itself = warm in self._hosts
            if by_itself:
                self._hosts.remove(warm)
                self._lost.append(time.monotonic())
            given_up = by_itself and not self._wanted()
        if given_up and not self._closed:
            import logging

            logging.getLogger("logoscore").warning(
                "%d warm hosts ended within %g s, the last because of %s: no more are started for now",
                len(self._lost),
                self._bounds.period,
                why,
            )
        if by_itself:
            self.refill()

    def close(self) -> None:
        """End them all. Idempotent."""
        with self._lock:
            self._closed = True
            self._hosts.clear()
            hosts, thread = list(self._all), self._thread
        for host in hosts:
            host.kill()
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        for host in hosts:
            host.join()


def _refuse(message: Any) -> None:
    raise ProtocolViolationError(f"a host without a module may not say {type(message).__name__}")
