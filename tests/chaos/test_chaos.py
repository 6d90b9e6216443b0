"""The chaos run finds what it looks for: each of its judges is shown a defect. (The run itself: ``make chaos``.)"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from random import Random
from typing import Any

import pytest
from helpers import wait_until

from chaos import model, quiet
from chaos.hearing import Checker
from chaos.load import LOST, _Job, _settle
from chaos.stage import NAMES, Stage, act
from chaos.tally import DEFECTS, Tally
from chaos.waiting import waits_for
from chaos.watcher import Watcher
from logoscore import Core, Event
from logoscore.errors import (
    AuthenticationError,
    CallTimeoutError,
    ModuleCrashedError,
    ModuleNotLoadedError,
    RemoteError,
)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Without modules: its Core is not started."""
    tally = Tally()
    watcher = Watcher(tally, slack=0.05)
    yield Stage(Core(entry_points=False), tally, watcher, 1, tmp_path)
    watcher.close()


def defects(tally: Tally) -> dict[str, str]:
    """The kinds of which there is any, each with what is said of the first."""
    return {name: found[0] for name, found in tally._defects.items() if found}


@pytest.mark.parametrize(
    ("error", "defect"),
    [
        (CallTimeoutError("late"), None),
        (ModuleNotLoadedError("gone"), None),
        (ModuleCrashedError("dead", module="echo", pid=7, exit_code=3), None),
        (RemoteError("x", type_name="logoscore.errors.ModuleCrashedError", message="dead"), None),
        (RemoteError("a.b raised RemoteError: b.c raised CallTimeoutError: x", type_name="RemoteError"), None),
        (RemoteError("a.b raised RemoteError: b.c raised KeyError: x", type_name="RemoteError"), "unfitting errors"),
        (ModuleCrashedError("dead, but nobody knows which"), "unfitting errors"),
        (ModuleCrashedError("dead, but nobody knows how", module="echo", pid=7), "unfitting errors"),
        (AuthenticationError("who are you?"), "unfitting errors"),
        (RemoteError("x", type_name="AttributeError", message="bug"), "unfitting errors"),
        (RemoteError("x", type_name="logoscore.errors.AuthenticationError", message="bug"), "unfitting errors"),
        (TimeoutError("of whom?"), "unnamed errors"),
        (KeyError("bug"), "unnamed errors"),
    ],
)
def test_errors_are_judged(error: Exception, defect: str | None) -> None:
    tally = Tally()
    tally.failed("calls", "echo.echo", error, LOST)
    assert list(defects(tally)) == ([] if defect is None else [defect])
    assert tally.passed == (defect is None)
    assert tally.counted("calls").total() == 1


def outcome(stage: Stage, job: _Job, value: Any = None, error: Exception | None = None) -> dict[str, str]:
    future: Future[Any] = Future()
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(value)
    _settle(stage, "calls", job, future.result)
    return defects(stage.tally)


def test_an_answer_of_somebody_else_is_wrong(stage: Stage) -> None:
    question, others = model.question(Random(1)), model.question(Random(2))
    job = _Job("echo", "echo", (question,), question)
    assert outcome(stage, job, question) == {}
    assert list(outcome(stage, job, others)) == ["wrong answers"]


def test_an_answer_in_place_of_an_error_is_wrong(stage: Stage) -> None:
    job = _Job("echo", "fail", (7,), None, raises="ValueError")
    assert outcome(stage, job, error=RemoteError("x", type_name="ValueError", message="7")) == {}
    assert list(outcome(stage, job, None)) == ["wrong answers"]


def test_an_error_of_another_call_is_wrong(stage: Stage) -> None:
    job = _Job("echo", "fail", (7,), None, raises="ValueError")
    assert list(outcome(stage, job, error=RemoteError("x", type_name="ValueError", message="8"))) == [
        "unfitting errors"
    ]


def test_what_hangs_is_told_while_it_hangs(stage: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    with stage.watcher.watching("call of echo.echo", 0.0):
        wait_until(lambda: not stage.tally.passed, what="the watcher's word")
    wait_until(lambda: "test_what_hangs_is_told" in capfd.readouterr().err, what="the stack")
    assert "call of echo.echo in MainThread runs for" in defects(stage.tally)["hanging calls"]


def test_what_was_late_is_told_once(stage: Stage) -> None:
    stage.watcher.close()
    with stage.watcher.watching("call of echo.echo", -1.0):
        pass
    assert len(stage.tally._defects["hanging calls"]) == 1


def test_an_actor_that_raises_is_told(stage: Stage) -> None:
    def actor(stage: Stage, _: Random) -> None:
        stage.ended.set()
        raise LookupError("of the actor")

    assert not act(stage, [actor], 0, 60.0, 10.0)
    assert "of the actor" in defects(stage.tally)["unnamed errors"]


def tells() -> bool:
    """Whether this system says what a thread waits for."""
    calls = Path(f"/proc/self/task/{threading.get_native_id()}/syscall")
    return calls.exists() and Path("/proc/self/wchan").exists()


def test_an_actor_that_does_not_end_is_told(stage: Stage) -> None:
    end = threading.Event()

    def actor(stage: Stage, _: Random) -> None:
        end.wait()

    (hanging,) = act(stage, [actor], 0, 0.0, 0.05)
    assert hanging.name == "chaos-actor-0"
    wait_until(lambda: "somebody's" in waits_for(hanging) or not tells())  # a lock, and none of the interpreter's
    end.set()
    wait_until(lambda: all(each.name != "chaos-actor-0" for each in threading.enumerate()))


def heard(*events: tuple[int, str, bool], complete: bool = True) -> list[str]:
    """What a checker has to say of events with these sequence numbers, publisher's instances and gaps."""
    checker = Checker(complete=complete)
    for sequence, instance, gap in events:
        text = f"{instance}/7/0"
        checker.take(Event("herald", "news", (instance, text, zlib.crc32(text.encode())), sequence, 0.0, gap=gap))
    count, wrong = checker.result()
    assert count == len(events)
    return wrong


def test_events_are_judged() -> None:
    assert heard((3, "one", False), (4, "one", False), (1, "two", True), (2, "two", False)) == []
    assert heard((3, "one", False), (7, "one", True)) == []
    assert heard((3, "one", False), (7, "one", False), complete=False) == []
    assert "missing" in heard((3, "one", False), (7, "one", False))[0]
    assert "came after number 3" in heard((3, "one", False), (2, "one", False), complete=False)[0]
    assert "no gap" in heard((3, "one", False), (1, "two", False))[0]
    checker = Checker()
    checker.take(Event("herald", "news", ("one", "one/7/0", 1), 1, 0.0))
    assert "spoilt" in checker.result()[1][0]


@pytest.fixture
def resting(tmp_path: Path) -> Iterator[Stage]:
    """An app at rest, with one module."""
    tally = Tally()
    watcher = Watcher(tally)
    with Core(Path(quiet.__file__).with_name("modules"), entry_points=False) as core:
        core.load_plugin("relay_c")
        yield Stage(core, tally, watcher, 1, tmp_path)
    watcher.close()


def test_what_is_left_is_told(resting: Stage) -> None:
    first = quiet.figures(resting)
    quiet.look(resting, first, patience=5.0)
    assert defects(resting.tally) == {}
    end, (read, write) = threading.Event(), os.pipe()
    thread = threading.Thread(target=end.wait, name="left")
    thread.start()
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    quiet.look(resting, first, patience=0.0)
    end.set()
    thread.join()
    os.close(read)
    os.close(write)
    child.communicate()
    left = "\n".join(resting.tally._defects["leftovers"])
    assert "3 x descriptor of pipe" in left  # two ends of ours, and the child's stdin
    assert "1 x thread left" in left
    assert f"pid {child.pid} " in defects(resting.tally)["orphans"]


def test_who_does_not_come_back_is_told(resting: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "NAMES", ("relay_c", "nobody"))
    assert not quiet.recover(resting, Random(1), patience=0.0)
    assert "load of nobody: UnknownModuleError" in "\n".join(resting.tally._defects["not recovered"])


def test_nothing_wrong_is_said_of_nothing() -> None:
    tally = Tally()
    assert tally.passed
    assert all(f"  {0:>10,}  {name}" in tally.report() for name in DEFECTS)
    assert len(NAMES) == 9
