"""The leak check looks at this process and what it made, and at nobody else's."""

from __future__ import annotations

import os
from pathlib import Path

from logoscore.leaks import Holdings
from logoscore.transport.segment import create_semaphores, process_start_time, unlink_semaphore


def test_names_of_strangers_who_live_are_not_ours() -> None:
    """Two test runs, or two apps, on one machine."""
    before = Holdings.now()
    file = Path("/dev/shm") / f"sem.logos.1.{process_start_time(1):x}.leakcheck{os.getpid()}"
    file.touch()
    try:
        assert before.left_behind() == []
    finally:
        file.unlink()


def test_our_own_names_are_and_those_of_dead_strangers_are_not() -> None:
    """A killed app of somebody else's leaves names until the next start sweeps them."""
    before = Holdings.now()
    (name,) = create_semaphores(1)
    dead = Path("/dev/shm") / f"sem.logos.{2**30:x}.1.leakcheck{os.getpid()}"
    dead.touch()
    try:
        assert before.left_behind() == [f"shared memory sem.{name.removeprefix('/')}"]
    finally:
        dead.unlink(missing_ok=True)  # a core that starts elsewhere sweeps it
        unlink_semaphore(name)
    assert before.left_behind() == []
