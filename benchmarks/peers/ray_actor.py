"""Ray: a method of an actor, on a cluster of this one machine."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar

from benchmarks.loops import Call, measure
from benchmarks.peers.running import Payload, Running, WrongAnswerError, glimpse, same


class Ray:
    """Values pickled; what is large lies in its object store and is read in place, as numpy's or as bytes."""

    title: ClassVar[str] = "Ray actor: add(1, 2)"
    ours: ClassVar[bool] = False

    def unavailable(self) -> str | None:
        """It is an extra."""
        if importlib.util.find_spec("ray") is None:
            return "Ray is not installed (pip install ray)"
        return None

    @contextmanager
    def running(self) -> Iterator[Running]:
        """The cluster and the actor run."""
        os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="disabled", RAY_DEDUP_LOGS="0")
        import ray  # an extra

        folder = tempfile.mkdtemp(prefix="ray-")
        try:
            ray.init(
                num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
                configure_logging=False, _temp_dir=folder, _node_ip_address="127.0.0.1",
            )  # fmt: skip
            try:
                actor = ray.remote(Adder).remote()
                pid = ray.get(actor.pid.remote())
                call = _adding(ray.get, actor)
                yield Running(
                    callee=pid,
                    measure=partial(measure, call, pid),
                    connect=partial(same, call),
                    pipeline=partial(_pipeline, ray.get, actor),
                    transfer=partial(_transfer, ray.get, actor),
                )
            finally:
                ray.shutdown()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


class Adder:
    """The actor."""

    def add(self, a: int, b: int) -> int:
        """The sum."""
        return a + b

    def take(self, data: Any) -> int:
        """What a glimpse at it says."""
        return glimpse(data)

    def pid(self) -> int:
        """Of the actor's process."""
        return os.getpid()


def _adding(get: Any, actor: Any) -> Call:
    def call() -> None:
        if get(actor.add.remote(1, 2)) != 3:
            raise WrongAnswerError("Ray: 1 + 2 is not 3")

    return call


def _pipeline(get: Any, actor: Any, count: int) -> None:
    if get([actor.add.remote(1, 2) for _ in range(count)]) != [3] * count:
        raise WrongAnswerError("Ray: 1 + 2 is not 3")


def _transfer(get: Any, actor: Any, size: int) -> Call:
    payload = Payload(size)

    def call() -> None:
        data, expected = payload.next()
        if get(actor.take.remote(data)) != expected:
            raise WrongAnswerError("Ray: this is not what was sent")

    return call
