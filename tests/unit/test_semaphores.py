"""Semaphores: one suite for both kinds, then what only names, and only a hostile peer, can do."""

from __future__ import annotations

import mmap
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from helpers import wait_until
from transport_support import KINDS, PATIENCE, Worker, mapped, semaphores

from logoscore.transport import segment
from logoscore.transport.segment import (
    SEMAPHORE_SIZE,
    NamedSemaphore,
    Semaphore,
    create_memory,
    map_memory,
    memory_semaphore,
    unlink_semaphore,
)


class Opener:
    """Opens one semaphore, each time another end of it.

    Attributes:
        opened: its ends, which the fixture closes.
        code: Python that opens it in another process, from its name or descriptor in ``sys.argv[1]``.
    """

    def __init__(self, make: Callable[[], Semaphore], code: str, where: str | int) -> None:
        self._make = make
        self.opened: list[Semaphore] = []
        self.code = code
        self.where = where

    def __call__(self) -> Semaphore:
        self.opened.append(self._make())
        return self.opened[-1]


@pytest.fixture(params=KINDS)
def another(request: pytest.FixtureRequest) -> Iterator[Opener]:
    before = mapped()
    maps: list[mmap.mmap] = []
    fd = create_memory(SEMAPHORE_SIZE)

    def in_memory() -> Semaphore:
        maps.append(map_memory(os.dup(fd), SEMAPHORE_SIZE))
        return memory_semaphore(memoryview(maps[-1]))

    with semaphores(1) as (name,):
        if request.param == "named":
            opener = Opener(lambda: NamedSemaphore(name), "NamedSemaphore(sys.argv[1])", name)
        else:
            code = "memory_semaphore(memoryview(map_memory(int(sys.argv[1]), SEMAPHORE_SIZE)))"
            opener = Opener(in_memory, code, fd)
        yield opener
    os.close(fd)
    for each in opener.opened:
        each.close()
    for each_map in maps:
        each_map.close()  # raises if a semaphore still holds it
    assert mapped() == before


@pytest.fixture
def semaphore(another: Opener) -> Semaphore:
    return another()


# --- the conformance suite ----------------------------------------------------------------------------------------------


def test_it_counts_its_posts(semaphore: Semaphore) -> None:
    for _ in range(1000):
        semaphore.post()
    assert [semaphore.try_acquire() for _ in range(1000)] == [True] * 1000
    assert semaphore.try_acquire() is False


@pytest.mark.parametrize("timeout", [0, 0.0, -1, 0.001, 0.02])
def test_a_timeout_is_false(semaphore: Semaphore, timeout: float) -> None:
    assert semaphore.acquire(timeout) is False
    semaphore.post()
    assert semaphore.acquire(timeout) is True
    assert semaphore.acquire(timeout) is False


def test_a_post_wakes_who_waits_and_only_one(semaphore: Semaphore) -> None:
    waiting = [Worker(_take, semaphore, timeout) for timeout in (None, 10 * PATIENCE)]
    semaphore.post()
    wait_until(lambda: sum(worker.is_alive() for worker in waiting) <= 1)
    semaphore.post()
    for worker in waiting:
        worker.result()
    assert semaphore.try_acquire() is False


def _take(semaphore: Semaphore, timeout: float | None = 10 * PATIENCE) -> None:
    while not semaphore.acquire(timeout):
        pass  # it may come back early: the other one was quicker, say


def test_what_one_end_posts_the_other_gets(another: Opener) -> None:
    near, far = another(), another()
    waiting = Worker(_take, far)
    near.post()
    waiting.result()
    far.post()
    assert near.try_acquire() is True
    assert near.try_acquire() is False


def test_a_kick_wakes_who_waits(semaphore: Semaphore) -> None:
    waiting = Worker(_until_anything, semaphore)
    semaphore.kick()
    waiting.result()


def _until_anything(semaphore: Semaphore) -> None:
    semaphore.acquire(10 * PATIENCE)  # longer than anybody waits for this thread: only a wake-up ends it


def test_no_post_is_lost_between_threads(another: Opener) -> None:
    """Two that post, two that take, through two ends: as many as were posted, and not one more."""
    near, far = another(), another()
    count = 5_000

    def post() -> None:
        for _ in range(count):
            near.post()

    def take() -> None:
        taken = 0
        while taken < count:
            taken += far.acquire(10 * PATIENCE)

    workers = [Worker(each) for each in (post, take, post, take)]
    for worker in workers:
        worker.result()
    assert far.try_acquire() is False


def test_closed_it_refuses_everything(another: Opener) -> None:
    semaphore = another()
    another.opened.remove(semaphore)
    semaphore.close()
    for use in (semaphore.post, semaphore.kick):
        with pytest.raises(ValueError, match="closed"):
            use()


@pytest.mark.parametrize("use", ["post()", "acquire(40)"])
def test_another_process_uses_it(another: Opener, use: str) -> None:
    near = another()
    code = f"import sys; from logoscore.transport.segment import *; assert {another.code}.{use} is not False"
    fds = (another.where,) if isinstance(another.where, int) else ()
    with subprocess.Popen([sys.executable, "-c", code, str(another.where)], pass_fds=fds) as process:
        if use == "post()":
            _take(near)
        else:
            near.post()
        assert process.wait(PATIENCE) == 0
    assert near.try_acquire() is False


# --- in memory ----------------------------------------------------------------------------------------------------------


def test_semaphores_are_in_memory_where_they_can_be() -> None:
    from logoscore.transport.ring import COMPILED

    assert segment.IN_MEMORY is (COMPILED and sys.platform == "linux")


in_memory = pytest.mark.skipif(not segment.IN_MEMORY, reason="this system has no semaphores in memory")


@in_memory
@pytest.mark.parametrize("word", [0, 1, 2, 3, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
@pytest.mark.parametrize("other", [0, 1, 0x80, 0x7FFFFFFF, 0xFFFFFFFF])
def test_whatever_a_peer_writes_into_it_costs_no_more_than_a_unit(word: int, other: int) -> None:
    memory = bytearray(SEMAPHORE_SIZE)
    words = memoryview(memory).cast("I")
    semaphore = memory_semaphore(memoryview(memory))

    def spoil() -> None:
        words[0], words[1] = word, other
        for index in range(2, len(words)):
            words[index] = other

    for use in (semaphore.post, semaphore.kick, semaphore.try_acquire, lambda: semaphore.acquire(0.001)):
        spoil()
        use()
    semaphore.close()


@in_memory
def test_a_kick_reaches_who_waits_though_the_peer_hides_him() -> None:
    memory = bytearray(SEMAPHORE_SIZE)
    words = memoryview(memory).cast("I")
    semaphore = memory_semaphore(memoryview(memory))
    waiting = Worker(_until_anything, semaphore)
    wait_until(lambda: words[1] == 1)
    words[1] = 0
    end = time.monotonic() + PATIENCE
    while waiting.is_alive():
        assert time.monotonic() < end, "nobody woke him"
        semaphore.kick()
        words[0] = 0  # and takes the unit
    waiting.result()
    semaphore.close()


@in_memory
def test_closed_while_a_thread_waits_it_keeps_the_memory_until_he_leaves() -> None:
    memory = bytearray(SEMAPHORE_SIZE)
    semaphore = memory_semaphore(memoryview(memory))
    waiting = Worker(_until_anything, semaphore)
    wait_until(lambda: memory[4] == 1)
    semaphore.close()
    with pytest.raises(BufferError):
        memory.extend(b"moved")
    other = memory_semaphore(memoryview(memory))
    other.kick()
    waiting.result()
    other.close()
    memory.extend(b"free")


@in_memory
@pytest.mark.parametrize(
    ("memory", "error"),
    [
        (bytearray(SEMAPHORE_SIZE - 1), ValueError),
        (bytearray(SEMAPHORE_SIZE + 1), ValueError),
        (memoryview(bytearray(SEMAPHORE_SIZE + 1))[1:], ValueError),
        (bytes(SEMAPHORE_SIZE), BufferError),
        (17, TypeError),
    ],
    ids=["short", "long", "crooked", "read-only", "none"],
)
def test_memory_that_will_not_do_is_refused(memory: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        memory_semaphore(memory)  # type: ignore[arg-type]


@in_memory
def test_it_is_made_once() -> None:
    semaphore: Any = memory_semaphore(memoryview(bytearray(SEMAPHORE_SIZE)))
    with pytest.raises(RuntimeError, match="once"):
        semaphore.__init__(memoryview(bytearray(SEMAPHORE_SIZE)))
    semaphore.close()


# --- named --------------------------------------------------------------------------------------------------------------


def test_names_are_unique_and_short_enough_for_every_system() -> None:
    with semaphores(200) as names:
        assert len(set(names)) == 200
        for name in names:
            assert re.fullmatch(r"/logos\.[0-9a-f]+\.[0-9a-f]+\.[A-Z2-7]{7}", name)
            assert len(name) <= 30


def test_unlinking_is_idempotent_and_those_who_opened_it_keep_it() -> None:
    before = mapped()
    with semaphores(1) as (name,):
        near, far = NamedSemaphore(name), NamedSemaphore(name)
        unlink_semaphore(name)
        unlink_semaphore(name)
        near.post()
        assert far.acquire(PATIENCE) is True
        near.close()
        far.close()
    assert mapped() == before
