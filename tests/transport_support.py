"""Both ends of a channel in this process, over real shared memory, and threads whose outcome is not lost."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from logoscore.errors import ChannelClosedError, LogosError
from logoscore.transport.channel import Channel, Receiver, Sender, channel_size
from logoscore.transport.segment import IN_MEMORY, create_memory, create_semaphores, unlink_semaphore
from logoscore.transport.spin import Spinner

PATIENCE = 40.0
"""Seconds after which a test gives up; nothing that works takes as long."""
_MAPS = Path("/proc/self/maps")


def soon() -> int:
    """A deadline that only a hanging test reaches."""
    return time.monotonic_ns() + int(PATIENCE * 1e9)


class Worker(threading.Thread):
    """Runs a function at once; :meth:`result` gives what it gave, or raises what it raised."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        super().__init__(daemon=True)
        self._work = lambda: function(*args)
        self._outcome: tuple[Any, BaseException | None] | None = None
        self.start()

    def run(self) -> None:
        try:
            self._outcome = (self._work(), None)
        except BaseException as exc:  # noqa: BLE001 - whoever asks for the result gets it
            self._outcome = (None, exc)

    def result(self) -> Any:
        self.join(PATIENCE)
        assert self._outcome is not None, "the thread hangs"
        value, error = self._outcome
        if error is not None:
            raise error
        return value


def mapped() -> list[str]:
    """The project's memory and semaphores that this process has mapped."""
    if not _MAPS.exists():
        return []
    names = [line.split(maxsplit=5)[5].strip() for line in _MAPS.read_text().splitlines() if len(line.split()) > 5]
    return sorted(name for name in names if "memfd:logoscore" in name or "sem.logos" in name)


@contextmanager
def semaphores(count: int) -> Iterator[list[str]]:
    """Names of new semaphores, removed in the end."""
    names = create_semaphores(count)
    try:
        yield names
    finally:
        for name in names:
            unlink_semaphore(name)


class Pair(NamedTuple):
    """``near`` writes the first ring and reads the second, ``far`` the other way round."""

    near: Channel
    far: Channel

    @property
    def sender(self) -> Sender:
        return self.near.senders[0]

    @property
    def receiver(self) -> Receiver:
        return self.far.receivers[0]

    def end(self, error: LogosError | None = None) -> None:
        for channel in self:
            channel.close(error or ChannelClosedError("the test is over"))
        for channel in self:
            channel.dispose()


KINDS = ("in memory", "named") if IN_MEMORY else ("named",)
"""Of semaphores that this system has."""
kind = KINDS[0]


@pytest.fixture(autouse=True, params=KINDS)
def each_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """For the tests of a file that imports this: channels with either kind of semaphores."""
    monkeypatch.setattr(sys.modules[__name__], "kind", request.param)
    return request.param  # type: ignore[no-any-return]  # pytest does not know


def open_pair(capacities: Sequence[int] = (1024, 1024), spin: int = 20, places: int = 0) -> Pair:
    spinner = Spinner(spin)
    memory = create_memory(channel_size(capacities, places))
    names = create_semaphores(2 * len(capacities)) if kind == "named" else []
    try:
        writes = [index == 0 for index in range(len(capacities))]
        near = Channel(os.dup(memory), capacities, names, writes, spinner, places)
        far = Channel(os.dup(memory), capacities, names, [not each for each in writes], spinner, places)
    finally:
        os.close(memory)
        for name in names:
            unlink_semaphore(name)
    return Pair(near, far)


@contextmanager
def channel_pair(*capacities: int, spin: int = 20, places: int = 0) -> Iterator[Pair]:
    """A channel's two ends; afterwards nothing of it may be mapped any more."""
    before = mapped()
    pair = open_pair(capacities or (1024, 1024), spin, places)
    try:
        yield pair
    finally:
        pair.end()
    assert mapped() == before


def collect(receiver: Receiver, count: int) -> list[bytes]:
    """The next ``count`` messages."""
    messages: list[bytes] = []
    until = soon()
    with receiver.lock:
        while len(messages) < count:
            message = receiver.receive(until)
            if message is not None:
                messages.append(message)
            else:
                assert time.monotonic_ns() < until, f"only {len(messages)} of {count} messages came"
    return messages


def drain(receiver: Receiver) -> list[bytes]:
    """What is there now, without waiting."""
    messages: list[bytes] = []
    with receiver.lock:
        while (message := receiver.receive(0)) is not None:
            messages.append(message)
    return messages


def pattern(size: int, seed: int) -> bytes:
    """``size`` bytes in which a piece that is missing, doubled or misplaced shows."""
    return b"".join((seed * 0x9E3779B1 + place & 0xFFFFFFFF).to_bytes(4, "little") for place in range(-(-size // 4)))[
        :size
    ]
