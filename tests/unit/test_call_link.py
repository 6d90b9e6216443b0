"""The caller's side of a channel: what whoever leads reads while others add to it."""

from __future__ import annotations

import heapq
from types import SimpleNamespace
from typing import Any

import pytest

from logoscore.session import outgoing
from logoscore.session.outgoing import CallLink
from logoscore.session.waiters import Waiter
from logoscore.transport.codec import SAFE
from logoscore.transport.frame import FOREVER


class _Future(Waiter):
    """It has no thread: whoever leads looks after its deadline."""


@pytest.fixture
def link() -> CallLink:
    channel: Any = SimpleNamespace(senders=[SimpleNamespace()], receivers=[None])
    owner: Any = None
    return CallLink(1, "peer", channel, SAFE, owner)


def test_a_leader_sees_the_earliest_deadline_also_while_old_ones_are_cleared_away(
    link: CallLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In the heap the earliest of those that still wait stands behind a later one, once the first has ended.
    for call_id, expiry in enumerate([1, 50, 2, *range(100, 160)], 1):
        link._add_expiry(expiry, call_id)
    link._pending = {2: _Future(), 3: _Future()}
    seen: list[int] = []
    heapify, heappush = heapq.heapify, heapq.heappush

    def looked_at(change: Any) -> Any:
        def changed(*args: Any) -> None:
            seen.append(link._next_look(FOREVER))
            change(*args)
            seen.append(link._next_look(FOREVER))

        return changed

    monkeypatch.setattr(
        outgoing,
        "heapq",
        SimpleNamespace(heapify=looked_at(heapify), heappush=looked_at(heappush), heappop=heapq.heappop),
    )
    before = 0
    while len(link._expiries) > before:
        before = len(link._expiries)
        link._add_expiry(1000, 1000 + before)

    assert seen
    assert max(seen) <= 2
    assert link._next_look(FOREVER) == 2
