"""How long a call takes from here to a module and back, beside the simplest talk of two Python processes.

The two are not the same thing: a call finds a method by its name, has its token checked, and its values encoded,
decoded and compared with annotations; the pipe takes bytes there and back. They are measured in turns, so that both see
the same machine, whatever else it is doing.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

from logoscore import LogosAPIClient

_PAYLOAD = bytes(64)
_ROUNDS = 10
_WARM_UP = 300


def measure(client: LogosAPIClient, count: int) -> list[str]:
    """Lines that say how long ``count`` calls of ``client``'s echo took, and as many echoes over a pipe."""
    calls: list[float] = []
    echoes: list[float] = []
    with PipeEcho() as pipe:

        def call() -> bytes:
            data: bytes = client.call("echo", _PAYLOAD)
            return data

        _time(call, _WARM_UP)
        _time(pipe.echo, _WARM_UP)
        for _ in range(_ROUNDS):
            calls += _time(call, count // _ROUNDS)
            echoes += _time(pipe.echo, count // _ROUNDS)
    ratio = statistics.median(echoes) / statistics.median(calls)
    comparison = f"{ratio:.1f} times as fast as" if ratio >= 1 else f"{1 / ratio:.1f} times as slow as"
    return [
        f"  call of a module's method   {_summary(calls)}",
        f"  multiprocessing.Pipe, bytes {_summary(echoes)}",
        f"  {len(calls)} of each in turns, {len(_PAYLOAD)} bytes there and back, one at a time; {os.cpu_count()} CPUs.",
        f"  In the median the call was {comparison} the pipe in this run; other machines, other figures.",
    ]


class PipeEcho:
    """A process that sends back what it gets. (Its start, unlike a module's, needs app.py's ``__main__`` guard.)"""

    def __enter__(self) -> PipeEcho:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_echo_until_closed, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        return self

    def echo(self) -> bytes:
        """There and back."""
        self._ours.send_bytes(_PAYLOAD)
        return self._ours.recv_bytes()

    def __exit__(self, *_: object) -> None:
        self._ours.close()
        self._process.join()


def _echo_until_closed(connection: Connection) -> None:
    try:
        while True:
            connection.send_bytes(connection.recv_bytes())
    except EOFError:
        pass


def _time(action: Callable[[], bytes], count: int) -> list[float]:
    """Microseconds of each of ``count`` times."""
    times = []
    for _ in range(count):
        began = time.perf_counter_ns()
        data = action()
        times.append((time.perf_counter_ns() - began) / 1e3)
        if data != _PAYLOAD:
            raise RuntimeError("an echo is not what was sent")
    return times


def _summary(times: list[float]) -> str:
    percentiles = statistics.quantiles(times, n=100, method="inclusive")
    return f"p50 {percentiles[49]:7.1f} µs   p99 {percentiles[98]:7.1f} µs"
