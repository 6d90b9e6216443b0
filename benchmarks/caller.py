"""One process for each peer, in which it is called and timed.

    Caller (here) ── Plan ──▶ _serve (there) ─▶ peer.measure ─▶ its server, one process below
                 ◀─ Sample ──

Rules: peers are measured one at a time, and the others are parked meanwhile. Every wait has three ends: answer,
deadline, death. When the connection closes, whatever closed it, the caller's process ends its peer and then itself.
"""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Final

from benchmarks.loops import Plan, Sample
from benchmarks.peers import create

__all__ = ["Caller", "PeerFailedError", "PeerUnavailableError"]

_STARTING: Final = 60.0
_ENDING: Final = 15.0
_SLACK: Final = 60.0  # seconds that a round may take longer than planned: with busy CPUs, much


class PeerUnavailableError(Exception):
    """The peer cannot be measured on this machine; the text says why."""


class PeerFailedError(Exception):
    """The peer should have worked and did not; the text says what it raised."""


class Caller:
    """A peer, started in a process of its own. A context manager that ends it.

    Raises:
        PeerUnavailableError: it cannot be measured here.
        PeerFailedError: it did not come up.
    """

    def __init__(self, peer: str) -> None:
        self.title: str
        self.ours: bool
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, peer), name=f"caller of {peer}")
        with theirs:
            self._process.start()
        try:
            self.title, self.ours = self._answer(_STARTING)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int | None:
        """The process in which the peer is called."""
        return self._process.pid

    def measure(self, plan: Plan) -> Sample:
        """One round.

        Raises:
            PeerFailedError: the peer raised, ended, or did not answer in time.
        """
        try:
            self._connection.send(plan)
        except OSError as exc:
            raise PeerFailedError(f"its caller has ended: {exc}") from exc
        sample = self._answer((plan.warmup_ns + plan.duration_ns) / 1e9 + _SLACK)
        assert isinstance(sample, Sample)
        return sample

    def _answer(self, timeout: float) -> Any:
        if not wait([self._connection, self._process.sentinel], timeout):
            raise PeerFailedError(f"no answer within {timeout:.0f} s")
        try:
            kind, value = self._connection.recv()
        except (EOFError, OSError):
            self._process.join(_ENDING)
            raise PeerFailedError(f"its caller has ended with exit code {self._process.exitcode}") from None
        if kind == "unavailable":
            raise PeerUnavailableError(value)
        if kind == "failed":
            raise PeerFailedError(value)
        return value

    def close(self) -> None:
        """End the peer and its process. Idempotent."""
        if self._connection.closed:
            return
        self._connection.close()
        self._process.join(_ENDING)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _serve(connection: Connection, name: str) -> None:
    # Ctrl-C is for the one who started us: he closes the connection, and everybody ends in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        peer = create(name)
        reason = peer.unavailable()
        if reason is not None:
            connection.send(("unavailable", reason))
            return
        with peer.running() as measure:
            connection.send(("ready", (peer.title, peer.ours)))
            for plan in _plans(connection):
                connection.send(("sample", measure(plan)))
    except Exception as exc:  # noqa: BLE001 - whatever a peer raises belongs into the report
        with suppress(OSError):  # the one who started us may be gone: then nobody needs to know
            connection.send(("failed", "".join(traceback.format_exception_only(exc)).strip()))
            traceback.print_exc()


def _plans(connection: Connection) -> Iterator[Plan]:
    # Only here does an EOFError mean that we are no longer needed; a peer's own is its failure.
    with suppress(EOFError):
        while True:
            yield connection.recv()
