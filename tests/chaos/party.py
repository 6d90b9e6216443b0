"""What all modules of the chaos run can do: answer, and come to harm in every way."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from typing import Any, Final

from logoscore import LogosAPI, PluginInterface, invokable
from logoscore.errors import LogosError
from logoscore.transport.channel import Channel
from logoscore.transport.frame import FOREVER

__all__ = ["DEATHS", "Victim"]


def _signal_itself(number: signal.Signals) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


#: How a module ends itself in the middle of a call.
DEATHS: Final[dict[str, Callable[[], object]]] = {
    "os._exit": lambda: os._exit(3),
    "sys.exit": lambda: sys.exit(4),
    "os.abort": os.abort,
    "bad pointer": lambda: ctypes.string_at(0),
    "SIGKILL": _signal_itself(signal.SIGKILL),
    "os._exit in a thread": lambda: threading.Thread(target=os._exit, args=(5,)).start(),
    "clean os._exit": lambda: os._exit(0),
}


class Victim(PluginInterface):
    """A module that answers what it is asked, until it is asked to die."""

    def init_logos(self, api: LogosAPI) -> None:
        super().init_logos(api)
        faulthandler.register(signal.SIGUSR2, all_threads=True)  # the watcher wants to see where it hangs

    @invokable
    def echo(self, value: Any) -> Any:
        return value

    @invokable
    def turned(self, data: bytes) -> bytes:
        return data[::-1]

    @invokable
    def count(self, nonce: int, end: int) -> Iterator[tuple[int, int]]:
        for number in range(end):
            yield nonce, number

    @invokable
    def fail(self, nonce: int) -> None:
        raise ValueError(str(nonce))

    @invokable
    def hang(self) -> None:
        threading.Event().wait()

    @invokable
    def die(self, how: str) -> None:
        DEATHS[how]()


class Spoiler(Victim):
    """Writes into its channels what the protocol does not allow."""

    @invokable
    def spoil(self, seed: int) -> int:
        """Harm one to three places of its channels; returns how many channels it has."""
        rng = Random(seed)
        channels = self._channels()
        for _ in range(rng.randint(1, 3)):
            rng.choice((_cursor, _records, _frame, _posts, _drain))(rng.choice(channels), rng)
        return len(channels)

    def _channels(self) -> list[Channel]:
        node = self.api._node
        channels = [link.channel for link in self.api.provider.links()]
        channels += [link.channel for link in list(node._channels._call_links.values())]
        return channels + [outlet.channel for outlet in list(node.publisher._outlets.values())]


def _cursor(channel: Channel, rng: Random) -> None:
    ring = rng.choice((*channel.senders, *channel.receivers)).ring
    word = rng.choice((0, 8, 16))
    ring.words[word] = rng.choice((rng.getrandbits(64), ring.words[word] + rng.randrange(-64, 64, 8) & (1 << 64) - 1))


def _records(channel: Channel, rng: Random) -> None:
    data = rng.choice((*channel.senders, *channel.receivers)).ring.data
    start = rng.randrange(0, len(data), 8)
    noise = rng.randbytes(min(rng.choice((8, 64, 4096)), len(data) - start))
    data[start : start + len(noise)] = noise


def _frame(channel: Channel, rng: Random) -> None:
    if channel.senders:
        try:
            channel.senders[0].send(rng.randbytes(rng.randrange(200)), FOREVER)
        except LogosError:
            pass  # closed, because of what we did before


def _posts(channel: Channel, rng: Random) -> None:
    with suppress(ValueError):  # closed meanwhile
        for _ in range(rng.choice((1, 1000, 100_000))):
            rng.choice(channel._semaphores).post()


def _drain(channel: Channel, rng: Random) -> None:
    while rng.choice(channel._semaphores).try_acquire():
        pass
