"""The lead of a channel: a lock that is taken without a call, and handed to whoever waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from helpers import beside, wait_until
from interrupts import strike

from logoscore.locks import Lead

_PATIENCE = 30.0
_STRIKES = 3000


@pytest.fixture(params=[threading.Lock, Lead])
def lock_or_lead(request: pytest.FixtureRequest) -> Any:
    return request.param()


def test_a_lock_is_one_threads(lock_or_lead: Any) -> None:
    assert not lock_or_lead.locked()
    assert lock_or_lead.acquire() is True
    assert lock_or_lead.locked()
    assert lock_or_lead.acquire(False) is False
    assert lock_or_lead.acquire(timeout=0) is False
    assert lock_or_lead.acquire(timeout=0.001) is False
    lock_or_lead.release()
    assert not lock_or_lead.locked()
    assert lock_or_lead.acquire(False) is True
    lock_or_lead.release()
    assert lock_or_lead.acquire(timeout=0.001) is True


def test_who_waits_for_a_lock_has_it_when_it_is_given_back(lock_or_lead: Any, hectic: None) -> None:
    inside: list[int] = []
    most = 0

    def use() -> None:
        nonlocal most
        assert lock_or_lead.acquire(timeout=_PATIENCE)
        try:
            inside.append(1)
            most = max(most, len(inside))
            inside.pop()
        finally:
            lock_or_lead.release()

    with beside(use), beside(use), beside(use):
        for _ in range(1000):
            use()
    assert most == 1
    assert not lock_or_lead.locked()


def _take(lead: Lead, body: Callable[[], object]) -> bool:
    """As Lead says that it is written."""
    me = object()
    try:
        lead.holder = lead.holder or me
        mine = lead.holder is me
        if mine:
            body()
        return mine
    finally:
        if lead.holder is me:
            lead.holder = lead.heir
            if lead.holder is not None:
                lead.wake()


def test_one_thread_at_a_time_has_the_lead(hectic: None) -> None:
    lead = Lead()
    inside: list[int] = []
    seen: list[int] = []
    took = [0, 0]

    def body() -> None:
        inside.append(1)
        seen.append(len(inside))
        inside.pop()

    def use(by: int) -> None:
        took[by] += _take(lead, body)

    with beside(lambda: use(1)):
        while min(took) < 2000:
            use(0)
    assert set(seen) == {1}
    assert not lead.locked()


def test_who_waits_for_a_lead_is_next(hectic: None) -> None:
    lead = Lead()
    before_him: list[object] = []

    def body() -> None:
        if lead.heir is not None:
            before_him.append(lead.heir)

    def hammer() -> None:
        _take(lead, body)

    with beside(hammer), beside(hammer), beside(hammer):
        for _ in range(200):
            assert lead.acquire(timeout=_PATIENCE)
            assert len(before_him) <= 1, "others have had it meanwhile"
            before_him.clear()
            lead.release()
    assert not lead.locked()
    assert lead.heir is None
    assert not lead._waiters


def test_who_has_given_up_is_no_heir() -> None:
    lead = Lead()
    assert lead.acquire()
    assert not lead.acquire(timeout=0.001)
    assert lead.heir is None
    lead.release()
    assert not lead.locked()


def test_who_waits_for_a_lead_is_woken_by_who_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logoscore.locks._LOOK_SECONDS", 1000 * _PATIENCE)
    lead = Lead()
    got: list[bool] = []
    waiter = threading.Thread(target=lambda: got.append(lead.acquire()), daemon=True)

    def body() -> None:
        waiter.start()
        wait_until(lambda: lead.heir is not None, what="his waiting")

    assert _take(lead, body)
    waiter.join(_PATIENCE)
    assert got == [True]


def test_a_lead_that_was_struck_is_nobodys(alarm: None) -> None:
    lead = Lead()

    def look() -> None:
        assert not lead.locked()

    strike(_STRIKES, lambda: _take(lead, lambda: None), look)


def test_a_wait_for_a_lead_that_is_struck_leaves_it_to_others(alarm: None, hectic: None) -> None:
    lead = Lead()

    def use() -> None:
        if lead.acquire(timeout=0.001):
            lead.release()

    def others() -> None:
        _take(lead, lambda: None)

    def look() -> None:
        assert lead.heir is None
        assert not lead._waiters
        if type(lead.holder) is type(threading.Lock()):  # ours: struck after it was taken, as with any lock
            lead.release()

    with beside(others), beside(others):
        strike(_STRIKES, use, look)


def test_who_waits_for_a_lead_has_it_though_who_leaves_is_struck(alarm: None, hectic: None) -> None:
    lead = Lead()
    waited = 0

    def wait() -> None:
        nonlocal waited
        assert lead.acquire(timeout=_PATIENCE)
        lead.release()
        waited += 1

    with beside(wait):
        strike(_STRIKES, lambda: _take(lead, lambda: None), lambda: None)
    assert waited
