"""pyzmq: sixteen bytes there and back, REQ to REP over ipc."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import ClassVar, Final

from benchmarks.loops import measure
from benchmarks.peers import Measure, WrongAnswerError
from benchmarks.peers.server import PAYLOAD, Server, end_with_parent

_PATIENCE_MS: Final = 30_000  # REQ would wait forever for a REP that has died


class ZeroMQ:
    """One context with its default of one I/O thread on either side."""

    title: ClassVar[str] = "pyzmq REQ/REP ipc, byte echo"
    ours: ClassVar[bool] = False

    def unavailable(self) -> str | None:
        """It is an extra."""
        if importlib.util.find_spec("zmq") is None:
            return "pyzmq is not installed (pip install pyzmq)"
        return None

    @contextmanager
    def running(self) -> Iterator[Measure]:
        """The echo runs. Its socket's name is gone as soon as both are connected."""
        import zmq  # an extra

        with zmq.Context() as context, context.socket(zmq.REQ) as request:
            request.setsockopt(zmq.LINGER, 0)
            request.setsockopt(zmq.RCVTIMEO, _PATIENCE_MS)
            send, receive = request.send, request.recv

            def call() -> None:
                send(PAYLOAD)
                if receive() != PAYLOAD:
                    raise WrongAnswerError("pyzmq: this is not what was sent")

            with ExitStack() as stack:
                with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                    address = f"ipc://{folder}/rep"
                    server = stack.enter_context(Server(_serve, address))
                    request.connect(address)
                    call()
                yield partial(measure, call, server.pid)


def _serve(address: str) -> None:
    end_with_parent()
    import zmq  # an extra

    with zmq.Context() as context, context.socket(zmq.REP) as reply:
        reply.bind(address)
        send, receive = reply.send, reply.recv
        while True:
            send(receive())
