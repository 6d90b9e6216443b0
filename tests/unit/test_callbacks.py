"""The queue between the threads that bring results and the one that pumps."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from logoscore.callbacks import Callbacks
from logoscore.errors import (
    CallTimeoutError,
    ChannelClosedError,
    LogosError,
    ModuleCrashedError,
    ModuleNotLoadedError,
    PermissionDeniedError,
    StateError,
    UnknownModuleError,
)


class Unreachable:
    """A client none of whose calls begins."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def submit(self, *_: Any) -> Any:
        raise self.error


def callbacks(error: Exception | None = None) -> Callbacks:
    return Callbacks(lambda _: Unreachable(error or UnknownModuleError("none")))  # type: ignore[return-value,arg-type]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (UnknownModuleError("x"), "Plugin not loaded: calc"),
        (ModuleNotLoadedError("x"), "Plugin not loaded: calc"),
        (ModuleCrashedError("x"), "Plugin not loaded: calc"),
        (StateError("not started"), "Plugin not loaded: calc"),
        (ChannelClosedError("x"), "Failed to connect to plugin: calc"),
        (PermissionDeniedError("x"), "Failed to connect to plugin: calc"),
        (CallTimeoutError("too late"), "Method call returned invalid result: too late"),
        (LogosError("odd"), "Method call returned invalid result: odd"),
        (MemoryError(), "Method call returned invalid result: MemoryError: "),
    ],
)
def test_a_call_that_cannot_begin_is_told_in_the_words_that_clients_match(error: Exception, text: str) -> None:
    queue = callbacks(error)
    seen: list[Any] = []
    queue.call("calc", "add", None, lambda *told: seen.append(told))
    assert seen == []
    assert queue.process_events() == 1
    assert queue.process_events() == 0
    assert seen == [(0, text)]


def test_in_their_order_and_what_callbacks_bring_about_next_time() -> None:
    queue = callbacks()
    seen: list[str] = []

    def again(_: int, message: str) -> None:
        seen.append(message)
        queue.tell(lambda _, text: seen.append(text), 1, f"{message} again")

    for number in range(5):
        queue.tell(again, 1, str(number))
    assert queue.process_events() == 5
    assert seen == list("01234")
    assert queue.process_events() == 5
    assert seen[5:] == [f"{number} again" for number in range(5)]


def test_process_events_leaves_a_quit_to_exec() -> None:
    queue = callbacks()
    queue.quit(3)
    queue.tell(lambda *_: None, 1, "")
    assert queue.process_events() == 1
    assert queue.exec() == 3


def test_what_a_callback_raises_costs_the_others_nothing() -> None:
    queue = callbacks()
    seen: list[str] = []

    def fail(*_: Any) -> None:
        raise RuntimeError("callback")

    queue.tell(fail, 1, "")
    queue.tell(lambda _, text: seen.append(text), 1, "next")
    with pytest.raises(RuntimeError, match="callback"):
        queue.process_events()
    queue.process_events()
    assert seen == ["next"]


def test_once_closed_nothing_is_delivered_and_every_exec_returns() -> None:
    queue = callbacks()
    seen: list[Any] = []
    inside = threading.Semaphore(0)
    queue.tell(lambda *_: inside.release(), 1, "")
    queue.tell(lambda *_: inside.release(), 1, "")
    threads = [threading.Thread(target=queue.exec) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert inside.acquire(timeout=10)
    queue.close()
    queue.tell(lambda *told: seen.append(told), 1, "late")
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert queue.process_events() == 0
    assert queue.exec() == 0
    assert seen == []


def test_closing_in_a_callback_keeps_the_rest() -> None:
    queue = callbacks()
    seen: list[str] = []
    queue.tell(lambda *_: queue.close(), 1, "")
    queue.tell(lambda _, text: seen.append(text), 1, "late")
    assert queue.process_events() == 1
    assert seen == []
