"""Events for peers that only bring bytes: a process that publishes, and processes that subscribe.

    caller ── count ──▶ publisher ═══ count events ═══▶ subscriber × n
      ▲                                                      │ all of them are here
      └──────────────────────────────────────────────────────┘

The caller is the subscriber if there is only one: then it reads by itself.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.loops import Call
from benchmarks.peers.running import WrongAnswerError
from benchmarks.peers.server import PAYLOAD, Server, end_with_parent

__all__ = ["publishing"]

Publisher = Callable[[ExitStack, str, int], tuple[Sequence[Any], Call]]
"""In the publisher's process: with a folder, for so many subscribers: what each needs to listen, and what publishes."""

Subscriber = Callable[[ExitStack, Any], Callable[[], bytes]]
"""In a subscriber's process: with what it needs, what receives one event."""


@contextmanager
def publishing(
    subscriber: Subscriber, publisher: Publisher, subscribers: int
) -> Iterator[tuple[Callable[[int], object], list[int]]]:
    """See :attr:`benchmarks.peers.running.Running.events`."""
    with ExitStack() as stack:
        # Here, not in the publisher, which is ended by a signal.
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        control = _started(stack, _publish, publisher, folder, subscribers)
        ends = control.connection.recv()
        pids = [control.pid]
        if subscribers == 1:
            yield _reading_here(control.connection, subscriber(stack, ends[0])), pids
            return
        readers = []
        for end in ends:
            reader = _started(stack, _subscribe, subscriber, end)
            reader.connection.recv()
            readers.append(reader)
            pids.append(reader.pid)

        def publish(count: int) -> None:
            for reader in readers:
                reader.connection.send(count)
            control.connection.send(count)
            for reader in readers:
                if reader.connection.recv() != count:
                    raise WrongAnswerError("a subscriber has got something else than what was published")

        yield publish, pids


class _Started:
    def __init__(self, connection: Connection, pid: int) -> None:
        self.connection = connection
        self.pid = pid


def _started(stack: ExitStack, target: Callable[..., None], *args: Any) -> _Started:
    near, far = multiprocessing.Pipe()
    with far:
        server = stack.enter_context(Server(target, far, *args, ends_itself=True))
    stack.enter_context(near)  # closed first, at which the server ends
    return _Started(near, server.pid)


def _reading_here(control: Connection, receive: Callable[[], bytes]) -> Callable[[int], None]:
    def publish(count: int) -> None:
        control.send(count)
        for _ in range(count):
            if receive() != PAYLOAD:
                raise WrongAnswerError("this is not what was published")

    return publish


def _publish(control: Connection, publisher: Publisher, folder: str, subscribers: int) -> None:
    end_with_parent()
    with ExitStack() as stack, suppress(EOFError):
        ends, publish = publisher(stack, folder, subscribers)
        control.send(ends)
        while True:
            for _ in range(control.recv()):
                publish()


def _subscribe(control: Connection, subscriber: Subscriber, end: Any) -> None:
    end_with_parent()
    with ExitStack() as stack, suppress(EOFError):
        receive = subscriber(stack, end)
        control.send("ready")
        while True:
            count = control.recv()
            control.send(sum(receive() == PAYLOAD for _ in range(count)))
