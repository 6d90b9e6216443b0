"""pyzmq over ipc: REQ to REP, DEALER to REP when pipelined, PUB to SUB for events."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from benchmarks.loops import Call, measure
from benchmarks.peers.running import Payload, Running, WrongAnswerError, glimpse
from benchmarks.peers.server import PAYLOAD, Server, end_with_parent
from benchmarks.peers.subscribers import publishing

if TYPE_CHECKING:
    import zmq

_PATIENCE_MS: Final = 30_000  # REQ would wait forever for a REP that has died
_LARGE: Final = 2048  # bytes from which a message is taken for a payload, and only glimpsed at


class ZeroMQ:
    """One context with its default of one I/O thread on either side."""

    title: ClassVar[str] = "pyzmq, ipc: bytes"
    ours: ClassVar[bool] = False

    def unavailable(self) -> str | None:
        """It is an extra."""
        if importlib.util.find_spec("zmq") is None:
            return "pyzmq is not installed (pip install pyzmq)"
        return None

    @contextmanager
    def running(self) -> Iterator[Running]:
        """The echo runs."""
        import zmq  # an extra

        with ExitStack() as stack:
            # The folder goes last: sockets for more threads connect later.
            address = f"ipc://{stack.enter_context(tempfile.TemporaryDirectory(prefix='bench-'))}/rep"
            context = stack.enter_context(zmq.Context())
            server = stack.enter_context(Server(_serve, address))
            call = stack.enter_context(_connect(context, address))
            call()
            request = stack.enter_context(_socket(context, zmq.REQ, address))
            dealer = stack.enter_context(_socket(context, zmq.DEALER, address))
            yield Running(
                callee=server.pid,
                measure=partial(measure, call, server.pid),
                connect=partial(_connect, context, address),
                pipeline=partial(_pipeline, dealer),
                transfer=partial(_transfer, request),
                events=partial(publishing, _subscriber, _publisher),
            )


def _socket(context: zmq.Context[Any], kind: int, address: str) -> zmq.Socket[Any]:
    import zmq  # an extra

    socket: zmq.Socket[Any] = context.socket(kind)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.RCVTIMEO, _PATIENCE_MS)
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.connect(address)
    return socket


@contextmanager
def _connect(context: zmq.Context[Any], address: str) -> Iterator[Call]:
    import zmq  # an extra

    with _socket(context, zmq.REQ, address) as request:
        send, receive = request.send, request.recv

        def call() -> None:
            send(PAYLOAD)
            if receive() != PAYLOAD:
                raise WrongAnswerError("pyzmq: this is not what was sent")

        yield call


def _pipeline(dealer: zmq.Socket[Any], count: int) -> None:
    """What REQ would write, without its waiting for each answer."""
    send, receive = dealer.send_multipart, dealer.recv_multipart
    for _ in range(count):
        send((b"", PAYLOAD))
    for _ in range(count):
        if receive()[-1] != PAYLOAD:
            raise WrongAnswerError("pyzmq: this is not what was sent")


def _transfer(request: zmq.Socket[Any], size: int) -> Call:
    payload = Payload(size)

    def call() -> None:
        data, expected = payload.next()
        request.send(data, copy=False)
        if int.from_bytes(request.recv(), "little") != expected:
            raise WrongAnswerError("pyzmq: this is not what was sent")

    return call


def _serve(address: str) -> None:
    end_with_parent()
    import zmq  # an extra

    with zmq.Context() as context, context.socket(zmq.REP) as reply:
        reply.setsockopt(zmq.RCVHWM, 0)
        reply.setsockopt(zmq.SNDHWM, 0)
        reply.bind(address)
        send, receive = reply.send, reply.recv
        while True:
            message = receive()
            if len(message) < _LARGE:
                send(message)
            else:
                send(glimpse(message).to_bytes(8, "little"))


def _publisher(stack: ExitStack, folder: str, subscribers: int) -> tuple[list[str], Call]:
    """One PUB for all. It waits until each has subscribed; without a limit of messages, as PUB drops what is above it."""
    import zmq  # an extra

    context = stack.enter_context(zmq.Context())
    socket = stack.enter_context(context.socket(zmq.XPUB))
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.XPUB_VERBOSE, 1)
    socket.setsockopt(zmq.LINGER, 0)
    socket.bind(f"ipc://{folder}/pub")
    send = socket.send
    missing = [subscribers]

    def publish() -> None:
        while missing[0]:
            socket.recv()  # a subscription
            missing[0] -= 1
        send(PAYLOAD)

    return [f"ipc://{folder}/pub"] * subscribers, publish


def _subscriber(stack: ExitStack, address: str) -> Any:
    import zmq  # an extra

    context = stack.enter_context(zmq.Context())
    socket = stack.enter_context(_socket(context, zmq.SUB, address))
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    return socket.recv
