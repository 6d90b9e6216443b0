"""Qt Remote Objects, the transport of the original Logos Core, through PySide6: a slot of a typed replica, local socket."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, ClassVar, Final

from benchmarks.loops import measure
from benchmarks.peers.running import Running, WrongAnswerError
from benchmarks.peers.server import end_with_parent, once_ready

_INTERFACE: Final = "class Adder\n{\n    SLOT(int add(int a, int b));\n};\n"
_PATIENCE_MS: Final = 10_000


class QtRemoteObjects:
    """The caller waits with ``waitForFinished``, so its thread turns an event loop for each call."""

    title: ClassVar[str] = "Qt Remote Objects, PySide6: add(1, 2)"
    ours: ClassVar[bool] = False

    def unavailable(self) -> str | None:
        """It is an extra."""
        try:
            found = importlib.util.find_spec("PySide6.QtRemoteObjects")
        except ModuleNotFoundError:
            found = None
        return None if found else "QtRemoteObjects is not installed (pip install PySide6-Addons)"

    @contextmanager
    def running(self) -> Iterator[Running]:
        """The source is remoted, and the replica knows it."""
        from PySide6.QtCore import QCoreApplication, QUrl  # an extra
        from PySide6.QtRemoteObjects import QRemoteObjectNode, RepFile

        with ExitStack() as stack:
            url = "local:" + stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")) + "/qt"
            server, _ = once_ready(stack, _serve, url)
            app = QCoreApplication([])
            node = QRemoteObjectNode()
            interface = RepFile(_INTERFACE)
            replica: Any = None
            if node.connectToNode(QUrl(url)):
                replica = node.acquire(interface.replica["Adder"])
            if replica is None or not replica.waitForSource(_PATIENCE_MS):
                raise RuntimeError("Qt Remote Objects: the replica has not found its source")

            def call() -> None:
                pending = replica.add(1, 2)
                if not pending.waitForFinished(_PATIENCE_MS) or pending.returnValue() != 3:
                    raise WrongAnswerError("Qt Remote Objects: 1 + 2 is not 3")

            call()
            yield Running(callee=server.pid, measure=partial(measure, call, server.pid))
            app.shutdown()


def _serve(ready: Connection, url: str) -> None:
    end_with_parent()
    from PySide6.QtCore import QCoreApplication, QUrl  # an extra
    from PySide6.QtRemoteObjects import QRemoteObjectHost, RepFile

    app = QCoreApplication([])
    base: Any = RepFile(_INTERFACE).source["Adder"]

    class Adder(base):  # type: ignore[misc]  # Qt makes it while we run
        def add(self, a: int, b: int) -> int:
            return a + b

    source, host = Adder(), QRemoteObjectHost(QUrl(url))
    if not host.enableRemoting(source):
        raise RuntimeError("Qt Remote Objects: the source cannot be remoted")
    ready.send("listening")
    ready.close()
    app.exec()
    os._exit(0)
