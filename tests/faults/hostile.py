"""A module that does in its own process whatever a test tells it, and one that it does it to."""

from __future__ import annotations

import os
import signal
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from acceptance.support import write_module
from helpers import wait_until

from logoscore import Core

#: ``run(code)`` executes code with ``api``, ``node`` and helpers to write into the links of this process.
EVIL = '''
import asyncio, os, threading, time
from logoscore import PluginInterface, invokable
from logoscore.errors import LogosError
from logoscore.leaks import wait_until
from logoscore.session.deadlines import deadline_after
from logoscore.transport import frame as fr, messages as m
from logoscore.transport.codec import SAFE

class Evil(PluginInterface):
    def init_logos(self, api):
        self.api = api
        self.tokens = {}
        self.space = dict(
            globals(), api=api, node=api._node, self=self, caller=self.caller, server=self.server, call=self.frame
        )

    def caller(self, target):
        """The channel to target, from this, the caller's side."""
        client = self.api.get_client(target)
        return client._connected(deadline_after(10))

    def server(self, peer):
        """The channel from peer, from this, the callee's side."""
        return next(link for link in self.api._node.provider._links.values() if link.peer == peer)

    def frame(self, target, method, *args, kind=fr.CALL, call_id=1 << 30, deadline=fr.FOREVER, token=None, flags=0):
        if token is None:  # the one that is valid now, or was
            token = self.tokens[target] = self.api._node.tokens.held_bytes(target) or self.tokens[target]
        return fr.HEADER.pack(kind, 0, flags, len(method), call_id, deadline, token) + method + SAFE.encode(list(args))[0]

    @invokable
    def run(self, code: str):
        self.space["R"] = None
        exec(code, self.space)
        return self.space["R"]

    @invokable
    def echo(self, value):
        return value

    @invokable
    def hang(self):
        threading.Event().wait()

    @invokable
    async def aecho(self, value):
        await asyncio.sleep(0)
        return value

    @invokable
    def count(self, end: int):
        yield from range(end)

    @invokable
    def fire(self, count: int, payload=None):
        for number in range(count):
            self.api.trigger("fired", number, payload)

    @invokable
    def bounce(self, there: str, back: str, depth: int) -> int:
        """Calls to and fro between two modules."""
        return 0 if not depth else 1 + self.api.get_client(there).call("bounce", back, there, depth - 1)

    @invokable
    async def abounce(self, there: str, back: str, depth: int) -> int:
        return 0 if not depth else 1 + await self.api.get_client(there).submit("abounce", back, there, depth - 1)
'''


def write_parties(folder: Path, **keys: Any) -> Path:
    """``evil`` and ``victim``, who may call each other, and ``bystander``, who may call both; ``keys``: victim's metadata."""
    write_module(folder, "evil", EVIL, calls=["victim", "bystander"], concurrency="multi", max_workers=16)
    write_module(folder, "victim", EVIL, **{"calls": ["evil", "bystander"], **keys})
    write_module(folder, "bystander", EVIL, calls=["evil", "victim"])
    return folder


@contextmanager
def parties(folder: Path, *, core: dict[str, Any] | None = None, **keys: Any) -> Iterator[tuple[Core, Any, Any, Any]]:
    """(core, evil, victim, bystander): loaded, and each of them called once by the app."""
    with Core(plugins_dir=write_parties(folder, **keys), entry_points=False, **(core or {})) as running:
        clients = [running.load_plugin(name) for name in ("evil", "victim", "bystander")]
        for client in clients:
            assert client.call("echo", 1) == 1
        yield running, clients[0], clients[1], clients[2]


def run(client: Any, code: str, timeout: float = 20.0) -> Any:
    """Execute ``code`` in that module's process; returns what it left in ``R``."""
    return client.call("run", textwrap.dedent(code), timeout=timeout)


def threads_of(pid: int) -> int:
    """How many threads the process has."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def stop(core: Core, name: str) -> int:
    """SIGSTOP that module's process; returns its pid once none of its threads runs any more."""
    pid = core.get_plugin_info(name).pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: set(_states(pid)) == {"T"}, what=f"the stop of {name}")
    return pid


def _states(pid: int) -> Iterator[str]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            yield (task / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue  # a thread that ended while we looked


@contextmanager
def stopped(core: Core, name: str) -> Iterator[None]:
    """The module's process does nothing at all meanwhile."""
    pid = stop(core, name)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
