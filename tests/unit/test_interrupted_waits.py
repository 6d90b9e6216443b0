"""What a signal handler raises during a wait is never lost. Handlers run in the main thread, as tests do."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest
from interrupts import Interrupted
from transport_support import KINDS, semaphores

from logoscore.transport.segment import SEMAPHORE_SIZE, NamedSemaphore, Semaphore, memory_semaphore


@pytest.fixture(params=KINDS)
def semaphore(request: pytest.FixtureRequest) -> Iterator[Semaphore]:
    with semaphores(1) as (name,):
        in_memory = request.param != "named"
        made = memory_semaphore(memoryview(bytearray(SEMAPHORE_SIZE))) if in_memory else NamedSemaphore(name)
    yield made
    made.close()


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
