"""A done-callback runs on the thread that reads the replies: waiting there for a reply of the same client is refused."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from acceptance.support import write_module

from logoscore import Core, LogosAPIClient
from logoscore.errors import CallTimeoutError, StateError

HELPFUL = """
from logoscore import PluginInterface, invokable

class {name}(PluginInterface):
    @invokable
    def echo(self, value):
        return value

    @invokable
    def hold(self, fifo):
        with open(fifo) as held:
            return held.read()
"""

Attempt = Callable[[LogosAPIClient], Any]
WAITS: dict[str, Attempt] = {
    "call": lambda client: client.call("echo", 2, timeout=3),
    "result": lambda client: client.submit("echo", 2, timeout=60).result(timeout=3),
    "exception": lambda client: client.submit("echo", 2, timeout=60).exception(timeout=3),
    "methods": lambda client: client.methods(),
}
WORDS = r"helpful.*done-callback.*thread that reads.*submit"


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    for name in ("helpful", "other"):
        write_module(tmp_path, name, HELPFUL.format(name=name.title()), concurrency="multi", max_workers=4)
    os.mkfifo(tmp_path / "fifo")
    with Core(plugins_dir=tmp_path, entry_points=False, default_timeout=3.0) as core:
        core.load_plugins(["helpful", "other"])
        yield core


def _in_callback(future: Future[Any], attempt: Callable[[], Any]) -> Future[Any]:
    """What ``attempt`` gives in a done-callback of ``future``, which is not done yet."""
    outcome: Future[Any] = Future()

    def callback(_: Future[Any]) -> None:
        try:
            outcome.set_result(attempt())
        except BaseException as exc:  # noqa: BLE001 - whatever it raises is what is asked for
            outcome.set_exception(exc)

    assert not future.done()
    future.add_done_callback(callback)
    return outcome


def _held(client: LogosAPIClient, folder: Path, timeout: float = 60) -> tuple[Future[Any], Callable[[], object]]:
    """A call that is under way until the second value is called."""
    return client.submit("hold", str(folder / "fifo"), timeout=timeout), lambda: (folder / "fifo").write_text("done")


@pytest.mark.parametrize("attempt", WAITS.values(), ids=WAITS)
def test_waiting_for_a_reply_of_the_same_client_is_refused(core: Core, tmp_path: Path, attempt: Attempt) -> None:
    client = core.get_client("helpful")
    future, let_go = _held(client, tmp_path)
    outcome = _in_callback(future, lambda: attempt(client))
    let_go()
    with pytest.raises(StateError, match=WORDS):
        outcome.result(60)
    assert future.result() == "done"
    assert client.call("echo", 3) == 3


def test_so_it_is_where_a_thread_that_calls_reads_for_the_future(core: Core, tmp_path: Path) -> None:
    client = core.get_client("helpful")
    future, let_go = _held(client, tmp_path)
    outcome = _in_callback(future, lambda: client.call("echo", 2, timeout=3))
    # These threads read by turns until the future's reply has come.
    threads = [threading.Thread(target=_call_until, args=(client, future)) for _ in range(2)]
    for thread in threads:
        thread.start()
    let_go()
    with pytest.raises(StateError, match=WORDS):
        outcome.result(60)
    for thread in threads:
        thread.join()


def _call_until(client: LogosAPIClient, future: Future[Any]) -> None:
    while not future.done():
        assert client.call("echo", 1) == 1


def test_and_in_the_callback_of_a_call_whose_deadline_passed(core: Core, tmp_path: Path) -> None:
    client = core.get_client("helpful")
    future, let_go = _held(client, tmp_path, timeout=0.3)
    outcome = _in_callback(future, lambda: client.call("echo", 2, timeout=3))
    with pytest.raises(StateError, match=WORDS):
        outcome.result(60)
    with pytest.raises(CallTimeoutError):
        future.result(60)
    let_go()
    assert client.call("echo", 3) == 3


def test_submitting_and_calling_others_is_fine(core: Core, tmp_path: Path) -> None:
    client, other = core.get_client("helpful"), core.get_client("other")
    future, let_go = _held(client, tmp_path)
    outcome = _in_callback(future, lambda: (client.submit("echo", 2), other.call("echo", 4)))
    let_go()
    submitted, answer = outcome.result(60)
    assert (submitted.result(60), answer) == (2, 4)


def test_a_callback_of_a_future_that_is_done_runs_in_its_own_thread_and_may_call(core: Core) -> None:
    client = core.get_client("helpful")
    future = client.submit("echo", 1)
    assert future.result(60) == 1
    said: list[Any] = []
    future.add_done_callback(lambda _: said.append(client.call("echo", 2)))
    assert said == [2]


def test_a_look_that_does_not_wait_is_fine(core: Core, tmp_path: Path) -> None:
    client = core.get_client("helpful")
    future, let_go = _held(client, tmp_path)
    other, let_other_go = _held(client, tmp_path)
    outcome = _in_callback(future, lambda: other.exception(0))
    future.cancel()
    with pytest.raises(TimeoutError):
        outcome.result(60)
    let_go()
    del let_other_go
    assert other.result(60) == "done"


def test_at_the_end_of_the_channel_too(core: Core, tmp_path: Path) -> None:
    client = core.get_client("helpful")
    first, _ = _held(client, tmp_path)
    second, _ = _held(client, tmp_path)
    outcomes = [_in_callback(second, first.result), _in_callback(first, second.result)]
    core.unload_plugin("helpful")
    errors = [outcome.exception(60) for outcome in outcomes]
    # Whichever is told first cannot wait for the other; that one finds the first one told.
    assert {StateError} < set(map(type, errors))
