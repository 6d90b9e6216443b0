"""A future of ``concurrent.futures`` that costs little until somebody waits for it."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from typing import Any, Final

from logoscore.locks import Condition

__all__ = ["QuietFuture"]

_PENDING: Final = "PENDING"
_FINISHED: Final = "FINISHED"

#: Held for a few instructions. Reentrant, because a signal handler, or a finalizer, may use a future while we do.
_making = threading.RLock()


def _after_fork_in_child() -> None:
    global _making
    _making = threading.RLock()  # a thread of the parent's may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


class QuietFuture(Future[Any]):
    """Makes its condition, which is most of a future's cost, when somebody asks for it: to wait, to add a callback.

    Most futures of a long row of calls have their result before anybody looks at them. Uses the attributes of
    ``concurrent.futures.Future`` that its own executors use; ``tests/unit/test_quiet_future.py`` holds it against the
    original on every Python.
    """

    def __init__(self) -> None:
        # Not super().__init__(), which makes the condition.
        self._state = _PENDING
        self._result = None
        self._exception = None
        self._waiters = []
        self._done_callbacks: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        """Called for what the object does not have: its condition, the first time."""
        if name != "_condition":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        with _making:
            return self.__dict__.setdefault(name, Condition())

    def settle(self, value: Any) -> None:
        """``set_result``, at little cost where nobody has looked yet. Raises what that does."""
        with _making:
            if "_condition" not in self.__dict__ and self._state == _PENDING:
                self._result = value
                self._state = _FINISHED
                return
        self.set_result(value)
