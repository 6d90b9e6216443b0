"""What an outbox counts is what waits in it, whatever came in and by whichever way it went."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logoscore.errors import ChannelClosedError, ProtocolViolationError
from logoscore.transport import outbox
from logoscore.transport.control import ControlPipe
from logoscore.transport.outbox import Outbox

_KIB = 1 << 10


@dataclass
class _Narrow:
    """A pipe that takes as many bytes as it is allowed to."""

    room: int = 0
    closed: bool = False
    taken: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.end, self.other = socket.socketpair()

    def fileno(self) -> int:
        return self.end.fileno()

    def send_some(self, data: memoryview, descriptors: tuple[int, ...]) -> int:
        if self.closed:
            raise ChannelClosedError("it is closed")
        sent = min(self.room, len(data))
        self.room -= sent
        self.taken.append(bytes(data[:sent]))
        return sent


@contextlib.contextmanager
def _narrow() -> Iterator[tuple[_Narrow, Outbox, list[ProtocolViolationError]]]:
    pipe = _Narrow()
    failures: list[ProtocolViolationError] = []
    box = Outbox(pipe, "logos-send-test", failures.append)  # type: ignore[arg-type]
    try:
        yield pipe, box, failures
    finally:
        box.close()
        pipe.end.close()
        pipe.other.close()


_PUTS = st.builds(
    dict,
    size=st.integers(0, 40),
    key=st.integers(0, 3),
    withdrawable=st.booleans(),
    withdraws=st.booleans(),
    droppable=st.booleans(),
    limited=st.booleans(),
    descriptors=st.integers(0, 1),
)
_SENDS = st.integers(0, 100)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(outbox, "_MAX_WAITING", 12)
    monkeypatch.setattr(outbox, "_MAX_WAITING_BYTES", 150)
    monkeypatch.setattr(outbox, "_MAX_DROPPABLE", 4)


@pytest.mark.usefixtures("quick")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(_PUTS | _SENDS, max_size=40), ends=st.sampled_from(["close", "broken", "all is sent"]))
def test_what_is_counted_is_what_waits(steps: list[Any], ends: str) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    before = _descriptors()
    try:
        with _narrow() as (pipe, box, failures):
            opened = _descriptors()
            for step in steps:
                if isinstance(step, int):
                    with box._lock:
                        pipe.room = step
                        box._send_what_goes()
                        pipe.room = 0
                else:
                    put = dict(step)
                    message, descriptors = b"m" * put.pop("size"), (null,) * put.pop("descriptors")
                    box.put(message, descriptors, **put)
                _check(box)
                assert box._droppable <= 4
                assert _descriptors() - opened == sum(len(each.descriptors) for each in box._waiting)
            assert len(failures) == box._closed
            with box._lock:
                pipe.room, pipe.closed = (1 << 20 if ends == "all is sent" else 0), ends == "broken"
                with contextlib.suppress(ChannelClosedError):
                    box._send_what_goes()
            if ends == "close":
                box.close()
            thread = box._thread
            if thread is not None:
                thread.join()
            assert not box._waiting
            _check(box)
        assert _descriptors() == before
    finally:
        os.close(null)


def _descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def _check(box: Outbox) -> None:
    with box._lock:
        assert box._bytes == sum(len(each.data) for each in box._waiting if each.limited)
        assert box._droppable == sum(each.droppable for each in box._waiting)


@pytest.fixture
def ends() -> Iterator[tuple[Outbox, ControlPipe, list[ProtocolViolationError]]]:
    """An outbox, the other end of its pipe, and what it gave up for."""
    ours, theirs = socket.socketpair()
    pipe = ControlPipe(ours.detach(), max_message=_KIB, accept_descriptors=False)
    other = ControlPipe(theirs.detach(), max_message=1 << 30, accept_descriptors=False)
    failures: list[ProtocolViolationError] = []
    box = Outbox(pipe, "logos-send-test", failures.append)
    yield box, other, failures
    box.close()
    pipe.close()
    other.close()


def _receive(other: ControlPipe) -> bytes:
    received = other.receive()
    assert received is not None
    return received[0]


def test_what_may_be_dropped_is_not_once_others_of_its_kind_have_gone(
    ends: tuple[Outbox, ControlPipe, list[ProtocolViolationError]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_MAX_DROPPABLE", 10)
    box, other, failures = ends
    box.put(b"first" * 200_000)  # more than a socket takes
    for number in range(20):
        box.put(b"cancel %d" % number, droppable=True)
    box.put(b"large" * 200_000)  # it waits on when the cancels have gone
    assert _receive(other).startswith(b"first")
    assert [_receive(other) for _ in range(10)] == [b"cancel %d" % number for number in range(10)]

    box.put(b"one more", droppable=True)
    box.put(b"last")

    assert _receive(other).startswith(b"large")
    assert _receive(other) == b"one more"
    assert not failures


def test_what_is_not_limited_leaves_the_count_of_the_rest_alone(
    ends: tuple[Outbox, ControlPipe, list[ProtocolViolationError]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_MAX_WAITING_BYTES", 2 << 20)
    box, other, failures = ends
    box.put(b"bootstrap" * (1 << 20), limited=False)
    box.put(b"a" * (3 << 20))
    assert not failures
    assert _receive(other).startswith(b"bootstrap")

    box.put(b"b")

    assert len(failures) == 1
    assert "does not read its control pipe: 1 messages wait" in str(failures[0])
