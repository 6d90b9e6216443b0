"""Peers times cells, in interleaved rounds: how most scenarios are measured.

    for each round                conditions drift slowly: what is compared is measured side by side
        for each cell             a variant: what each peer is asked to do
            for each peer         beginning with another one in each round, as the first may have it harder
                warm-up, measured operations

Every peer's two processes run from the beginning to the end; all but the one that is measured are parked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

from benchmarks.burners import burning
from benchmarks.caller import Caller, PeerFailedError, PeerUnavailableError
from benchmarks.machine import allowed_cpus, pinned
from benchmarks.peers import MODULE, PEERS, library
from benchmarks.peers.running import CALL, CONNECT, Job
from benchmarks.results import LATENCY, Outcome, Row, Settings

__all__ = ["Cell", "Progress", "chosen", "ns", "run", "started", "steps"]

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Cell:
    """One variant: a job for every peer. ``rounds`` caps how often, where once is long."""

    variant: str
    job: Job
    kind: str = LATENCY
    x: float | None = None
    rounds: int | None = None


def ns(seconds: float) -> int:
    """Seconds as whole nanoseconds."""
    return int(seconds * 1e9)


def chosen(settings: Settings, feature: str) -> list[str]:
    """The peers that were asked for and offer this, in the order of the report. The user's module offers calls."""
    peers = [name for name in PEERS if name in settings.peers and feature in PEERS[name].offers]
    return [*peers, MODULE] if settings.target is not None and feature in (CALL, CONNECT) else peers


def steps(settings: Settings, feature: str, cells: Sequence[Cell]) -> int:
    """How many steps are announced."""
    peers = len(chosen(settings, feature))
    return peers + sum(peers * _rounds(settings, cell) for cell in cells)


def run(
    name: str,
    settings: Settings,
    feature: str,
    cells: Sequence[Cell],
    progress: Progress,
    *,
    busy: bool = False,
    one_cpu: bool = False,
) -> Outcome:
    """Measure every peer in every cell. A peer that fails is reported, and the others go on."""
    outcome = Outcome(name)
    with pinned() if one_cpu else nullcontext(), ExitStack() as stack:
        callers = stack.enter_context(started(chosen(settings, feature), settings, outcome, progress))
        if busy:
            stack.enter_context(burning(allowed_cpus()))
        rows = {
            (peer, cell.variant): Row(
                peer, _title(caller, feature), cell.variant, caller.ours, kind=cell.kind, x=cell.x
            )
            for cell in cells
            for peer, caller in callers.items()
        }
        for number in range(settings.rounds):
            for cell in cells:
                if number >= _rounds(settings, cell):
                    continue
                for peer in rotated(list(callers), number):
                    progress(f"round {number + 1}/{settings.rounds} {cell.variant} {peer}")
                    if peer in outcome.failed:
                        continue
                    try:
                        rows[peer, cell.variant].samples.append(callers[peer].measure(cell.job))
                    except PeerFailedError as exc:
                        outcome.failed[peer] = f"{cell.variant}: {exc}"
                        callers[peer].close()
        # Half a peer's rounds beside all of another's would be no comparison.
        outcome.rows = [row for row in rows.values() if row.peer not in outcome.failed and row.samples]
    return outcome


@contextmanager
def started(
    peers: Sequence[str], settings: Settings, outcome: Outcome, progress: Progress
) -> Iterator[dict[str, Caller]]:
    """All of them come up at once, and end at once. Those that cannot be, or failed, are noted in ``outcome``."""
    with ExitStack() as stack:
        starting = {peer: stack.enter_context(Caller(peer, settings.target)) for peer in peers}
        callers = {}
        for peer, caller in starting.items():
            progress(f"starting {peer}")
            try:
                caller.wait_ready()
            except PeerUnavailableError as exc:
                outcome.skipped[peer] = str(exc)
            except PeerFailedError as exc:
                outcome.failed[peer] = str(exc)
            else:
                callers[peer] = caller
                continue
            caller.close()
        try:
            yield callers
        finally:
            for caller in callers.values():
                caller.ask_to_end()


def rotated(peers: list[str], by: int) -> list[str]:
    """Beginning with another one each time."""
    by %= max(len(peers), 1)
    return peers[by:] + peers[:by]


def _title(caller: Caller, feature: str) -> str:
    return caller.title if feature in (CALL, CONNECT) else library(caller.title)


def _rounds(settings: Settings, cell: Cell) -> int:
    return settings.rounds if cell.rounds is None else min(settings.rounds, cell.rounds)
