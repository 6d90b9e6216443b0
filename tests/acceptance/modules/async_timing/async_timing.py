"""Coroutines, delays, generators, and what becomes of them when the caller gives up.

The waits below are the work that these methods simulate.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

from logoscore import PluginInterface, invokable


class AsyncTiming(PluginInterface):
    def init_logos(self, api: Any) -> None:
        self.api = api
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._gate: asyncio.Event | None = None

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1

    @invokable
    def counters(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)

    @invokable
    async def add(self, a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    @invokable
    async def fail(self) -> None:
        await asyncio.sleep(0)
        raise ValueError("deliberate")

    @invokable
    async def echo_with_delay(self, value: Any, seconds: float) -> Any:
        self._count("started")
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self._count("cancelled")
            raise
        self._count("finished")
        return value

    @invokable
    def blocking_echo_with_delay(self, value: Any, seconds: float) -> Any:
        self._count("started")
        threading.Event().wait(seconds)
        self._count("finished")
        return value

    @invokable
    def remaining(self) -> float:
        """How long my caller still waits."""
        return self.api.current_caller().remaining

    @invokable
    async def wait_for_ever(self) -> None:
        self._count("started")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self._count("cancelled")
            raise

    @invokable
    async def wait_for_gate(self) -> str:
        """Wait until ``open_gate`` is called: two coroutines of one host must make progress together."""
        if self._gate is None:
            self._gate = asyncio.Event()
        self._count("started")
        await self._gate.wait()
        return "through"

    @invokable
    async def open_gate(self) -> None:
        if self._gate is None:
            self._gate = asyncio.Event()
        self._gate.set()

    @invokable
    def count_to(self, limit: int) -> Iterator[int]:
        try:
            yield from range(limit)
        finally:
            self._count("closed")

    @invokable
    async def async_count_to(self, limit: int) -> AsyncIterator[int]:
        try:
            for number in range(limit):
                await asyncio.sleep(0)
                yield number
        finally:
            self._count("closed")

    @invokable
    async def one_and_no_more(self) -> AsyncIterator[int]:
        try:
            yield 1
            self._count("started")
            await asyncio.Event().wait()
        finally:
            self._count("closed")

    @invokable
    def count_produced(self, limit: int) -> Iterator[int]:
        """As ``count_to``, with the items that were produced counted."""
        for number in range(limit):
            self._count("produced")
            yield number

    @invokable
    def fail_after(self, good: int) -> Iterator[int]:
        yield from range(good)
        raise ValueError("deliberate")
