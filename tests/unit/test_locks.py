"""Locks, flags and conditions: as those of the standard library, and whole after whatever a signal handler raises."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from helpers import wait_until
from interrupts import strike

from logoscore.locks import Attempt, Condition, Flag, Lead, Thread

_PATIENCE = 30.0
_STRIKES = 3000


@contextmanager
def beside(work: Callable[[], object], wake: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Another thread does ``work`` over and over while the body runs, and ends then, when ``wake`` was called."""
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            work()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        wake()
        thread.join(_PATIENCE)
    assert not thread.is_alive(), "it waits for a lock that nobody gives back"


# --- as the standard library's --------------------------------------------------------------------------------------


@pytest.fixture(params=[threading.Event, Flag])
def flag(request: pytest.FixtureRequest) -> Any:
    return request.param()


@pytest.fixture(params=[threading.Condition, Condition])
def condition(request: pytest.FixtureRequest) -> Any:
    return request.param()


def test_a_flag_says_whether_it_is_set(flag: Any) -> None:
    assert not flag.is_set()
    assert flag.wait(0) is False
    assert flag.wait(0.001) is False
    flag.set()
    flag.set()
    assert flag.is_set()
    assert flag.wait() is True
    assert flag.wait(0) is True
    flag.clear()
    assert not flag.is_set()
    assert flag.wait(-1) is False


def test_a_flag_wakes_all_who_wait(flag: Any) -> None:
    woken: list[bool] = []
    threads = [threading.Thread(target=lambda: woken.append(flag.wait(_PATIENCE))) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(getattr(flag, "_waiters", None) or flag._cond._waiters) == 8, what="their waiting")
    flag.set()
    flag.clear()  # who was woken has been, all the same
    for thread in threads:
        thread.join()
    assert woken == [True] * 8


def test_two_threads_pass_a_flag_to_and_fro(flag: Any, hectic: None) -> None:
    back = type(flag)()

    def answer() -> None:
        flag.wait()
        flag.clear()
        back.set()

    with beside(answer, flag.set):
        for _ in range(2000):
            flag.set()
            assert back.wait(_PATIENCE)
            back.clear()


def test_a_condition_wakes_as_many_as_it_is_told(condition: Any) -> None:
    woken: list[int] = []

    def wait(number: int) -> None:
        with condition:
            condition.wait()
            woken.append(number)

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(5)]
    for count, thread in enumerate(threads, 1):
        thread.start()
        wait_until(lambda count=count: len(condition._waiters) == count, what="its waiting")  # type: ignore[misc]
    with condition:
        condition.notify()
        condition.notify()  # not the first one once more, who has not left yet
    wait_until(lambda: len(woken) == 2, what="two woken")
    assert sorted(woken) == [0, 1]
    with condition:
        condition.notify_all()
    for thread in threads:
        thread.join()
    assert sorted(woken) == [0, 1, 2, 3, 4]
    with condition:
        condition.notify_all()  # nobody


def test_a_wait_for_a_condition_that_does_not_come(condition: Any) -> None:
    with condition:
        assert condition.wait(0) is False
        assert condition.wait(0.001) is False
        assert condition.wait_for(lambda: 0, 0.001) == 0
        assert condition.wait_for(lambda: 7) == 7
        assert not condition._waiters


def test_a_condition_is_reentrant_and_anothers_while_it_waits(condition: Any) -> None:
    values: list[int] = []

    def put() -> None:
        with condition, condition:
            values.append(1)
            condition.notify()

    thread = threading.Thread(target=put)
    with condition:
        thread.start()
        assert condition.wait_for(lambda: values, _PATIENCE) == [1]
    thread.join()
    assert condition.acquire(blocking=False)
    condition.release()
    with pytest.raises(RuntimeError):
        condition.release()


def test_a_wait_gives_away_all_levels_of_the_lock(condition: Any) -> None:
    def tell() -> None:
        with condition:
            condition.notify()

    thread = threading.Thread(target=tell)
    with condition, condition:
        thread.start()
        assert condition.wait(_PATIENCE)
        condition.release()
        condition.acquire()
    thread.join()
    assert condition.acquire(blocking=False)
    condition.release()


def test_a_wait_without_the_lock(condition: Any) -> None:
    with pytest.raises(RuntimeError):
        condition.wait(0)
    with pytest.raises(RuntimeError):
        condition.release()


def test_a_queue_loses_nothing(condition: Any, hectic: None) -> None:
    queue: list[int] = []
    taken: list[int] = []

    def take() -> None:
        with condition:
            if condition.wait_for(lambda: queue, 0.01):
                taken.append(queue.pop(0))

    with beside(take), beside(take), beside(take):
        for number in range(2000):
            with condition:
                queue.append(number)
                condition.notify()
        wait_until(lambda: len(taken) == 2000, what="all taken")
    assert taken == list(range(2000))


@pytest.fixture(params=[threading.Lock, Lead])
def lock(request: pytest.FixtureRequest) -> Any:
    return request.param()


def test_a_lock_is_one_threads(lock: Any) -> None:
    assert not lock.locked()
    assert lock.acquire() is True
    assert lock.locked()
    assert lock.acquire(False) is False
    assert lock.acquire(timeout=0) is False
    assert lock.acquire(timeout=0.001) is False
    lock.release()
    assert not lock.locked()
    assert lock.acquire(False) is True
    lock.release()
    assert lock.acquire(timeout=0.001) is True


def test_who_waits_for_a_lock_has_it_when_it_is_given_back(lock: Any, hectic: None) -> None:
    inside: list[int] = []
    most = 0

    def use() -> None:
        nonlocal most
        assert lock.acquire(timeout=_PATIENCE)
        try:
            inside.append(1)
            most = max(most, len(inside))
            inside.pop()
        finally:
            lock.release()

    with beside(use), beside(use), beside(use):
        for _ in range(1000):
            use()
    assert most == 1
    assert not lock.locked()


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


def test_who_waits_for_a_lead_is_woken_by_who_leaves(hectic: None) -> None:
    lead = Lead()
    got: list[bool] = []

    def wait() -> None:
        if lead.acquire(timeout=_PATIENCE):
            got.append(True)
            lead.release()

    with beside(lambda: _take(lead, lambda: None)):
        for _ in range(300):
            wait()
    assert got == [True] * 300


# --- struck by a signal handler that raises ---------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, 1.0])
def test_an_attempt_leaves_no_lock_taken(alarm: None, seconds: float) -> None:
    lock = threading.Lock()
    attempt = Attempt(lock, seconds)

    def use() -> None:
        with attempt as mine:
            try:
                pass
            finally:
                if mine:
                    attempt.release()

    def look() -> None:
        assert not lock.locked()

    strike(_STRIKES, use, look)


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


def test_an_attempt_on_a_taken_lock() -> None:
    lock = threading.Lock()
    with lock:
        for seconds in (0, 0.001):
            with Attempt(lock, seconds) as mine:
                assert not mine
    with Attempt(lock) as mine:
        assert mine
        assert lock.locked()
        lock.release()
    with pytest.raises(ZeroDivisionError), Attempt(lock) as mine:
        raise ZeroDivisionError


def test_who_sets_a_flag_is_not_stuck_because_of_who_waited(alarm: None, hectic: None) -> None:
    flag = Flag()

    def use() -> None:
        flag.wait(0.001)
        flag.clear()

    def look() -> None:
        assert not flag._waiters

    with beside(flag.set):
        strike(_STRIKES, use, look)


def test_a_flag_that_is_set_wakes_everybody_even_if_the_setting_is_struck(alarm: None, hectic: None) -> None:
    flag, answered = Flag(), Flag()
    setting = False

    def answer() -> None:
        flag.wait()
        flag.clear()
        answered.set()

    def ask() -> None:
        nonlocal setting
        answered.clear()
        setting = True
        flag.set()
        assert answered.wait(_PATIENCE)
        setting = False

    def look() -> None:
        nonlocal setting
        if setting and flag.is_set():
            assert answered.wait(_PATIENCE)
        setting = False

    with beside(answer, flag.set):
        strike(_STRIKES, ask, look)


@pytest.mark.parametrize("levels", [1, 2])
def test_a_condition_is_whole_after_a_wait_that_was_struck(alarm: None, hectic: None, levels: int) -> None:
    condition = Condition()

    def use() -> None:
        with condition:
            if levels == 1:
                condition.wait(0.0005)
                return
            with condition:
                condition.wait(0.0005)

    def tell() -> None:
        with condition:
            condition.notify_all()

    def look() -> None:
        assert condition.acquire(timeout=_PATIENCE)
        condition.release()
        with pytest.raises(RuntimeError):
            condition.release()
        assert not condition._waiters, "who has gone would be told in place of who waits"

    with beside(tell):
        strike(_STRIKES, use, look)


def test_a_telling_that_was_struck_loses_nobody(alarm: None, hectic: None) -> None:
    condition = Condition()

    def wait() -> None:
        with condition:
            condition.wait(0.01)

    def tell() -> None:
        with condition:
            condition.notify()

    with beside(wait), beside(wait):
        strike(_STRIKES, tell, lambda: None)


def test_a_thread_that_was_struck_while_it_was_started_runs(alarm: None) -> None:
    started: list[Thread] = []

    def start() -> None:
        thread = Thread(lambda: None, "a thread to be struck")
        started.append(thread)
        thread.start()

    strike(600, start, lambda: None)
    for thread in started:
        if thread.ident is not None:
            thread.join(_PATIENCE)
            assert not thread.is_alive()


def test_a_handler_may_tell_in_the_middle_of_a_telling() -> None:
    condition = Condition()
    told: list[str] = []

    class Waiter:
        """Stands for the lock of one who waits; a handler runs just when it was woken."""

        def __init__(self, handler: Callable[[], object] = lambda: None) -> None:
            self.handler = handler

        def release(self) -> None:
            told.append("told")
            handler, self.handler = self.handler, lambda: None
            handler()

    first: Any = Waiter(condition.notify_all)
    second: Any = Waiter()
    condition._waiters.extend((first, second))
    with condition:
        condition.notify()
    assert not condition._waiters
    assert len(told) == 3  # the first once more, which costs him nothing


@pytest.mark.parametrize("kind", [RuntimeError, ValueError])
def test_what_a_signal_handler_raises_is_not_taken_for_an_error_of_a_lock(kind: type[Exception]) -> None:
    class Struck(kind):  # type: ignore[misc, valid-type]
        pass

    class Lock:
        def release(self) -> None:
            raise Struck

        def __eq__(self, other: object) -> bool:
            raise Struck

        __hash__ = None  # type: ignore[assignment]

    flag, condition = Flag(), Condition()
    lock: Any = Lock()
    flag._waiters.append(lock)
    condition._waiters.append(lock)
    with pytest.raises(Struck):
        flag.set()
    with condition, pytest.raises(Struck):
        condition.notify()
    with pytest.raises(Struck):
        Flag.wait(_with_waiters(lock), 0)


def _with_waiters(*waiters: Any) -> Flag:
    flag = Flag()
    flag._waiters.extend(waiters)
    return flag
