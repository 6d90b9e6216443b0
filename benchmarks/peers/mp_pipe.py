"""The baseline: sixteen bytes there and back through ``multiprocessing.Pipe``, between two spawned processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from typing import ClassVar

from benchmarks.loops import measure
from benchmarks.peers import Measure, WrongAnswerError
from benchmarks.peers.server import PAYLOAD, Server, end_with_parent


class Pipe:
    """``send_bytes`` and ``recv_bytes``: no pickling, no dispatch, nobody to authenticate."""

    title: ClassVar[str] = "multiprocessing.Pipe, byte echo"
    ours: ClassVar[bool] = False

    def unavailable(self) -> str | None:
        """Always there."""
        return None

    @contextmanager
    def running(self) -> Iterator[Measure]:
        """The echo runs."""
        near, far = multiprocessing.Pipe()
        with near, far, Server(_serve, far) as server:
            far.close()
            send, receive = near.send_bytes, near.recv_bytes

            def call() -> None:
                send(PAYLOAD)
                if receive() != PAYLOAD:
                    raise WrongAnswerError("multiprocessing.Pipe: this is not what was sent")

            yield partial(measure, call, server.pid)


def _serve(connection: Connection) -> None:
    end_with_parent()
    send, receive = connection.send_bytes, connection.recv_bytes
    with suppress(EOFError):
        while True:
            send(receive())
