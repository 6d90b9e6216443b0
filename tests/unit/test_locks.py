"""Locks, flags and conditions: as those of the standard library, and whole after whatever a signal handler raises."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from helpers import beside, wait_until
from interrupts import strike

from logoscore.locks import Attempt, Condition, Flag, Thread

_PATIENCE = 30.0
_STRIKES = 3000


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
