"""A floor for large payloads: one copy from memory to memory, within one process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from benchmarks.loops import Call
from benchmarks.peers.running import Payload, Running, WrongAnswerError, glimpse


class Memcpy:
    """Into memory that has been used before, as it would be into a recycled buffer."""

    title: ClassVar[str] = "floor, memcpy into used memory"
    ours: ClassVar[bool] = False

    def unavailable(self) -> str | None:
        """Always there."""
        return None

    @contextmanager
    def running(self) -> Iterator[Running]:
        """Nothing has to run."""
        yield Running(callee=os.getpid(), transfer=_transfer)


def _transfer(size: int) -> Call:
    payload, target = Payload(size), memoryview(bytearray(size))
    target[:] = bytes(size)  # what was never written has no pages yet

    def call() -> None:
        data, expected = payload.next()
        target[:] = data
        if glimpse(target) != expected:
            raise WrongAnswerError("memcpy: this is not what was copied")

    return call
