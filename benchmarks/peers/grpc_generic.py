"""gRPC over a Unix socket: a unary call whose message is two (back: one) 64-bit numbers, packed by ``struct``.

There is no protobuf in it, which would only add to it.
"""

from __future__ import annotations

import importlib.util
import struct
import tempfile
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, ClassVar, Final

from benchmarks.loops import Call, measure
from benchmarks.peers.running import Running, WrongAnswerError, same
from benchmarks.peers.server import end_with_parent, once_ready

_TWO: Final = struct.Struct("<qq")
_ONE: Final = struct.Struct("<q")
_PATIENCE: Final = 30.0
_WINDOW: Final = 256  # calls under way at once: with 2000, some were cancelled


class GRPC:
    """A generic handler, a pool of four threads in the server, one channel for all threads of the client."""

    title: ClassVar[str] = "gRPC, Unix socket: add(1, 2), struct"
    ours: ClassVar[bool] = False

    def unavailable(self) -> str | None:
        """It is an extra."""
        if importlib.util.find_spec("grpc") is None:
            return "gRPC is not installed (pip install grpcio)"
        return None

    @contextmanager
    def running(self) -> Iterator[Running]:
        """The server runs."""
        import grpc  # an extra

        with ExitStack() as stack:
            address = "unix:" + stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")) + "/grpc"
            server, _ = once_ready(stack, _serve, address)
            channel = stack.enter_context(grpc.insecure_channel(address))
            add = channel.unary_unary(
                "/bench.Adder/Add",
                request_serializer=lambda numbers: _TWO.pack(*numbers),
                response_deserializer=lambda data: _ONE.unpack(data)[0],
            )
            call = _adding(add)
            call()
            yield Running(
                callee=server.pid,
                measure=partial(measure, call, server.pid),
                connect=partial(same, call),
                pipeline=partial(_pipeline, add),
            )


def _adding(add: Any) -> Call:
    def call() -> None:
        _check(add((1, 2), timeout=_PATIENCE))

    return call


def _pipeline(add: Any, count: int) -> None:
    under_way: deque[Any] = deque()
    for _ in range(count):
        under_way.append(add.future((1, 2), timeout=_PATIENCE))
        if len(under_way) > _WINDOW:
            _check(under_way.popleft().result())
    for pending in under_way:
        _check(pending.result())


def _check(answer: int) -> None:
    if answer != 3:
        raise WrongAnswerError("gRPC: 1 + 2 is not 3")


def _serve(ready: Connection, address: str) -> None:
    end_with_parent()
    import grpc  # an extra

    def add(numbers: tuple[int, int], _: Any) -> int:
        return numbers[0] + numbers[1]

    handler = grpc.unary_unary_rpc_method_handler(
        add, request_deserializer=_TWO.unpack, response_serializer=lambda number: _ONE.pack(number)
    )
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Adder", {"Add": handler}),))
    server.add_insecure_port(address)
    server.start()
    ready.send("listening")
    ready.close()
    server.wait_for_termination()
