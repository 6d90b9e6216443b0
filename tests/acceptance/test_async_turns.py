"""Coroutines of a module that runs one call at a time: who awaits gives his turn away, the loop never waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from logoscore import Core, LogosAPIClient, PluginInterface, invokable
from logoscore.errors import CallCancelledError


class Selfish(PluginInterface):
    """Calls itself, which needs the turn that it has."""

    @invokable
    async def pong(self) -> str:
        return "pong"

    @invokable
    def sync_pong(self) -> str:
        return "pong"

    @invokable
    async def ping(self, method: str = "pong") -> Any:
        return await self._ask(method)

    @invokable
    def sync_ping(self) -> Any:
        return self.api.get_client("selfish").call("ping")

    @invokable
    async def many(self, count: int) -> list[Any]:
        return await asyncio.gather(*(self._ask("pong") for _ in range(count)))

    @invokable
    async def rounds(self, count: int) -> list[Any]:
        return [await self._ask("many", 3) for _ in range(count)]

    @invokable
    async def forever(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def _ask(self, method: str, *args: Any) -> Any:
        return await self.api.get_client("selfish").submit(method, *args)


@pytest.fixture(scope="module")
def shared_core() -> Iterator[Core]:
    with Core(entry_points=False) as core:
        yield core


@pytest.fixture
def selfish(shared_core: Core) -> LogosAPIClient:
    return shared_core.load_plugin(Selfish)


@pytest.mark.parametrize("method", ["pong", "sync_pong", "sync_ping"])
def test_coroutine_calls_its_own_module(selfish: LogosAPIClient, method: str) -> None:
    assert selfish.call("ping", method) == "pong"
    assert selfish.call("pong") == "pong"


def test_coroutine_gathers_calls_of_its_own_module(selfish: LogosAPIClient) -> None:
    assert selfish.call("many", 5) == ["pong"] * 5
    assert selfish.call("rounds", 3) == [["pong"] * 3] * 3
    assert selfish.call("pong") == "pong"


def test_many_at_once(selfish: LogosAPIClient) -> None:
    calls = [selfish.submit("ping") for _ in range(40)] + [selfish.submit("many", 3) for _ in range(10)]
    assert [call.result(15) for call in calls] == ["pong"] * 40 + [["pong"] * 3] * 10


def test_cancelled_coroutines_give_their_turns_back(selfish: LogosAPIClient) -> None:
    running = selfish.submit("forever")
    waiting = [selfish.submit("ping") for _ in range(20)]
    assert running.cancel()
    for call in waiting[::2]:
        call.cancel()
    assert [call.result(15) for call in waiting[1::2]] == ["pong"] * 10
    with pytest.raises(CallCancelledError):
        running.result(5)
    assert selfish.call("rounds", 2) == [["pong"] * 3] * 2


def test_cancel_that_overtakes_its_call(selfish: LogosAPIClient) -> None:
    """The ring is read call by call, the control pipe at once: what is cancelled before it was read must not run."""
    for _ in range(20):
        blocker = selfish.submit("many", 10)
        running = [selfish.submit("forever") for _ in range(5)]
        for call in running:
            assert call.cancel()
        assert blocker.result(15) == ["pong"] * 10
        assert selfish.call("pong", timeout=15) == "pong"
