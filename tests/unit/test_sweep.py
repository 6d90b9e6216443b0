"""The sweep: names of the dead go, and those of the living are never touched."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from transport_support import PATIENCE, semaphores

from logoscore.transport.segment import process_start_time, sweep, unlink_semaphore

SHM = Path("/dev/shm")

_MAKES = """
import sys
from logoscore.transport.segment import create_semaphores
print(*create_semaphores(2), flush=True)
sys.stdin.read()
"""


@contextmanager
def maker_process() -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A process that made two semaphores and lives until its stdin ends."""
    process = subprocess.Popen([sys.executable, "-c", _MAKES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    names: list[str] = []
    try:
        with process:
            assert process.stdout is not None
            names = process.stdout.readline().split()
            yield process, names
    finally:
        for name in names:
            unlink_semaphore(name)


def exists(name: str) -> bool:
    return (SHM / f"sem.{name.removeprefix('/')}").exists()


def test_names_of_the_dead_are_swept_and_of_the_living_never() -> None:
    with semaphores(2) as own, maker_process() as (process, names):
        assert len(names) == 2
        assert not set(own + names) & {f"/{name}" for name in sweep()}
        assert all(map(exists, own + names))
        process.kill()
        process.wait(PATIENCE)
        sweep()
        assert not any(map(exists, names))
        assert all(map(exists, own))


@pytest.mark.parametrize("ticks", [-1, 1])
def test_a_pid_that_was_taken_over_by_another_process_is_no_protection(ticks: int) -> None:
    start = process_start_time(os.getpid())
    assert start is not None
    file = SHM / f"sem.logos.{os.getpid():x}.{start + ticks:x}.0"
    file.touch()
    try:
        sweep()
        assert not file.exists()
    finally:
        file.unlink(missing_ok=True)


@pytest.mark.parametrize("name", ["sem.logos.{}", "sem.logos.x.y.{}", "sem.logos.1.2.3.{}", "sem.other.1.2.{}"])
def test_what_is_not_ours_is_left_alone(name: str) -> None:
    name = name.format(os.getpid())  # other test runs do the same
    file = SHM / name
    file.touch()
    try:
        assert name.removeprefix("sem.") not in sweep()
        assert file.exists()
    finally:
        file.unlink()


def test_what_cannot_be_removed_stops_nobody() -> None:
    """Anybody may make anything in /dev/shm, and the sweep stands at the beginning of every start."""
    folder = SHM / f"sem.logos.{2**30:x}.1.{os.getpid()}"
    folder.mkdir()
    try:
        with maker_process() as (process, names):
            process.kill()
            process.wait(PATIENCE)
            sweep()
            assert not any(map(exists, names))
    finally:
        folder.rmdir()


def test_start_times_tell_processes_apart() -> None:
    assert process_start_time(os.getpid()) == process_start_time(os.getpid())
    assert process_start_time(2**30) is None
    with maker_process() as (process, _):
        start = process_start_time(process.pid)
        mine = process_start_time(os.getpid())
        assert start is not None
        assert mine is not None
        assert start > mine
