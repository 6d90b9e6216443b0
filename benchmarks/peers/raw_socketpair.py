"""A floor: bytes there and back through a socketpair, with nothing but the system calls."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import ClassVar, Final

from benchmarks.loops import Call, measure
from benchmarks.peers.running import Payload, Running, WrongAnswerError, glimpse
from benchmarks.peers.server import PAYLOAD, Server, end_with_parent

_SIZE: Final = len(PAYLOAD)
_LARGE: Final = b"L"  # the first byte of a message of 16 that announces a large payload; the rest is its length


class SocketPair:
    """Two ends of an ``AF_UNIX`` stream; a small message arrives in one piece."""

    title: ClassVar[str] = "floor, socketpair: bytes"
    ours: ClassVar[bool] = False

    def unavailable(self) -> str | None:
        """Always there."""
        return None

    @contextmanager
    def running(self) -> Iterator[Running]:
        """The echo runs."""
        near, far = socket.socketpair()
        with near, far, Server(_serve, far) as server:
            far.close()
            number, read, write = near.fileno(), os.read, os.write

            def call() -> None:
                write(number, PAYLOAD)
                if read(number, _SIZE) != PAYLOAD:
                    raise WrongAnswerError("socketpair: this is not what was sent")

            yield Running(
                callee=server.pid, measure=partial(measure, call, server.pid), transfer=partial(_transfer, near)
            )


def _transfer(stream: socket.socket, size: int) -> Call:
    payload, head = Payload(size), _LARGE + size.to_bytes(_SIZE - 1, "little")

    def call() -> None:
        data, expected = payload.next()
        stream.sendall(head)
        stream.sendall(data)
        if int.from_bytes(stream.recv(_SIZE), "little") != expected:
            raise WrongAnswerError("socketpair: this is not what was sent")

    return call


def _serve(stream: socket.socket) -> None:
    end_with_parent()
    number, read, write = stream.fileno(), os.read, os.write
    buffer = bytearray()
    while received := read(number, _SIZE):
        if received[:1] != _LARGE:
            write(number, received)
            continue
        size = int.from_bytes(received[1:], "little")
        if len(buffer) != size:
            buffer = bytearray(size)
        view = memoryview(buffer)
        at = 0
        while at < size:
            at += stream.recv_into(view[at:])
        write(number, glimpse(view).to_bytes(_SIZE, "little"))
