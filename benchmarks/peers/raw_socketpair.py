"""A floor: sixteen bytes there and back through a socketpair, with nothing but ``os.read`` and ``os.write``."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import ClassVar

from benchmarks.loops import measure
from benchmarks.peers import Measure, WrongAnswerError
from benchmarks.peers.server import PAYLOAD, Server, end_with_parent

_SIZE = len(PAYLOAD)


class SocketPair:
    """Two ends of an ``AF_UNIX`` stream; a message is small enough to arrive in one piece."""

    title: ClassVar[str] = "raw socketpair, byte echo (floor)"
    ours: ClassVar[bool] = False

    def unavailable(self) -> str | None:
        """Always there."""
        return None

    @contextmanager
    def running(self) -> Iterator[Measure]:
        """The echo runs."""
        near, far = socket.socketpair()
        with near, far, Server(_serve, far) as server:
            far.close()
            number, read, write = near.fileno(), os.read, os.write

            def call() -> None:
                write(number, PAYLOAD)
                if read(number, _SIZE) != PAYLOAD:
                    raise WrongAnswerError("socketpair: this is not what was sent")

            yield partial(measure, call, server.pid)


def _serve(stream: socket.socket) -> None:
    end_with_parent()
    number, read, write = stream.fileno(), os.read, os.write
    while received := read(number, _SIZE):
        write(number, received)
