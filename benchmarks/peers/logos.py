"""This project: ``add(1, 2)`` as a typed call with its token check, from the app and from another module."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from benchmarks.loops import Call, Plan, Sample, measure
from benchmarks.peers.logos_modules import BenchAdder, BenchCaller, BenchLarge
from benchmarks.peers.running import Payload, Running, WrongAnswerError, glimpse, same

if TYPE_CHECKING:
    from logoscore.core import Core
    from logoscore.session.client import LogosAPIClient

_PATIENCE: Final = 60.0  # seconds that a module may take longer than its plan


class _Ours:
    """What this repository is."""

    ours: ClassVar[bool] = True

    def unavailable(self) -> str | None:
        """It is always there."""
        return None


class AppToModule(_Ours):
    """The app calls a module."""

    title: ClassVar[str] = "logoscore, app → module: add(1, 2)"

    @contextmanager
    def running(self) -> Iterator[Running]:
        """A core and the adder run; other modules are loaded by the jobs that need them."""
        from benchmarks.peers.logos_events import events

        with _core() as core:
            client = core.load_plugin(BenchAdder)
            call, pid = _adding(client), pid_of(core, "bench_adder")
            yield Running(
                callee=pid,
                measure=partial(measure, call, pid),
                connect=partial(same, call),
                pipeline=partial(_pipeline, client),
                transfer=partial(_transfer, client),
                events=partial(events, core),
            )


class ModuleToModule(_Ours):
    """A module calls a module, within a call that the app has made to it; the times are taken inside."""

    title: ClassVar[str] = "logoscore, module → module: add(1, 2)"

    @contextmanager
    def running(self) -> Iterator[Running]:
        """A core and both modules run."""
        with _core() as core:
            core.load_plugin(BenchAdder)
            caller, callee = core.load_plugin(BenchCaller), pid_of(core, "bench_adder")

            def measure_inside(plan: Plan) -> Sample:
                timeout = plan.seconds + _PATIENCE
                return Sample.from_dict(caller.call("measure", callee, plan.to_dict(), timeout=timeout))

            yield Running(callee=callee, measure=measure_inside)


class Arrays(_Ours):
    """Large arguments as numpy arrays."""

    title: ClassVar[str] = "logoscore, app → module, numpy array"

    def unavailable(self) -> str | None:
        """numpy is an extra."""
        return None if importlib.util.find_spec("numpy") else "numpy is not installed (pip install numpy)"

    @contextmanager
    def running(self) -> Iterator[Running]:
        """A core and the module run."""
        with _core() as core:
            client = core.load_plugin(BenchLarge)
            yield Running(callee=pid_of(core, "bench_large"), transfer=partial(_transfer_array, client))


class Results(_Ours):
    """Large results: the other direction. What is looked at is looked at by the caller."""

    title: ClassVar[str] = "logoscore, module → app, bytes"

    @contextmanager
    def running(self) -> Iterator[Running]:
        """A core and the module run."""
        with _core() as core:
            client = core.load_plugin(BenchLarge)
            yield Running(callee=pid_of(core, "bench_large"), transfer=partial(_fetch, client))


def _core() -> Core:
    from logoscore.core import Core  # hosts import this file too, and need none

    return Core(entry_points=False)


def pid_of(core: Core, name: str) -> int:
    """Of a loaded module's host."""
    pid = core.get_plugin_info(name).pid
    if pid is None:
        raise RuntimeError(f"{name} has just been loaded and has no pid")
    return pid


def _adding(client: LogosAPIClient) -> Call:
    remote = client.call

    def call() -> None:
        if remote("add", 1, 2) != 3:
            raise WrongAnswerError("logoscore: 1 + 2 is not 3")

    return call


def _pipeline(client: LogosAPIClient, count: int) -> None:
    submit = client.submit
    for pending in [submit("add", 1, 2, timeout=_PATIENCE) for _ in range(count)]:
        if pending.result() != 3:
            raise WrongAnswerError("logoscore: 1 + 2 is not 3")


def _transfer(client: LogosAPIClient, size: int) -> Call:
    payload = Payload(size)

    def call() -> None:
        data, expected = payload.next()
        _check(client.call("take", data, timeout=_PATIENCE), expected)

    return call


def _transfer_array(client: LogosAPIClient, size: int) -> Call:
    import numpy as np  # an extra

    payload = Payload(size)

    def call() -> None:
        data, expected = payload.next()
        _check(client.call("take_array", np.frombuffer(data, np.uint8), timeout=_PATIENCE), expected)

    return call


def _fetch(client: LogosAPIClient, size: int) -> Call:
    payload = Payload(size)
    expected: set[int] = set()
    for _ in range(2):
        data, glimpsed = payload.next()
        client.call("keep", data, timeout=_PATIENCE)
        expected.add(glimpsed)

    def call() -> None:
        if glimpse(client.call("give", timeout=_PATIENCE)) not in expected:
            raise WrongAnswerError("logoscore: this is not what was kept")

    return call


def _check(answer: Any, expected: int) -> None:
    if answer != expected:
        raise WrongAnswerError("logoscore: this is not what was sent")
