"""What happens after a module's process ended by itself: told to everybody, and restarted as its metadata says.

    ended ─▶ crashed ─▶ module_crashed ─▶ restart? ─ no ─▶ stays crashed
                                             │ yes
                                             ▼
              more than `intensity` in `period` seconds? ─ yes ─▶ gave_up ─▶ module_gave_up
                                             │ no
                                             ▼
             restarting (back-off) ─▶ loaded, after what it depends on ─▶ module_restarted

Rules (after Erlang/OTP's supervisors, https://www.erlang.org/doc/system/sup_princ):

* ``restart`` of the metadata: "never"; "on-failure": unless it ended with exit code 0; "always". What was asked for (an
  unload, a reload, the core's end) is not an end by itself.
* Restarts within the last ``period`` seconds are counted. The first comes at once, each further one after a pause that
  doubles. A restart that fails counts as another end. Beyond ``intensity`` the module is given up, loudly.
* A dependency that has ended too is brought up first, whatever its own policy. Dependents are left alone (their clients
  connect again by themselves), but those whose metadata says ``restart_with_dependencies``: they are unloaded, dependents
  first, before the restart, and loaded again after it.
* Events of the core manager are sent in the order of what happened, by a thread of their own: a subscriber that does not
  read holds up nobody.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from logoscore.errors import LogosError, ModuleCrashedError
from logoscore.exit_status import ExitStatus
from logoscore.lifecycle import Lifecycle
from logoscore.locks import Flag, Thread
from logoscore.registry import CRASHED, KNOWN, LOADED, RESTARTING, ModuleRecord, Registry
from logoscore.settings import RestartLimits

__all__ = ["MODULE_CRASHED", "MODULE_GAVE_UP", "MODULE_RESTARTED", "Notices", "Supervision"]

MODULE_CRASHED: Final = "module_crashed"
MODULE_RESTARTED: Final = "module_restarted"
MODULE_GAVE_UP: Final = "module_gave_up"

_JOIN_SECONDS: Final = 10.0


class Notices:
    """Publishes the core manager's events, one after the other, in a thread that exists once there is something to say."""

    def __init__(self, trigger: Callable[..., None]) -> None:
        self._trigger = trigger
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[tuple[Any, ...] | None] = queue.SimpleQueue()
        self._thread: Thread | None = None
        self._closed = False

    def send(self, *event: Any) -> None:
        """Publish ``name, *data``; never waits. After :meth:`close` nobody is there to hear it."""
        with self._lock:
            if self._closed:
                return
            self._queue.put(event)
            if self._thread is None:
                thread = Thread(target=self._run, name="logos-notices")
                try:
                    thread.start()
                except RuntimeError:  # no thread is to be had: the next one tries again, or the interpreter exits
                    return
                self._thread = thread

    def _run(self) -> None:
        while (event := self._queue.get()) is not None:
            try:
                self._trigger(*event)
            except LogosError:
                logging.getLogger("logoscore").exception("the event %s could not be published", event[0])

    def close(self) -> None:
        """No more; what was sent is published first, within bounds."""
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is not None:
            self._queue.put(None)
            thread.join(_JOIN_SECONDS)


class Supervision:
    """Restarts modules.

    Args:
        notices: where events go.
        limits: how hard it tries.
    """

    def __init__(self, registry: Registry, lifecycle: Lifecycle, notices: Notices, limits: RestartLimits) -> None:
        self._registry = registry
        self._lifecycle = lifecycle
        self._notices = notices
        self._limits = limits
        self._lock = threading.Lock()
        self._restarts: dict[str, deque[float]] = {}  # when each module was restarted lately
        self._down: dict[str, list[str]] = {}  # who was unloaded for the restart of whom, and is to be loaded again
        self._threads: set[Thread] = set()
        self._crashes: dict[str, ModuleCrashedError] = {}  # the last of each module
        self._ending = Flag()

    def ended(self, record: ModuleRecord, status: ExitStatus) -> None:
        """A loaded module's process has ended by itself. On its watching thread: does not wait."""
        self._notices.send(MODULE_CRASHED, record.name, _report(record, status))
        error = self._crashes[record.name] = status.crash(record.name)
        if _wants_restart(record, status):
            self._schedule(record)
        else:
            self._lifecycle.brokerage.mourn(record.name, error)

    def _schedule(self, record: ModuleRecord) -> None:
        """Restart it after its pause, or give it up."""
        now = time.monotonic()
        with self._lock:
            lately = self._restarts.setdefault(record.name, deque())
            while lately and lately[0] < now - self._limits.period:
                lately.popleft()
            before = len(lately)
        with self._registry.lock:
            if self._ending.is_set() or record.state not in {CRASHED, KNOWN}:
                return  # somebody loads it already
            given_up = before >= self._limits.intensity
            if not given_up:
                lately.append(now)
            record.advance("give up" if given_up else "restart")
        if given_up:
            reason = f"{before} restarts within {self._limits.period:g} s"
            logging.getLogger("logoscore").error("module %s is given up: %s", record.name, reason)
            self._notices.send(MODULE_GAVE_UP, record.name, {"reason": reason, "last_exit": record.last_exit})
            self._lifecycle.brokerage.mourn(record.name, self._crashes[record.name])
            return
        self._start(record, self._limits.pause(before))

    def _start(self, record: ModuleRecord, pause: float) -> None:
        def run() -> None:
            try:
                if not record.left_restarting.wait(pause):
                    self._restart(record)
            finally:
                with self._lock:
                    self._threads.discard(thread)

        thread = Thread(target=run, name=f"logos-restart-{record.name}")
        with self._lock:
            self._threads.add(thread)
        thread.start()

    def _restart(self, record: ModuleRecord) -> None:
        with self._lock:
            down = self._down.setdefault(record.name, [])
        try:
            for name in self._followers(record.name):
                self._lifecycle.life.unload_one(self._registry.get(name), f"its dependency {record.name} is restarted")
                down.append(name)
            self._lifecycle.restart(record)
            while down and record.state == LOADED:  # else it has ended again, and its next restart brings them up
                self._lifecycle.load(down[-1])
                down.pop()
        except LogosError as error:
            logging.getLogger("logoscore").warning("module %s could not be restarted: %s", record.name, error)
            record.last_exit = str(error)
            if record.state != LOADED:
                self._schedule(record)

    def restarted(self, record: ModuleRecord) -> None:
        """A module that had ended by itself is loaded again, by us or by hand."""
        self._notices.send(MODULE_RESTARTED, record.name, {"restarts": record.restarts, "pid": record.pid})

    def _followers(self, name: str) -> list[str]:
        """The loaded modules that are restarted with ``name``, dependents first."""
        ordered: list[str] = []
        for dependent in self._registry.dependents(name):
            record = self._registry.get(dependent)
            if record.state == LOADED and record.spec.metadata.restart_with_dependencies:
                ordered += [each for each in [*self._followers(dependent), dependent] if each not in ordered]
        return ordered

    def end(self) -> None:
        """No more restarts: those that wait are called off, those under way end with the lifecycle."""
        self._ending.set()
        with self._registry.lock:
            for record in self._registry.records(RESTARTING):
                record.advance("unload")

    def join(self) -> None:
        """Wait for the restarts that were under way."""
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(_JOIN_SECONDS)


def _wants_restart(record: ModuleRecord, status: ExitStatus) -> bool:
    policy = record.spec.metadata.restart
    return policy == "always" or (policy == "on-failure" and (status.exit_code != 0 or status.reason is not None))


def _report(record: ModuleRecord, status: ExitStatus) -> dict[str, Any]:
    return {
        "pid": status.pid,
        "exit_code": status.exit_code,
        "signal_name": status.signal_name,
        "reason": status.reason,
        "stderr": status.stderr,
        "restart": record.spec.metadata.restart,
    }
