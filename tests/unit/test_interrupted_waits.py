"""What a signal handler raises is never lost, and takes no lock with it. Handlers run in the main thread, as tests do."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator

import pytest

from logoscore.transport.attempt import Attempt
from logoscore.transport.segment import Semaphore, create_semaphores, unlink_semaphore


class Interrupted(BaseException):
    """What the handler raises; not a KeyboardInterrupt, which some libraries let through as the only one."""


@pytest.fixture
def alarm() -> Iterator[None]:
    def handler(*_: object) -> None:
        raise Interrupted

    former = signal.signal(signal.SIGALRM, handler)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, former)


@pytest.fixture
def semaphore() -> Iterator[Semaphore]:
    [name] = create_semaphores(1)
    semaphore = Semaphore(name)
    unlink_semaphore(name)
    yield semaphore
    semaphore.close()


@pytest.mark.parametrize("timeout", [None, 3600.0])
def test_what_a_handler_raises_during_a_wait_comes_out(
    alarm: None, semaphore: Semaphore, timeout: float | None
) -> None:
    def wait() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        while not semaphore.acquire(timeout):
            pass

    with pytest.raises(Interrupted):
        wait()


def test_a_wait_goes_on_after_a_handler_that_returns(semaphore: Semaphore) -> None:
    handled = threading.Event()
    former = signal.signal(signal.SIGUSR1, lambda *_: (handled.set(), semaphore.post()))
    threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGUSR1)).start()
    try:
        while not semaphore.acquire(3600):
            pass
    finally:
        signal.signal(signal.SIGUSR1, former)
    assert handled.is_set()


@pytest.mark.parametrize("seconds", [0, 1.0])
def test_an_interrupt_never_takes_the_lock_with_it(alarm: None, seconds: float) -> None:
    lock = threading.Lock()
    attempt = Attempt(lock, seconds)

    def use() -> None:
        with attempt as mine:
            try:
                pass
            finally:
                if mine:
                    attempt.release()

    for _ in range(2000):
        try:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(2e-5, 1e-4))
            while True:
                use()
                use()
                use()
        except Interrupted:
            pass
        assert not lock.locked()


def test_an_attempt_on_a_taken_lock(alarm: None) -> None:
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
