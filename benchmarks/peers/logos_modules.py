"""The modules that the benchmarks load. Hosts import this file, so it imports little."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

from benchmarks.loops import Plan, measure
from benchmarks.peers.running import WrongAnswerError, glimpse
from logoscore import PluginInterface, invokable

__all__ = ["BenchAdder", "BenchCaller", "BenchLarge", "BenchPublisher", "BenchSubscriber"]


class BenchAdder(PluginInterface):
    """The module that is called."""

    @invokable
    def add(self, a: int, b: int) -> int:
        """The sum."""
        return a + b

    @invokable
    def take(self, data: bytes) -> int:
        """What a glimpse at it says."""
        return glimpse(data)


class BenchCaller(PluginInterface):
    """The module that calls, and measures."""

    metadata: ClassVar[dict[str, Any]] = {"calls": ["bench_adder"]}

    @invokable
    def measure(self, callee: int, plan: dict[str, int]) -> dict[str, Any]:
        """One round of calls to the adder, whose pid is ``callee``."""
        remote = self.api.get_client("bench_adder").call

        def call() -> None:
            if remote("add", 1, 2) != 3:
                raise WrongAnswerError("logoscore: 1 + 2 is not 3")

        return measure(call, callee, Plan(**plan)).to_dict()


class BenchLarge(PluginInterface):
    """Takes and gives what is large."""

    def init_logos(self, api: Any) -> None:
        """Nothing is kept yet."""
        super().init_logos(api)
        self._kept: list[bytes] = []

    @invokable
    def take_array(self, data: Any) -> int:
        """What a glimpse at a numpy array says."""
        return glimpse(memoryview(data))

    @invokable
    def keep(self, data: bytes) -> None:
        """Keep it, beside the one before it."""
        self._kept = [*self._kept[-1:], bytes(data)]

    @invokable
    def give(self) -> bytes:
        """The two that are kept, in turn."""
        self._kept.reverse()
        return self._kept[0]


class BenchPublisher(PluginInterface):
    """Publishes."""

    @invokable
    def publish(self, count: int) -> None:
        """So many events."""
        trigger = self.api.trigger
        for _ in range(count):
            trigger("tick", 1, 2)


class BenchSubscriber(PluginInterface):
    """Hears everything that the publisher publishes, and says when it was so much."""

    metadata: ClassVar[dict[str, Any]] = {"calls": ["bench_publisher"], "concurrency": "multi", "max_workers": 2}

    def init_logos(self, api: Any) -> None:
        """Subscribe."""
        super().init_logos(api)
        self._heard = self._wanted = 0
        self._news = threading.Condition()
        api.get_client("bench_publisher").on_event("tick", self._hear)

    def _hear(self, _: Any) -> None:
        self._heard += 1
        if self._heard >= self._wanted:
            with self._news:
                self._news.notify_all()

    @invokable
    def heard(self, count: int) -> bool:
        """Wait until there were so many in all."""
        with self._news:
            self._wanted = count
            return self._news.wait_for(lambda: self._heard >= count, 60)
