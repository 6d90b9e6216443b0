"""``multiprocessing.managers``: the standard library's own remote objects."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.managers import BaseManager
from typing import Any, ClassVar

from benchmarks.loops import Call, measure
from benchmarks.peers.running import Running, WrongAnswerError
from benchmarks.peers.server import end_with_parent


class Adder:
    """What is called through a proxy."""

    def add(self, a: int, b: int) -> int:
        """The sum."""
        return a + b

    def pid(self) -> int:
        """Of the manager's process."""
        return os.getpid()


class _Manager(BaseManager):
    """Of its own, as registering changes the class."""


_Manager.register("Adder", Adder)


class Managers:
    """A method by its name, values pickled, a random key shared by all; each thread has a connection of its own."""

    title: ClassVar[str] = "multiprocessing.managers: add(1, 2)"
    ours: ClassVar[bool] = False

    def unavailable(self) -> str | None:
        """Always there."""
        return None

    @contextmanager
    def running(self) -> Iterator[Running]:
        """The manager's process runs."""
        manager = _Manager(ctx=multiprocessing.get_context("spawn"))
        manager.start(initializer=end_with_parent)
        with manager:
            adder: Any = manager.Adder()  # type: ignore[attr-defined]  # register has made it
            pid = adder.pid()
            yield Running(callee=pid, measure=partial(measure, _adding(adder), pid), connect=partial(_connect, adder))


def _adding(adder: Any) -> Call:
    remote = adder.add

    def call() -> None:
        if remote(1, 2) != 3:
            raise WrongAnswerError("multiprocessing.managers: 1 + 2 is not 3")

    return call


@contextmanager
def _connect(adder: Any) -> Iterator[Call]:
    yield _adding(adder)
