"""RPyC over a Unix socket, with its threaded server."""

from __future__ import annotations

import importlib.util
import logging
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, ClassVar, Final

from benchmarks.loops import Call, measure
from benchmarks.peers.running import Running, WrongAnswerError
from benchmarks.peers.server import end_with_parent, once_ready

_PATIENCE: Final = 30.0


class RPyC:
    """A service's method by its name, values through brine; a connection for each thread."""

    title: ClassVar[str] = "RPyC, Unix socket: add(1, 2)"
    ours: ClassVar[bool] = False

    def unavailable(self) -> str | None:
        """It is an extra."""
        if importlib.util.find_spec("rpyc") is None:
            return "RPyC is not installed (pip install rpyc)"
        return None

    @contextmanager
    def running(self) -> Iterator[Running]:
        """The server runs."""
        import rpyc  # an extra

        with ExitStack() as stack:
            path = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")) + "/rpyc"
            server, _ = once_ready(stack, _serve, path)
            connection = stack.enter_context(_connected(path))
            yield Running(
                callee=server.pid,
                measure=partial(measure, _adding(connection), server.pid),
                connect=partial(_connect, path),
                pipeline=partial(_pipeline, rpyc.async_(connection.root.add)),
            )


def _adding(connection: Any) -> Call:
    remote = connection.root.add

    def call() -> None:
        if remote(1, 2) != 3:
            raise WrongAnswerError("RPyC: 1 + 2 is not 3")

    return call


@contextmanager
def _connect(path: str) -> Iterator[Call]:
    with _connected(path) as connection:
        yield _adding(connection)


def _connected(path: str) -> Any:
    """A connection. The server is bound when it says that it is ready, and listens a moment later."""
    import rpyc  # an extra

    patience = time.monotonic() + _PATIENCE
    while True:
        try:
            return rpyc.utils.factory.unix_connect(path)
        except ConnectionRefusedError:
            if time.monotonic() > patience:
                raise
            time.sleep(0.01)


def _pipeline(remote: Any, count: int) -> None:
    under_way: deque[Any] = deque()
    for _ in range(count):
        under_way.append(remote(1, 2))
        if len(under_way) > 256:  # its answers are read by whoever waits: beyond the socket's buffers both would
            _check(under_way.popleft())
    for pending in under_way:
        _check(pending)


def _check(pending: Any) -> None:
    if pending.value != 3:
        raise WrongAnswerError("RPyC: 1 + 2 is not 3")


def _serve(ready: Connection, path: str) -> None:
    end_with_parent()
    import rpyc  # an extra
    from rpyc.utils.server import ThreadedServer

    class Adder(rpyc.Service):  # type: ignore[misc, unused-ignore]  # it is an extra
        def exposed_add(self, a: int, b: int) -> int:
            return a + b

    quiet = logging.getLogger("quiet")
    quiet.setLevel(logging.CRITICAL)
    server = ThreadedServer(Adder, socket_path=path, logger=quiet)
    ready.send("listening")
    ready.close()
    server.start()
