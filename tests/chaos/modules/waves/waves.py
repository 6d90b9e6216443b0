import asyncio
from collections.abc import AsyncIterator
from typing import Any

from chaos.party import Victim

from logoscore import invokable


class Waves(Victim):
    """Answers on the event loop."""

    @invokable
    async def echo(self, value: Any) -> Any:
        await asyncio.sleep(0)
        return value

    @invokable
    async def count(self, nonce: int, end: int) -> AsyncIterator[tuple[int, int]]:
        for number in range(end):
            yield nonce, number

    @invokable
    async def sleep(self, seconds: float, value: Any) -> Any:
        await asyncio.sleep(seconds)
        return value

    @invokable
    async def hang(self) -> None:
        await asyncio.Event().wait()
