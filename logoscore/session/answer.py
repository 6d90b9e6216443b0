"""A party's request to the core that is under way."""

from __future__ import annotations

import threading
from typing import Any

from logoscore.errors import LogosError
from logoscore.locks import Flag
from logoscore.session.deadlines import seconds_left
from logoscore.transport.frame import FOREVER

__all__ = ["Answer"]


class Answer:
    """What the core says to it: ``value``, or ``error``, once it is settled."""

    def __init__(self) -> None:
        self._settled = Flag()
        self.value: Any = None
        self.error: LogosError | None = None

    def settle(self, value: Any, error: LogosError | None = None) -> None:
        """It has come. On the control thread: this must not wait."""
        self.value, self.error = value, error
        self._settled.set()

    def wait(self, deadline: int) -> bool:
        """Wait for it; False if ``deadline`` passed first."""
        return self._settled.wait(None if deadline >= FOREVER else min(seconds_left(deadline), threading.TIMEOUT_MAX))
