"""Requests wait for room while the callee waits for room for its replies: somebody always reads, or all would wait."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

import pytest
from acceptance.support import write_module
from helpers import wait_until

from logoscore import Core
from logoscore.session.client import LogosAPIClient

ECHO = """
from logoscore import PluginInterface, invokable


class Echo(PluginInterface):
    @invokable
    def hold(self, fifo):
        with open(fifo) as held:
            held.read()

    @invokable
    def length(self, text):
        return len(text)

    @invokable
    def text(self, length):
        return "x" * length

    @invokable
    def count(self, numbers):
        yield from range(numbers)
"""
LARGE = "x" * 300_000
"""More than what the ring for requests holds."""


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[LogosAPIClient]:
    write_module(tmp_path, "echo", ECHO)
    with Core(plugins_dir=tmp_path, entry_points=False) as core:
        yield core.load_plugin("echo")


def stuff(echo: LogosAPIClient, fifo: Path) -> None:
    """Until both rings are full of what nobody wants: requests that were cancelled, and the replies to them."""
    os.mkfifo(fifo)
    calls = [echo.submit("hold", str(fifo))]
    with fifo.open("w"):  # once it runs
        calls += [echo.submit("length", "") for _ in range(800)]
        for call in calls:
            assert call.cancel()
    link: Any = echo._link
    wait_until(lambda: not link._receiver.lock.locked(), what="nobody waits for a reply, so nobody reads")


def test_a_call(echo: LogosAPIClient, tmp_path: Path) -> None:
    stuff(echo, tmp_path / "fifo")
    assert echo.call("length", LARGE, timeout=15) == len(LARGE)


def test_a_submitted_call(echo: LogosAPIClient, tmp_path: Path) -> None:
    stuff(echo, tmp_path / "fifo")
    assert echo.submit("length", LARGE, timeout=15).result(30) == len(LARGE)


def test_calls_that_timed_out_and_no_thread_that_reads_for_futures(echo: LogosAPIClient, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(TimeoutError):
        echo.call("hold", str(fifo), timeout=0.3)
    with fifo.open("w"):
        for _ in range(30):
            with pytest.raises(TimeoutError):
                echo.call("length", "x" * 1000, timeout=0)
    assert echo.call("length", LARGE, timeout=15) == len(LARGE)


def test_callbacks_that_submit(echo: LogosAPIClient) -> None:
    """A crawler: each result leads to another call, while the first calls are still being made."""
    more: list[Future[Any]] = []
    failed: list[BaseException] = []

    def go_on(_: Future[Any]) -> None:
        try:
            more.append(echo.submit("text", 100))
        except BaseException as exc:  # noqa: BLE001 - looked at below
            failed.append(exc)

    calls = []
    for _ in range(4000):
        call = echo.submit("text", 100)
        call.add_done_callback(go_on)
        calls.append(call)
    assert not wait(calls, 60).not_done
    assert not failed
    wait_until(lambda: len(more) == len(calls))
    assert not wait(list(more), 60).not_done
    assert {call.result(0) for call in (*calls, *more)} == {"x" * 100}
