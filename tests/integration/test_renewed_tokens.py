"""A token that was taken away while many threads call, and a module that is reloaded in the middle of a connection."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from acceptance.support import write_module
from transport_support import PATIENCE, Worker

from logoscore import Core
from logoscore.errors import CallTimeoutError, StateError

THREADS = 16
TIMEOUT = 10.0
MODULE = """
from typing import Iterator
from logoscore import PluginInterface, invokable

class Echo(PluginInterface):
    @invokable
    def echo(self, value: int) -> int:
        return value

    @invokable
    def count(self, end: int) -> Iterator[int]:
        yield from range(end)
"""


@pytest.fixture
def core(tmp_path: Path) -> Any:
    write_module(tmp_path, "echo", MODULE, capabilities=["echoing"])
    with Core(plugins_dir=tmp_path, entry_points=False, default_timeout=TIMEOUT) as core:
        core.load_plugin("echo")
        yield core


def watch_authenticate(core: Core, monkeypatch: pytest.MonkeyPatch, after: Callable[[int], None]) -> list[str]:
    """Note for whom the app asks for tokens, and call ``after`` with the number of times so far, the token being there."""
    node, asked = core.api._node, list[str]()
    authenticate = node.authenticate

    def watched(target: str, deadline: int) -> bytes:
        token = authenticate(target, deadline)
        if target == "echo":
            asked.append(target)
            after(len(asked))
        return token

    monkeypatch.setattr(node, "authenticate", watched)
    return asked


@pytest.mark.parametrize("names", [("echo",), ("echo", "echoing")])
def test_one_of_many_threads_asks_for_another(
    core: Core, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    """Of several new tokens the one presented last would be in force, and perhaps not the one that is held."""
    clients = [core.get_client(names[number % len(names)]) for number in range(THREADS)]
    for client in clients:
        assert client.call("echo", 1) == 1
    asked = watch_authenticate(core, monkeypatch, lambda _: None)
    together = threading.Barrier(THREADS)

    def call(client: Any, number: int) -> int:
        together.wait(PATIENCE)
        return int(client.call("echo", number))

    core.api.tokens.remove("echo")
    workers = [Worker(call, client, number) for number, client in enumerate(clients)]
    assert [worker.result() for worker in workers] == list(range(THREADS))
    assert asked == ["echo"]
    assert clients[0].call("echo", 2) == 2


def test_a_module_that_is_reloaded_between_token_and_channel_is_reached(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reload_once(count: int) -> None:
        if count == 1:
            core.reload_plugin("echo")

    asked = watch_authenticate(core, monkeypatch, reload_once)
    assert core.get_client("echo").call("echo", 3) == 3
    assert asked == ["echo"] * 2


def test_a_stream_waits_for_a_token_no_longer_than_a_call(core: Core) -> None:
    client = core.get_client("echo")
    assert client.call("echo", 4) == 4
    capability = core.get_plugin_info("capability_module").pid
    assert capability is not None
    core.api.tokens.remove("echo")
    os.kill(capability, signal.SIGSTOP)
    try:
        with pytest.raises(CallTimeoutError):
            client.stream("count", 3)
    finally:
        os.kill(capability, signal.SIGCONT)
    assert list(client.stream("count", 3)) == [0, 1, 2]


def test_whoever_is_connecting_cannot_call_in_between(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a done-callback would that runs on the thread that waits for the token."""
    errors: list[Exception] = []

    def call(_: int) -> None:
        with pytest.raises(StateError, match="thread of your own") as caught:
            core.get_client("echo").call("echo", 5)
        errors.append(caught.value)

    watch_authenticate(core, monkeypatch, call)
    assert core.get_client("echo").call("echo", 6) == 6
    assert len(errors) == 1
