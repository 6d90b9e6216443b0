"""The module ``audience``: knows of the others only what it hears.

Its metadata lists them under ``calls``, not ``dependencies``: it may reach them, and need not wait for them to be
loaded. The app loads it first, so that it misses nothing. ``"concurrency": "multi"`` lets events come in while
``heard`` waits.
"""

from __future__ import annotations

import threading
from collections import Counter

from logos_code_search.member import Member

from logoscore import Event, LogosAPI, invokable


class Audience(Member):
    """Counts events by publisher and name."""

    def init_logos(self, api: LogosAPI) -> None:
        super().init_logos(api)
        self._heard: dict[str, Counter[str]] = {module: Counter() for module in ("walker", "index", "query")}
        self._changed = threading.Condition()
        for module in self._heard:
            api.on_event(module, None, self._count)  # None: whatever its name. The module need not be there yet

    def _count(self, event: Event) -> None:
        with self._changed:
            self._heard[event.module][event.name] += 1
            self._changed.notify_all()

    @invokable
    def heard(self, expected: dict[str, int], timeout: float) -> dict[str, dict[str, int]]:
        """What was heard, by module and event; waits ``timeout`` seconds at most for ``expected`` many of a module.

        Events are not calls: ``trigger`` returns before everybody has heard it, so the last may still be on their way.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: all(self._heard[module].total() >= count for module, count in expected.items()), timeout
            )
            return {module: dict(counts) for module, counts in self._heard.items()}
