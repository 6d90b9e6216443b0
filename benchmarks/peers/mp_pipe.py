"""The baseline: bytes there and back through ``multiprocessing.Pipe``, between two spawned processes."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from typing import ClassVar, Final

from benchmarks.loops import Call, measure
from benchmarks.peers.running import Payload, Running, WrongAnswerError, glimpse
from benchmarks.peers.server import PAYLOAD, Server, end_with_parent
from benchmarks.peers.subscribers import publishing

_WINDOW: Final = 256
"""Messages under way at once when pipelined: few enough that neither side's buffer is ever full."""


class Pipe:
    """``send_bytes`` and ``recv_bytes``: no pickling, no dispatch, nobody to authenticate."""

    title: ClassVar[str] = "multiprocessing.Pipe: bytes"
    ours: ClassVar[bool] = False

    def unavailable(self) -> str | None:
        """Always there."""
        return None

    @contextmanager
    def running(self) -> Iterator[Running]:
        """The echo runs."""
        near, far = multiprocessing.Pipe()
        with near, far, Server(_serve, far) as server:
            far.close()
            yield Running(
                callee=server.pid,
                measure=partial(measure, _echo(near), server.pid),
                connect=partial(_connect, near, threading.Lock()),
                pipeline=partial(_pipeline, near),
                transfer=partial(_transfer, near),
                events=partial(publishing, _subscriber, _publisher),
            )


def _echo(connection: Connection) -> Call:
    send, receive = connection.send_bytes, connection.recv_bytes

    def call() -> None:
        send(PAYLOAD)
        if receive() != PAYLOAD:
            raise WrongAnswerError("multiprocessing.Pipe: this is not what was sent")

    return call


@contextmanager
def _connect(control: Connection, lock: threading.Lock) -> Iterator[Call]:
    """A pipe for each thread, and a thread for each pipe."""
    near, far = multiprocessing.Pipe()
    with near, far:
        with lock:
            control.send_bytes(b"connect")
            control.send(far)
            control.recv_bytes()
        far.close()
        yield _echo(near)


def _pipeline(connection: Connection, count: int) -> None:
    send, receive = connection.send_bytes, connection.recv_bytes
    under_way = min(count, _WINDOW)
    for _ in range(under_way):
        send(PAYLOAD)
    for number in range(count):
        if receive() != PAYLOAD:
            raise WrongAnswerError("multiprocessing.Pipe: this is not what was sent")
        if number < count - under_way:
            send(PAYLOAD)


def _transfer(connection: Connection, size: int) -> Call:
    payload = Payload(size)

    def call() -> None:
        data, expected = payload.next()
        connection.send_bytes(b"take")
        connection.send_bytes(data)
        if int.from_bytes(connection.recv_bytes(), "little") != expected:
            raise WrongAnswerError("multiprocessing.Pipe: this is not what was sent")

    return call


def _serve(connection: Connection) -> None:
    end_with_parent()
    send, receive = connection.send_bytes, connection.recv_bytes
    with suppress(EOFError):
        while True:
            message = receive()
            if message == PAYLOAD:
                send(message)
            elif message == b"take":
                send(glimpse(receive()).to_bytes(8, "little"))
            else:
                threading.Thread(target=_serve_thread, args=(connection.recv(),), daemon=True).start()
                send(b"connected")


def _serve_thread(connection: Connection) -> None:
    send, receive = connection.send_bytes, connection.recv_bytes
    with connection, suppress(EOFError, OSError):
        while True:
            send(receive())


def _publisher(stack: ExitStack, _: str, subscribers: int) -> tuple[list[Connection], Call]:
    """One pipe for each; every event is written into each."""
    pairs = [multiprocessing.Pipe(duplex=False) for _ in range(subscribers)]
    for near, far in pairs:
        stack.enter_context(near)
        stack.enter_context(far)
    sends = [far.send_bytes for _, far in pairs]

    def publish() -> None:
        for send in sends:
            send(PAYLOAD)

    return [near for near, _ in pairs], publish


def _subscriber(stack: ExitStack, end: Connection) -> Callable[[], bytes]:
    stack.enter_context(end)
    return end.recv_bytes
