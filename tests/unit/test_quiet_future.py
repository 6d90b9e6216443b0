"""QuietFuture does what the standard library's future does, whether its condition was made before or after."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logoscore.errors import LogosError, StateError
from logoscore.session import future as future_module
from logoscore.session.call import Call
from logoscore.session.future import QuietFuture

Future = concurrent.futures.Future[Any]


def said(action: Callable[[], Any]) -> Any:
    """What came of it: a value, or the class of what was raised."""
    try:
        return action()
    except BaseException as exc:  # noqa: BLE001 - compared with the original's
        return type(exc)


def settle(future: Future, value: int) -> None:
    if isinstance(future, QuietFuture):
        future.settle(value)
    else:
        future.set_result(value)


ACTIONS: dict[str, Callable[[Future, list[Any]], Any]] = {
    "settle": lambda future, _: settle(future, 7),
    "set_result": lambda future, _: future.set_result(8),
    "set_exception": lambda future, _: future.set_exception(ZeroDivisionError("deliberate")),
    "cancel": lambda future, _: future.cancel(),
    "run": lambda future, _: future.set_running_or_notify_cancel() if not future.done() else None,
    "callback": lambda future, heard: future.add_done_callback(lambda done: heard.append(done.done())),
    "result": lambda future, _: future.result(0),
    "exception": lambda future, _: type(future.exception(0)),
    "state": lambda future, _: (future.done(), future.running(), future.cancelled()),
    "repr": lambda future, _: repr(future).partition(" state=")[2],
    "wait": lambda future, _: len(concurrent.futures.wait([future], 0).done),
}


@given(st.lists(st.sampled_from(sorted(ACTIONS)), max_size=12))
def test_it_does_what_the_original_does(names: list[str]) -> None:
    ours, original = QuietFuture(), concurrent.futures.Future[Any]()
    heard: tuple[list[Any], list[Any]] = ([], [])
    for name in names:
        assert said(lambda n=name: ACTIONS[n](ours, heard[0])) == said(lambda n=name: ACTIONS[n](original, heard[1]))
    assert heard[0] == heard[1]


def test_a_thread_that_waits_is_woken() -> None:
    for _ in range(200):
        future = QuietFuture()
        found: list[Any] = []
        thread = threading.Thread(target=lambda f=future, out=found: out.append(f.result(20)))
        thread.start()
        future.settle("here")
        thread.join(20)
        assert found == ["here"]


def test_every_callback_runs_once_whoever_is_first() -> None:
    for _ in range(200):
        future = QuietFuture()
        heard: list[int] = []
        threads = [
            threading.Thread(target=lambda f=future, n=n, out=heard: f.add_done_callback(lambda _: out.append(n)))
            for n in range(3)
        ]
        threads.insert(1, threading.Thread(target=future.settle, args=(1,)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sorted(heard) == [0, 1, 2]


def test_it_can_be_awaited() -> None:
    async def main() -> list[Any]:
        early, late = QuietFuture(), QuietFuture()
        early.settle(1)
        threading.Timer(0.01, late.settle, (2,)).start()
        return await asyncio.gather(asyncio.wrap_future(early), asyncio.wrap_future(late))

    assert asyncio.run(main()) == [1, 2]


def test_an_unknown_attribute_is_named() -> None:
    with pytest.raises(AttributeError, match="nothing_like_it"):
        QuietFuture().nothing_like_it  # noqa: B018 - the look-up is what is tested


class Origin:
    """Counts how often a call's callee is told that it was given up."""

    def __init__(self) -> None:
        self.told = 0

    def outcome(self, reply: bytes) -> Any:
        return reply

    def abandon(self) -> None:
        self.told += 1

    def timed_out(self) -> LogosError:
        return StateError("late")


def test_threads_that_cancel_a_call_at_the_same_moment_all_succeed_and_the_callee_is_told_once() -> None:
    origin = Origin()
    call = Call(origin)
    at_once = threading.Barrier(3)

    cancelled = call.cancelled
    met = threading.local()

    def look() -> bool:
        answer = cancelled()
        if not getattr(met, "here", False):
            met.here = True
            at_once.wait(20)
        return answer

    call.cancelled = look  # type: ignore[method-assign]
    outcomes: list[Any] = []
    threads = [threading.Thread(target=lambda: outcomes.append(said(call.cancel))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert outcomes == [True] * 3
    assert origin.told == 1


def test_a_forked_child_does_not_wait_for_a_thread_of_its_parents() -> None:
    future = QuietFuture()
    future.settle(7)
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with future_module._making:
            held.set()
            release.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(20)
    child = os.fork()
    if not child:
        signal.alarm(20)
        heard: list[Any] = []
        future.add_done_callback(lambda done: heard.append(done.result()))
        os._exit(0 if heard == [7] else 1)
    release.set()
    thread.join(20)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
