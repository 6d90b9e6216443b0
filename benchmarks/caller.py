"""One process for each peer, in which it is called and timed.

    Caller (here) ── Job ───▶ _serve (there) ─▶ job.run(running) ─▶ its server, one process below
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

from benchmarks.loops import Sample
from benchmarks.peers import Target, create
from benchmarks.peers.running import Job

__all__ = ["Caller", "PeerFailedError", "PeerUnavailableError"]

_STARTING: Final = 90.0
_ENDING: Final = 15.0
_SLACK: Final = 60.0  # seconds that a round may take longer than planned: with busy CPUs, much


class PeerUnavailableError(Exception):
    """The peer cannot be measured on this machine; the text says why."""


class PeerFailedError(Exception):
    """The peer should have worked and did not; the text says what it raised."""


class Caller:
    """A peer, being started in a process of its own. A context manager that ends it.

    Args:
        target: what to call, where the peer is a module of the user's.
    """

    def __init__(self, peer: str, target: Target | None = None) -> None:
        self.title: str
        self.ours: bool
        self.callee: int
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, peer, target), name=f"caller of {peer}")
        with theirs:
            self._process.start()

    def wait_ready(self) -> None:
        """Until it is up. Several may be started before the first is waited for.

        Raises:
            PeerUnavailableError: it cannot be measured here.
            PeerFailedError: it did not come up.
        """
        self.title, self.ours, self.callee = self._answer(_STARTING)

    @property
    def pid(self) -> int | None:
        """The process in which the peer is called."""
        return self._process.pid

    def measure(self, job: Job) -> Sample:
        """One round.

        Raises:
            PeerFailedError: the peer raised, ended, or did not answer in time.
        """
        try:
            self._connection.send(job)
        except OSError as exc:
            raise PeerFailedError(f"its caller has ended: {exc}") from exc
        sample = self._answer(job.seconds + _SLACK)
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
        self.ask_to_end()
        if self._process is None:
            return
        self._process.join(_ENDING)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()
        self._process = None  # type: ignore[assignment]  # a closed one answers nothing

    def ask_to_end(self) -> None:
        """Begin to end it. Idempotent."""
        self._connection.close()

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _serve(connection: Connection, name: str, target: Target | None) -> None:
    # Ctrl-C is for the one who started us: he closes the connection, and everybody ends in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        peer = create(name, target)
        reason = peer.unavailable()
        if reason is not None:
            connection.send(("unavailable", reason))
            return
        with peer.running() as running:
            connection.send(("ready", (peer.title, peer.ours, running.callee)))
            for job in _jobs(connection):
                connection.send(("sample", job.run(running)))
    except Exception as exc:  # noqa: BLE001 - whatever a peer raises belongs into the report
        with suppress(OSError):  # the one who started us may be gone: then nobody needs to know
            connection.send(("failed", "".join(traceback.format_exception_only(exc)).strip()))
            traceback.print_exc()


def _jobs(connection: Connection) -> Iterator[Job]:
    # Only here does an EOFError mean that we are no longer needed; a peer's own is its failure.
    with suppress(EOFError):
        while True:
            yield connection.recv()
