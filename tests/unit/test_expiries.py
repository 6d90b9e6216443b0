"""Deadlines of those who wait without a thread: what whoever leads reads while others add to them."""

from __future__ import annotations

import heapq
from types import SimpleNamespace
from typing import Any

import pytest

from logoscore.session import expiries as module
from logoscore.session.expiries import Expiries
from logoscore.transport.frame import FOREVER


def test_a_leader_sees_the_earliest_deadline_also_while_old_ones_are_cleared_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pending = {1: None, 2: None, 3: None}
    expiries = Expiries(pending)
    # In the heap the earliest of those that still wait stands behind a later one, once the first has ended.
    for call_id, expiry in enumerate([1, 50, 2, *range(100, 160)], 1):
        expiries.add(expiry, call_id)
    del pending[1]
    seen: list[int] = []
    heapify, heappush = heapq.heapify, heapq.heappush

    def looked_at(change: Any) -> Any:
        def changed(*args: Any) -> None:
            seen.append(expiries.first())
            change(*args)
            seen.append(expiries.first())

        return changed

    monkeypatch.setattr(
        module,
        "heapq",
        SimpleNamespace(heapify=looked_at(heapify), heappush=looked_at(heappush), heappop=heapq.heappop),
    )
    before = 0
    while len(expiries.heap) > before:
        before = len(expiries.heap)
        expiries.add(1000, 1000 + before)

    assert seen
    assert max(seen) <= 2
    assert expiries.first() == 2


def test_those_whose_time_has_come_are_named_once() -> None:
    expiries = Expiries({1: None, 2: None, 3: None})
    for call_id, expiry in ((1, 30), (2, 10), (3, 20)):
        expiries.add(expiry, call_id)

    assert expiries.take_due(20) == [2, 3]
    assert expiries.take_due(20) == []
    assert expiries.first() == 30
    assert expiries.take_due(30) == [1]
    assert expiries.first() == FOREVER
