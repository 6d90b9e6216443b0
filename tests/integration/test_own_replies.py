"""A thread that pumps reads the replies to its calls itself. Here it always does, however long they take."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from helpers import wait_until

from logoscore import Core, PluginInterface, invokable
from logoscore.session.own_replies import OwnReplies

OK = "Method call successful. Result: "


class Worker(PluginInterface):
    @invokable
    def add(self, left: int, right: int) -> int:
        return left + right

    @invokable
    def after(self, seconds: float) -> float:
        threading.Event().wait(seconds)  # a method that takes its time
        return seconds

    @invokable
    def text(self, size: int) -> str:
        return "x" * size

    @invokable
    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Other(Worker):
    pass


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch) -> Iterator[Core]:
    monkeypatch.setattr(OwnReplies, "expected", lambda _: True)
    with Core(entry_points=False) as core:
        core.load_plugin(Worker)
        core.load_plugin(Other)
        yield core


class Answers:
    """What the callbacks were told, in order, by call."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.told: list[tuple[int, int, str]] = []
        self.asked = 0

    def ask(self, module: str, method: str, *params: Any) -> None:
        number, self.asked = self.asked, self.asked + 1
        self.core.call_plugin_method_async(
            module, method, list(params), lambda result, message: self.told.append((number, result, message))
        )

    def pump(self) -> list[tuple[int, int, str]]:
        """Until all have been told, and then once more: nobody is told twice."""

        def pumped() -> bool:
            self.core.process_events()
            return len(self.told) >= self.asked

        wait_until(pumped, what="every call is answered")
        self.core.process_events()
        return sorted(self.told)


def test_one_after_the_other(core: Core) -> None:
    answers = Answers(core)
    for number in range(300):
        answers.ask("worker", "add", number, 1)
        answers.pump()
    assert answers.told == [(number, 1, f"{OK}{number + 1}") for number in range(300)]


def test_slow_large_and_of_several_modules(core: Core) -> None:
    answers = Answers(core)
    for number in range(20):
        answers.ask("worker" if number % 2 else "other", "after", 0.002 * (number % 5))
        answers.ask("other", "text", 300_000)
        answers.ask("worker", "add", number, number)
    told = answers.pump()
    assert [(number, result) for number, result, _ in told] == [(number, 1) for number in range(60)]
    assert {len(message) for _, _, message in told[1::3]} == {len(OK) + 300_000}


def test_a_call_that_nobody_reads_for_a_while_delays_no_other(core: Core) -> None:
    answers = Answers(core)
    answers.ask("worker", "text", 300_000)
    assert core.get_client("worker").call("add", 1, 2) == 3
    assert core.get_client("worker").submit("add", 2, 2).result() == 4
    [(_, result, _)] = answers.pump()
    assert result == 1


def test_a_module_that_dies(core: Core) -> None:
    answers = Answers(core)
    answers.ask("worker", "die")
    [(_, result, message)] = answers.pump()
    assert result == 0
    assert "killed by SIGKILL" in message


def test_in_exec(core: Core) -> None:
    told: list[str] = []

    def answer(_: int, message: str) -> None:
        told.append(message)
        if len(told) == 100:
            core.quit(5)
        elif len(told) % 10:
            core.call_plugin_method_async("worker", "add", [len(told), 1], answer)
        else:
            core.call_plugin_method_async("other", "after", [0.003], answer)

    answer(1, "")
    assert core.exec() == 5
    assert told[1:3] == [f"{OK}2", f"{OK}3"]


def test_another_thread_is_in_exec(core: Core) -> None:
    told: list[str] = []
    executing = threading.Thread(target=core.exec)
    executing.start()

    def answer(_: int, message: str) -> None:
        told.append(message)
        if len(told) == 20:
            core.quit()

    for number in range(20):
        core.call_plugin_method_async("worker", "add", [number, 0], answer)
    executing.join()
    assert sorted(told) == sorted(f"{OK}{number}" for number in range(20))


def test_unloaded_before_anybody_reads(core: Core) -> None:
    answers = Answers(core)
    answers.ask("worker", "add", 1, 2)
    core.unload_plugin("worker")
    assert len(answers.pump()) == 1
