"""What is measured: one file for each peer, behind one small Protocol.

A peer lives in a caller's process of its own, so that neither its threads nor its memory burden another's, and starts
its server as a process below that. To add one: a file here, and a line in :data:`PEERS`. Files are imported by name and
only in the caller's process, so that a library that is not installed costs its own peer only.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

from benchmarks.peers.running import CALL, CONNECT, EVENTS, PIPELINE, TRANSFER, Running

__all__ = ["BASELINE", "MODULE", "OURS", "PEERS", "Entry", "Peer", "Target", "create", "library", "offering"]


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a peer's class is (``module:class``), and what it offers of :class:`Running`."""

    where: str
    offers: tuple[str, ...] = (CALL,)


@dataclass(frozen=True, slots=True)
class Target:
    """A method of a module of the user's, with arguments."""

    module: str
    method: str
    arguments: tuple[Any, ...] = ()
    plugins_dirs: tuple[str, ...] = ()


PEERS: Final = {
    "memcpy": Entry("benchmarks.peers.memcpy:Memcpy", (TRANSFER,)),
    "socketpair": Entry("benchmarks.peers.raw_socketpair:SocketPair", (CALL, TRANSFER)),
    "semaphore": Entry("benchmarks.peers.raw_semaphore:Semaphores"),
    "pipe": Entry("benchmarks.peers.mp_pipe:Pipe", (CALL, CONNECT, PIPELINE, TRANSFER, EVENTS)),
    "managers": Entry("benchmarks.peers.mp_managers:Managers", (CALL, CONNECT)),
    "pyzmq": Entry("benchmarks.peers.zeromq:ZeroMQ", (CALL, CONNECT, PIPELINE, TRANSFER, EVENTS)),
    "pyro5": Entry("benchmarks.peers.pyro:Pyro", (CALL, CONNECT)),
    "rpyc": Entry("benchmarks.peers.rpyc_service:RPyC", (CALL, CONNECT, PIPELINE)),
    "grpc": Entry("benchmarks.peers.grpc_generic:GRPC", (CALL, CONNECT, PIPELINE)),
    "iceoryx2-poll": Entry("benchmarks.peers.iceoryx:Polling"),
    "iceoryx2-wait": Entry("benchmarks.peers.iceoryx:Waiting"),
    "ray": Entry("benchmarks.peers.ray_actor:Ray", (CALL, CONNECT, PIPELINE, TRANSFER)),
    "qt": Entry("benchmarks.peers.qt_remote_objects:QtRemoteObjects"),
    "logoscore": Entry("benchmarks.peers.logos:AppToModule", (CALL, CONNECT, PIPELINE, TRANSFER, EVENTS)),
    "logoscore-modules": Entry("benchmarks.peers.logos:ModuleToModule"),
    "logoscore-numpy": Entry("benchmarks.peers.logos:Arrays", (TRANSFER,)),
    "logoscore-result": Entry("benchmarks.peers.logos:Results", (TRANSFER,)),
}
"""In the order of the report: floors, others, ours."""

MODULE: Final = "module"
"""The peer that is a module of the user's."""

BASELINE: Final = "pipe"
"""The peer that reports divide by."""

OURS: Final = "logoscore"
"""The peer that the summary is about."""

_OWN: Final = "benchmarks.peers.own_module:OwnModule"


class Peer(Protocol):
    """One way to call another process. Made in the caller's process; making it starts nothing."""

    title: ClassVar[str]
    """What the report calls it: the library, and after a colon what one call does."""

    ours: ClassVar[bool]
    """Whether it is this project: the report then says what it wins and loses against the others."""

    def unavailable(self) -> str | None:
        """Why it cannot be measured here; None if it can."""

    def running(self) -> AbstractContextManager[Running]:
        """Its server runs and is connected within this; nothing of it is left afterwards."""


def offering(feature: str) -> tuple[str, ...]:
    """The peers that offer it."""
    return tuple(name for name, entry in PEERS.items() if feature in entry.offers)


def library(title: str) -> str:
    """The title without what one call does, for when something else is measured."""
    return title.partition(":")[0]


def create(name: str, target: Target | None = None) -> Peer:
    """The peer of that name.

    Args:
        target: the user's module, where ``name`` is :data:`MODULE`.
    """
    module, _, attribute = (_OWN if name == MODULE else PEERS[name].where).partition(":")
    make: Callable[..., Peer] = getattr(importlib.import_module(module), attribute)
    return make(target) if name == MODULE else make()
