"""The server process of a peer that has none of its own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.connection import wait
from typing import Any, Final

__all__ = ["PAYLOAD", "Server", "end_with_parent", "once_ready"]

PAYLOAD: Final = (1).to_bytes(8, "little") + (2).to_bytes(8, "little")
"""What byte echoes carry: as much as the two numbers of ``add(1, 2)`` take as machine words."""

_PATIENCE: Final = 5.0


class Server:
    """``target(*args)`` in a spawned process; a context manager that ends it.

    Args:
        ends_itself: it returns when it is time to, and has something to clean up: so it is waited for first.
    """

    def __init__(self, target: Callable[..., None], *args: Any, ends_itself: bool = False) -> None:
        self._ends_itself = ends_itself
        self._process = multiprocessing.get_context("spawn").Process(target=target, args=args)
        self._process.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        pid = self._process.pid
        if pid is None:
            raise RuntimeError("a started process has a pid")
        return pid

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        if self._ends_itself:
            self._process.join(_PATIENCE)
        self._process.terminate()  # what else it serves needs no farewell
        self._process.join(_PATIENCE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


def once_ready(stack: ExitStack, target: Callable[..., None], *args: Any) -> tuple[Server, Any]:
    """A server ``target(pipe, *args)`` that ends with ``stack``, and what it has sent through the pipe: it is ready.

    Raises:
        EOFError: it ended before it was.
    """
    near, far = multiprocessing.Pipe(duplex=False)
    with near, far:
        server = stack.enter_context(Server(target, far, *args))
        far.close()
        return server, near.recv()


def end_with_parent() -> None:
    """In a server: ignore Ctrl-C, which is its parent's to handle, and end when the parent does, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("a server is started by Server")
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        os._exit(1)

    # Parked in the kernel without the GIL, so the loop that is measured does not notice it.
    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()
