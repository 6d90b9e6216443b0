"""What is measured: one file for each peer, behind one small Protocol.

A peer lives in a caller's process of its own, so that neither its threads nor its memory burden another's, and starts
its server as a process below that. To add one: a file here, and a line in :data:`PEERS`. Files are imported by name and
only in the caller's process, so that a library that is not installed costs its own peer only.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import ClassVar, Final, Protocol

from benchmarks.loops import Plan, Sample

__all__ = ["BASELINE", "PEERS", "Measure", "Peer", "WrongAnswerError", "create"]

PEERS: Final = {
    "socketpair": "benchmarks.peers.raw_socketpair:SocketPair",
    "pipe": "benchmarks.peers.mp_pipe:Pipe",
    "pyzmq": "benchmarks.peers.zeromq:ZeroMQ",
    "logoscore": "benchmarks.peers.logos:AppToModule",
    "logoscore-modules": "benchmarks.peers.logos:ModuleToModule",
}
"""Name to ``module:class``, in the order of the report: floors, others, ours."""

BASELINE: Final = "pipe"
"""The peer that the report divides by."""


Measure = Callable[[Plan], Sample]
"""One round. The payload is written by the caller, read and answered by the server, and the answer checked."""


class Peer(Protocol):
    """One way to call another process. Made in the caller's process; making it starts nothing."""

    title: ClassVar[str]
    """What the report calls it: the library, and what exactly is done with it."""

    ours: ClassVar[bool]
    """Whether it is this project: the report then says what it wins and loses against the others."""

    def unavailable(self) -> str | None:
        """Why it cannot be measured here; None if it can."""

    def running(self) -> AbstractContextManager[Measure]:
        """Its server runs and is connected within this; nothing of it is left afterwards."""


class WrongAnswerError(Exception):
    """A peer answered something else than what was asked."""


def create(name: str) -> Peer:
    """The peer of that name."""
    module, _, attribute = PEERS[name].partition(":")
    peer: Peer = getattr(importlib.import_module(module), attribute)()
    return peer
