"""A party in the app's own process: the app itself (``core``) and the core manager.

It is what a host is, without process and pipe: the core's messages are handed over directly, with duplicates of their
descriptors, and its own messages go straight to the brokerage.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from typing import Any

from logoscore.brokerage import Brokerage, Party
from logoscore.errors import LogosError
from logoscore.session.api import LogosAPI
from logoscore.session.gate import Gate
from logoscore.session.node import CAPABILITY_MODULE, Node
from logoscore.tokens import new_token
from logoscore.transport.segment import IN_MEMORY
from logoscore.transport.spin import Spinner

__all__ = ["LocalParty"]

_WORKERS = 64  # the app's own callbacks and the core manager's calls run side by side
_JOIN_SECONDS = 5.0


class LocalParty:
    """One such party; joins the brokerage when it is made.

    Args:
        transparent: whether LogosErrors of its methods keep their class at the caller.
        buffer_memory: bytes that it may lend.
        persistence_path: see :class:`LogosAPI`.
    """

    def __init__(
        self,
        name: str,
        brokerage: Brokerage,
        default_timeout: float,
        spinner: Spinner,
        transparent: bool,
        buffer_memory: int = 0,
        persistence_path: str | None = None,
    ) -> None:
        self.party = Party(name, new_token(), self._deliver, in_memory=IN_MEMORY)
        self._node = Node(
            name,
            lambda message: brokerage.handle(self.party, message),
            default_timeout=default_timeout,
            spinner=spinner,
            gate=Gate(_WORKERS),
            transparent=transparent,
            buffer_memory=buffer_memory,
        )
        self._node.tokens.save(CAPABILITY_MODULE, self.party.token)
        self._node.tokens.hold(CAPABILITY_MODULE, self.party.token)
        self.api = LogosAPI(self._node, instance_id=uuid.uuid4().hex, persistence_path=persistence_path)
        brokerage.add(self.party)

    def _deliver(self, message: Any, descriptors: Sequence[int] = ()) -> None:
        self._node.handle(message, [os.dup(fd) for fd in descriptors])

    def expose(self, instance: object) -> None:
        """From now on calls reach ``instance``."""
        self._node.proxy.expose(instance)

    def close(self, error: LogosError) -> None:
        """End its channels and threads."""
        self._node.close(error)
        self._node.threads.join(_JOIN_SECONDS)
