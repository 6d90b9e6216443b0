"""The thread that starts all hosts of a core."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

from logoscore.locks import Thread
from logoscore.session.future import QuietFuture

__all__ = ["Spawner"]


class Spawner:
    """Runs jobs on one thread that lives as long as the core.

    On Linux a host is killed when the *thread* that started it ends (PR_SET_PDEATHSIG), so hosts are never started by
    whichever thread happens to call ``load_plugin``.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[QuietFuture, Callable[[], Any]] | None] = queue.SimpleQueue()
        self._thread = Thread(target=self._run, name="logos-spawner")
        self._thread.start()

    @property
    def native_id(self) -> int:
        """The system's number of that thread, from which hosts inherit what is a thread's."""
        return self._thread.native_id or 0

    def run(self, job: Callable[[], Any]) -> Any:
        """Run ``job`` on that thread; returns or raises what it does."""
        future = QuietFuture()
        self._jobs.put((future, job))
        return future.result()

    def _run(self) -> None:
        while (entry := self._jobs.get()) is not None:
            future, job = entry
            try:
                future.set_result(job())
            except BaseException as exc:  # noqa: BLE001 - it is raised where the job was given
                future.set_exception(exc)

    def close(self) -> None:
        """End the thread. Every host that it started must have ended."""
        self._jobs.put(None)
        self._thread.join()
