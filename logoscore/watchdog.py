"""Finds modules that hang: opt in with ``limits.hang_timeout`` (seconds).

    every quarter of the timeout: ask the host what runs ─▶ the same call, the same event loop standing still, or no
    answer at all, over the whole timeout ─▶ on_hung(reason)

Once something has run for half of the timeout the host is asked where its code is, too.

Rules: the host answers on its control thread, which no code of the module's runs on; silence therefore means that some
C code keeps the GIL, or that the process is stopped. What a call spends waiting for other modules does not count. Without
a module that has opted in there is no thread and no timer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from logoscore.locks import Condition, Thread

__all__ = ["Watchdog"]

_LOOKS: Final = 4  # per timeout
_SUSPECT: Final = 0.5  # of the timeout
_MAX_WHERE: Final = 1000  # characters of an answer that go into the reason
_MOST: Final = 256  # calls that are looked at: hashes of numbers can be made to collide
_JOIN_SECONDS: Final = 5.0


@dataclass(eq=False)
class _Watched:
    """One module instance."""

    name: str
    timeout: float
    on_hung: Callable[[str], None]
    next_look: float
    seen: dict[tuple[int, int, int], float] = field(default_factory=dict)  # what ran → since when we know
    where: Any = None  # where its code was when it was asked last
    asked: float | None = None  # when the question was put that is not answered yet


class Watchdog:
    """Looks at the modules that asked for it.

    Args:
        ask: ``ask(name, what, answer)`` asks a host what runs ("busy") or where its code is ("where"); ``answer(value)``
            comes later, in any thread, or never.
    """

    def __init__(self, ask: Callable[[str, str, Callable[[Any], None]], None]) -> None:
        self._ask = ask
        self._changed = Condition()
        self._watched: dict[str, _Watched] = {}
        self._thread: Thread | None = None
        self._ended = False

    def watch(self, name: str, timeout: float, on_hung: Callable[[str], None]) -> None:
        """Begin to look at a module; ``on_hung(reason)`` is called at most once, on the watchdog's thread.

        Raises:
            RuntimeError: the system has no thread left.
        """
        with self._changed:
            if self._ended:
                return
            if self._thread is None:
                thread = Thread(target=self._run, name="logos-watchdog")
                thread.start()
                self._thread = thread
            self._watched[name] = _Watched(name, timeout, on_hung, time.monotonic())
            self._changed.notify()

    def forget(self, name: str) -> None:
        """It has ended."""
        with self._changed:
            self._watched.pop(name, None)

    def close(self) -> None:
        """No more looks."""
        with self._changed:
            self._ended = True
            self._watched.clear()
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._ended:
                    return
                now = time.monotonic()
                due = [each for each in self._watched.values() if each.next_look <= now]
                if not due:
                    soonest = min((each.next_look for each in self._watched.values()), default=None)
                    self._changed.wait(None if soonest is None else soonest - now)
                    continue
            for watched in due:
                self._look(watched, now)

    def _look(self, watched: _Watched, now: float) -> None:
        watched.next_look = now + watched.timeout / _LOOKS
        if watched.asked is not None:
            if now - watched.asked >= watched.timeout:
                self._hung(
                    watched, "its host does not answer: native code holds the interpreter, or the process is stopped"
                )
            return
        watched.asked = now

        if any(now - since >= watched.timeout * _SUSPECT for since in watched.seen.values()):

            def told(where: Any) -> None:
                watched.where = where

            self._ask(watched.name, "where", told)

        def answer(keys: Any) -> None:
            self._compare(watched, keys)

        self._ask(watched.name, "busy", answer)

    def _compare(self, watched: _Watched, keys: Any) -> None:
        """The host's answer; any thread. What it says is the module's own affair: at worst it is never found hanging."""
        watched.asked = None
        running = keys[:_MOST] if isinstance(keys, list) else []
        now = time.monotonic()
        watched.seen = {key: watched.seen.get(key, now) for key in running}
        longest = max((now - since for since in watched.seen.values()), default=0.0)
        if longest >= watched.timeout:
            where = watched.where  # (a host of an older logoscore, in another interpreter, does not know)
            place = f", in {where[:_MAX_WHERE]}" if where and isinstance(where, str) else ""
            self._hung(watched, f"a call of it, or its event loop, has not come to an end for {longest:.3g} s{place}")

    def _hung(self, watched: _Watched, why: str) -> None:
        with self._changed:
            if self._watched.get(watched.name) is not watched:
                return
            del self._watched[watched.name]
        watched.on_hung(f"the watchdog found it hanging (limits.hang_timeout {watched.timeout:g} s): {why}")
