"""A module of the user's: any method of it, with arguments from the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import ClassVar

from benchmarks.loops import Call, measure
from benchmarks.peers import Target
from benchmarks.peers.logos import pid_of
from benchmarks.peers.running import Running, same


class OwnModule:
    """Whatever the method returns is right; what it raises is a failure."""

    title: str
    ours: ClassVar[bool] = True

    def __init__(self, target: Target) -> None:
        self._target = target
        shown = ", ".join(map(repr, target.arguments))
        self.title = f"{target.module}.{target.method}({shown if len(shown) <= 40 else shown[:37] + '...'})"

    def unavailable(self) -> str | None:
        """If it cannot be loaded, that is a failure."""
        return None

    @contextmanager
    def running(self) -> Iterator[Running]:
        """A core and the module run."""
        from logoscore.core import Core

        target = self._target
        with Core(plugins_dir=target.plugins_dirs or None) as core:
            call: Call = partial(core.load_plugin(target.module).call, target.method, *target.arguments)
            call()
            pid = pid_of(core, target.module)
            yield Running(callee=pid, measure=partial(measure, call, pid), connect=partial(same, call))
