"""Work along a graph: what needs nothing that is missing is done at once, side by side; the rest when its needs are met.

    take ─▶ work ─▶ done ─▶ whose needs are met now? ─▶ one is taken here, each other one by a thread of its own

Rules: the caller's thread works too, so a chain without branches costs no thread. The first failure ends it: nothing new is
begun, what is under way is called off, and the failure is raised when all of it has ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Final

from logoscore.locks import Condition, Thread

__all__ = ["Work"]

_LOOK_SECONDS: Final = 1.0


class Work:
    """One run through a graph.

    Args:
        order: everything that is to be done, needs before who needs them.
        needs: of each; those that are not in ``order`` are met.
        do: does one thing; called on several threads.
        call_off: called, once there is a failure, with what is under way.
        at_once: how many things are done side by side.
    """

    def __init__(
        self,
        order: Sequence[str],
        needs: Mapping[str, Collection[str]],
        do: Callable[[str], None],
        call_off: Callable[[str], None],
        at_once: int,
    ) -> None:
        self._do = do
        self._call_off = call_off
        self._at_once = at_once
        self._changed = Condition()
        self._missing = {name: set(needs[name]) & set(order) for name in order}
        self._waiting_for: dict[str, list[str]] = {}
        for name, missing in self._missing.items():
            for need in missing:
                self._waiting_for.setdefault(need, []).append(name)
        self._ready = deque(name for name in order if not self._missing[name])
        self._running: set[str] = set()
        self._workers = 1  # who works or is about to; the caller's thread always counts
        self._threads: list[Thread] = []
        self._own: str | None = None  # what the caller's thread has taken
        self._failure: BaseException | None = None

    def run(self) -> None:
        """Do all of it. Raises what the first failure was."""
        while True:
            try:
                self._work(helps=False)
                if self._wait_for_others():
                    break
            except BaseException as exc:  # noqa: BLE001 - Ctrl-C, or what another signal handler raises
                self._fail(exc, self._own)
        for thread in self._threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def _wait_for_others(self) -> bool:
        """Whether everything has ended; False if there is something to do for this thread."""
        with self._changed:
            while True:  # (not "while condition": see locks.py)
                if not self._running:
                    break
                if self._ready and self._failure is None:
                    return False
                self._changed.wait(_LOOK_SECONDS)
            return not self._ready or self._failure is not None

    def _work(self, *, helps: bool) -> None:
        while (name := self._take(helps=helps)) is not None:
            try:
                self._do(name)
            except BaseException as exc:  # noqa: BLE001 - it is raised where the work was asked for
                self._fail(exc, name)
            else:
                self._finish(name)

    def _take(self, *, helps: bool) -> str | None:
        with self._changed:
            if self._failure is not None or not self._ready:
                self._workers -= helps
                return None
            name = self._ready.popleft()
            if not helps:
                self._own = name
            self._running.add(name)
            idle = self._workers - len(self._running)
            wanted = min(len(self._ready) - idle, self._at_once - self._workers)
            self._workers += max(wanted, 0)
        for _ in range(wanted):
            self._start_helper()
        return name

    def _start_helper(self) -> None:
        thread = Thread(target=partial(self._work, helps=True), name="logos-load")
        try:
            thread.start()
        except RuntimeError:  # no thread is to be had: those that there are do it all
            with self._changed:
                self._workers -= 1
        else:
            self._threads.append(thread)

    def _finish(self, name: str) -> None:
        with self._changed:
            self._running.discard(name)
            for other in self._waiting_for.get(name, ()):
                self._missing[other].discard(name)
                if not self._missing[other]:
                    self._ready.append(other)
            self._changed.notify_all()

    def _fail(self, failure: BaseException, name: str | None = None) -> None:
        with self._changed:
            if name is not None:
                self._running.discard(name)
            first = self._failure is None
            if first:
                self._failure = failure
            under_way = list(self._running)
            self._changed.notify_all()
        if first:
            for each in under_way:
                self._call_off(each)
