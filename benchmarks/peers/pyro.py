"""Pyro5 over a Unix socket, with its default serializer."""

from __future__ import annotations

import importlib.util
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, ClassVar

from benchmarks.loops import Call, measure
from benchmarks.peers.running import Running, WrongAnswerError
from benchmarks.peers.server import end_with_parent, once_ready


class Pyro:
    """A method by its name, values through serpent; a proxy for each thread, as a proxy belongs to one."""

    title: ClassVar[str] = "Pyro5, Unix socket: add(1, 2)"
    ours: ClassVar[bool] = False

    def unavailable(self) -> str | None:
        """It is an extra."""
        if importlib.util.find_spec("Pyro5") is None:
            return "Pyro5 is not installed (pip install Pyro5)"
        return None

    @contextmanager
    def running(self) -> Iterator[Running]:
        """The daemon runs."""
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
            server, uri = once_ready(stack, _serve, f"{folder}/pyro")
            call = stack.enter_context(_connect(uri))
            call()
            yield Running(callee=server.pid, measure=partial(measure, call, server.pid), connect=partial(_connect, uri))


@contextmanager
def _connect(uri: str) -> Iterator[Call]:
    import Pyro5.api  # an extra

    with Pyro5.api.Proxy(uri) as proxy:

        def call() -> None:
            if proxy.add(1, 2) != 3:
                raise WrongAnswerError("Pyro5: 1 + 2 is not 3")

        owner = threading.get_ident()

        def claiming() -> None:
            nonlocal owner
            if owner != threading.get_ident():  # a proxy belongs to one thread: whoever uses it next must claim it
                proxy._pyroClaimOwnership()
                owner = threading.get_ident()
            call()

        try:
            yield claiming
        finally:
            proxy._pyroClaimOwnership()


def _serve(ready: Connection, path: str) -> None:
    end_with_parent()
    import Pyro5.api  # an extra

    class Adder:
        def add(self, a: int, b: int) -> int:
            return a + b

    exposed: Any = Pyro5.api.expose(Adder)
    with Pyro5.api.Daemon(unixsocket=path) as daemon:
        ready.send(str(daemon.register(exposed(), objectId="adder")))
        ready.close()
        daemon.requestLoop()
