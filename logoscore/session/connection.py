"""From a party to one module: who that is, and the channel, opened when it is first needed.

    _connected ─▶ resolve the name (it may be a capability) ─▶ token from the capability module ─▶ channel from the core

Rules: one channel for each pair, and one token, however many threads want them: one of them gets it, the others wait for
that. A channel that was closed is forgotten; who comes next opens another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from logoscore.errors import CallTimeoutError, StateError
from logoscore.locks import Attempt
from logoscore.session.deadlines import deadline_after, seconds_left
from logoscore.session.execution import yield_turn
from logoscore.session.outgoing import CallLink

if TYPE_CHECKING:
    from logoscore.session.node import Node

__all__ = ["Connection"]

_T = TypeVar("_T")


class Connection:
    """What :class:`LogosAPIClient` stands on. (Its base, not a part of it: each call looks at the channel first.)"""

    def __init__(self, node: Node, target: str) -> None:
        self._node = node
        self._target = target
        self._module = target  # who that is: another name if ``target`` is a capability
        self._link: CallLink | None = None
        self._connecting = threading.Lock()
        self._connector = 0  # the thread that has it
        self._lost = False  # it was connected once

    @property
    def name(self) -> str:
        """The module that this client reaches."""
        return self._target

    def _connected(self, deadline: int) -> CallLink:
        """The channel, opened if there is none. Raises as :meth:`LogosAPIClient.call` does."""
        link = self._link
        return link if link is not None and link.sender.error is None else self._connect(deadline)

    def _connect(self, deadline: int) -> CallLink:
        return self._alone(self._connect_alone, deadline)

    def _connect_alone(self, deadline: int) -> CallLink:
        link = self._link
        if link is None or link.sender.error is not None:
            self._link = link = self._open(deadline)
        return link

    def _alone(self, work: Callable[[int], _T], deadline: int) -> _T:
        """Do what the threads of this party do one after the other."""
        self._node.check_open()
        if self._connector == threading.get_ident():
            raise StateError(
                f"{self._target}: a done-callback of a call to the capability module runs on the thread that is just "
                f"connecting, and cannot call: use a thread of your own"
            )
        with yield_turn():
            connecting = Attempt(self._connecting, seconds_left(deadline))
            with connecting as mine:
                try:
                    if not mine:
                        raise CallTimeoutError(f"{self._target}: another thread connects", module=self._target)
                    self._connector = threading.get_ident()
                    return work(deadline)
                finally:
                    if mine:
                        self._connector = 0
                        connecting.release()

    def _token(self, deadline: int) -> bytes:
        """The token for the channel that there is. Where somebody has taken it away, one thread asks for another."""
        token = self._node.tokens.held_bytes(self._module)
        if token is not None:
            return token
        # A capability's provider has one token for us, so its own client asks. (A stream's deadline is none; for its token it
        # waits as long as for anything else.)
        client = self._node.client(self._module)
        return client._alone(client._token_alone, min(deadline, deadline_after(self._node.default_timeout)))

    def _token_alone(self, deadline: int) -> bytes:
        token = self._node.tokens.held_bytes(self._module)
        return self._node.authenticate(self._module, deadline) if token is None else token

    def _open(self, deadline: int) -> CallLink:
        self._module = self._node.resolve(self._target, deadline)
        if self._module != self._target:
            # A capability: its provider has one token and one channel for us, under its own name.
            return self._node.client(self._module)._connected(deadline)
        return self._node.connect(self._module, deadline)

    def drop(self, link: CallLink) -> None:
        """For Node: this link is closed."""
        if self._link is link:
            self._link = None
            self._lost = True

    def __repr__(self) -> str:
        link = self._link
        if link is not None and link.error is None:
            state = "connected"
        else:
            state = "connects again at the next call" if self._lost or link is not None else "not connected yet"
        return f"<{type(self).__name__} {self._node.name} → {self._target}: {state}>"
