"""Work aside: in order, and refused with a word where no thread is to be had."""

from __future__ import annotations

import threading

import pytest
from helpers import wait_until

from logoscore import lanes
from logoscore.errors import TransportError
from logoscore.lanes import Lanes
from logoscore.locks import Thread


def test_a_lane_keeps_its_order() -> None:
    done: list[int] = []
    work = Lanes()
    for number in range(100):
        work.put("chat", "one lane", lambda number=number: done.append(number))  # type: ignore[misc]
    wait_until(lambda: len(done) == 100)
    assert done == list(range(100))


def test_where_no_thread_is_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoThread(Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    done = threading.Event()
    work = Lanes()
    with monkeypatch.context() as patch:
        patch.setattr(lanes, "Thread", NoThread)
        with pytest.raises(TransportError, match="no thread can be had for what chat asks: can't start new thread"):
            work.put("chat", "one lane", done.set)
    work.put("chat", "one lane", done.set)  # and what was refused is not in its way
    assert done.wait(15)
