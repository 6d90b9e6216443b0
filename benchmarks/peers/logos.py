"""This project: ``add(1, 2)`` as a typed call with its token check, from the app and from another module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from benchmarks.loops import Plan, Sample, measure
from benchmarks.peers import Measure, WrongAnswerError
from logoscore import PluginInterface, invokable

if TYPE_CHECKING:
    from collections.abc import Callable

    from logoscore.core import Core
    from logoscore.session.client import LogosAPIClient

_PATIENCE: Final = 60.0  # seconds that a module may take longer than its plan


class BenchAdder(PluginInterface):
    """The module that is called."""

    @invokable
    def add(self, a: int, b: int) -> int:
        """The sum."""
        return a + b


class BenchCaller(PluginInterface):
    """The module that calls, and measures."""

    metadata: ClassVar[dict[str, Any]] = {"calls": ["bench_adder"]}

    @invokable
    def measure(self, callee: int, plan: dict[str, int]) -> dict[str, Any]:
        """One round of calls to the adder, whose pid is ``callee``."""
        return measure(_adding(self.api.get_client("bench_adder")), callee, Plan(**plan)).to_dict()


class AppToModule:
    """The app calls a module."""

    title: ClassVar[str] = "logoscore, app → module, add(1, 2)"
    ours: ClassVar[bool] = True

    def unavailable(self) -> str | None:
        """It is what this repository is."""
        return None

    @contextmanager
    def running(self) -> Iterator[Measure]:
        """A core and the adder run."""
        with _core() as core:
            client = core.load_plugin(BenchAdder)
            yield partial(measure, _adding(client), _pid(core, "bench_adder"))


class ModuleToModule:
    """A module calls a module, within a call that the app has made to it; the times are taken inside."""

    title: ClassVar[str] = "logoscore, module → module, add(1, 2)"
    ours: ClassVar[bool] = True

    def unavailable(self) -> str | None:
        """It is what this repository is."""
        return None

    @contextmanager
    def running(self) -> Iterator[Measure]:
        """A core and both modules run."""
        with _core() as core:
            core.load_plugin(BenchAdder)
            caller, callee = core.load_plugin(BenchCaller), _pid(core, "bench_adder")

            def measure_inside(plan: Plan) -> Sample:
                timeout = (plan.warmup_ns + plan.duration_ns) / 1e9 + _PATIENCE
                return Sample.from_dict(caller.call("measure", callee, plan.to_dict(), timeout=timeout))

            yield measure_inside


def _core() -> Core:
    from logoscore.core import Core  # hosts import this file too, and need none

    return Core(entry_points=False)


def _pid(core: Core, name: str) -> int:
    pid = core.get_plugin_info(name).pid
    if pid is None:
        raise RuntimeError(f"{name} has just been loaded and has no pid")
    return pid


def _adding(client: LogosAPIClient) -> Callable[[], None]:
    remote = client.call

    def call() -> None:
        if remote("add", 1, 2) != 3:
            raise WrongAnswerError("logoscore: 1 + 2 is not 3")

    return call
