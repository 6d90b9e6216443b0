"""The core manager's events: said in order, and no thread comes up for what is said after the end."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from logoscore import supervision
from logoscore.locks import Thread
from logoscore.supervision import Notices


def test_what_was_sent_before_the_end_is_published_in_order() -> None:
    said: list[tuple[Any, ...]] = []
    notices = Notices(lambda *event: said.append(event))
    for number in range(100):
        notices.send("module_crashed", number)
    notices.close()
    assert said == [("module_crashed", number) for number in range(100)]


def test_a_death_that_is_noticed_during_clean_up_leaves_no_thread() -> None:
    said: list[tuple[Any, ...]] = []
    notices = Notices(lambda *event: said.append(event))
    notices.close()
    notices.send("module_crashed", "late")
    assert not any(thread.name == "logos-notices" for thread in threading.enumerate())
    assert said == []


def test_what_no_thread_was_to_be_had_for_is_said_with_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoThread(Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    said: list[tuple[Any, ...]] = []
    notices = Notices(lambda *event: said.append(event))
    with monkeypatch.context() as patch:
        patch.setattr(supervision, "Thread", NoThread)
        notices.send("module_crashed", 1)
    notices.send("module_crashed", 2)
    notices.close()
    assert said == [("module_crashed", 1), ("module_crashed", 2)]
