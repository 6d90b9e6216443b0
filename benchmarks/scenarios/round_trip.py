"""The round trip of one small call.

    for each round                conditions drift slowly: what is compared is measured side by side
        for each variant          hot: back to back. parked: one call every few milliseconds, both sides asleep before
            for each peer         beginning with another one in each round, as the first may have it harder
                warm-up, measured calls

Every peer's two processes run from the beginning to the end; all but the one that is measured are parked.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from benchmarks.burners import burning
from benchmarks.caller import Caller, PeerFailedError, PeerUnavailableError
from benchmarks.loops import Plan
from benchmarks.machine import allowed_cpus
from benchmarks.peers import BASELINE
from benchmarks.results import PARKED, Outcome, Row, Settings

__all__ = ["NAME", "run", "steps"]

NAME: Final = "round-trip"


def steps(settings: Settings) -> int:
    """How many steps are announced."""
    return len(settings.peers) * (1 + settings.rounds * len(settings.variants))


def run(settings: Settings, progress: Callable[[str], None]) -> Outcome:
    """Measure every peer in every variant. A peer that fails is reported, and the others go on."""
    outcome = Outcome(scenario=NAME, baseline=BASELINE)
    with ExitStack() as stack:
        callers = _start(settings, outcome, stack, progress)
        if settings.busy:
            stack.enter_context(burning(allowed_cpus()))
        plans = {variant: _plan(settings, variant) for variant in settings.variants}
        rows = {
            (peer, variant): Row(peer, caller.title, variant, caller.ours)
            for variant in settings.variants
            for peer, caller in callers.items()
        }
        for number in range(settings.rounds):
            for variant, plan in plans.items():
                for peer in _rotated(list(callers), number):
                    progress(f"round {number + 1}/{settings.rounds} {variant} {peer}")
                    if peer in outcome.failed:
                        continue
                    try:
                        rows[peer, variant].samples.append(callers[peer].measure(plan))
                    except PeerFailedError as exc:
                        outcome.failed[peer] = str(exc)
                        callers[peer].close()
        # Half a peer's rounds beside all of another's would be no comparison.
        outcome.rows = [row for row in rows.values() if row.peer not in outcome.failed]
    return outcome


def _start(
    settings: Settings, outcome: Outcome, stack: ExitStack, progress: Callable[[str], None]
) -> dict[str, Caller]:
    callers = {}
    for peer in settings.peers:
        progress(f"starting {peer}")
        try:
            callers[peer] = stack.enter_context(Caller(peer))
        except PeerUnavailableError as exc:
            outcome.skipped[peer] = str(exc)
        except PeerFailedError as exc:
            outcome.failed[peer] = str(exc)
    return callers


def _plan(settings: Settings, variant: str) -> Plan:
    if variant == PARKED:
        return Plan(_ns(settings.parked_seconds), _ns(settings.parked_warmup), _ns(settings.interval))
    return Plan(_ns(settings.hot_seconds), _ns(settings.hot_warmup))


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)


def _rotated(peers: list[str], by: int) -> list[str]:
    by %= max(len(peers), 1)
    return peers[by:] + peers[:by]
