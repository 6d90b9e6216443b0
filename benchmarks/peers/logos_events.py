"""Events of a module: to the app, or to so many modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from benchmarks.peers.logos import pid_of
from benchmarks.peers.logos_modules import BenchPublisher, BenchSubscriber
from benchmarks.peers.running import WrongAnswerError

if TYPE_CHECKING:
    from logoscore.core import Core

_PATIENCE: Final = 60.0


@contextmanager
def events(core: Core, subscribers: int) -> Iterator[tuple[Callable[[int], object], list[int]]]:
    """See :attr:`benchmarks.peers.running.Running.events`. One subscriber is the app, several are modules."""
    publisher = core.load_plugin(BenchPublisher)
    with ExitStack() as stack:
        stack.callback(core.unload_plugin, "bench_publisher")
        pids = [pid_of(core, "bench_publisher")]
        if subscribers == 1:
            subscription = stack.enter_context(publisher.subscribe("tick"))
            sequence = iter(subscription)

            def publish_to_app(count: int) -> None:
                done = publisher.submit("publish", count, timeout=_PATIENCE)
                for _ in range(count):
                    if next(sequence).data != (1, 2):
                        raise WrongAnswerError("logoscore: this is not what was published")
                done.result()

            yield publish_to_app, pids
            return
        listeners = []
        for number in range(subscribers):
            kind = type(f"BenchSubscriber{number}", (BenchSubscriber,), {"__module__": BenchSubscriber.__module__})
            listeners.append(core.load_plugin(kind))
            stack.callback(core.unload_plugin, listeners[-1].name)
            pids.append(pid_of(core, listeners[-1].name))
        published = 0

        def publish(count: int) -> None:
            nonlocal published
            published += count
            waiting = [listener.submit("heard", published, timeout=_PATIENCE) for listener in listeners]
            publisher.call("publish", count, timeout=_PATIENCE)
            if not all(each.result() for each in waiting):
                raise WrongAnswerError("logoscore: a subscriber has not heard everything")

        yield publish, pids
