"""Channels as they come and go: made by the core, handed to both ends, and closed for both.

    create ─▶ Attach to the callee ── Attached ─▶ Opened (Attach) to the caller ── Attached ─▶ settled (see links.py)

Whoever asks for a channel has shown elsewhere that he may (``brokerage.py``, ``watching.py``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

from logoscore.errors import ChannelClosedError, LogosError, ProtocolViolationError
from logoscore.links import Link, LinkTable, Party
from logoscore.session.wire_errors import from_wire, to_wire
from logoscore.transport import messages as m

__all__ = ["Linking", "tell_closed"]

_MAX_REASON: Final = 1000  # characters that one party may have another told


class Linking:
    """Makes and closes the channels of one core.

    Args:
        lock: the brokerage's, which guards ``parties``.
        parties: who is there, by name.
        links: every channel.
        codec: which one caller and callee, by their names, use.
        places: how many pieces of memory one end may lend the other.
    """

    def __init__(
        self,
        lock: AbstractContextManager[Any],
        parties: Mapping[str, Party],
        links: LinkTable,
        codec: Callable[[str, str], str],
        places: int,
    ) -> None:
        self._lock = lock
        self._parties = parties
        self._links = links
        self._codec = codec
        self._places = places

    def create(
        self,
        caller: Party,
        callee: Party,
        purpose: str,
        names: tuple[str, ...] | None = None,
        *,
        request: int | None = None,
        on_attached: Callable[[], None] | None = None,
    ) -> None:
        """Make a link and hand it to the callee; when he holds it, the caller gets it."""
        codec = self._codec(caller.name, callee.name) if purpose == m.CALLS else "safe"
        link, memory = self._links.create(
            caller, callee, purpose, codec=codec, names=names, request=request, on_attached=on_attached,
            places=self._places,
        )  # fmt: skip
        try:
            callee.deliver(m.Attach(link.info(caller), publishes=purpose == m.EVENTS), (memory,))
        finally:
            os.close(memory)
        # One end may have gone while we were making it: whoever is left must not keep it.
        with self._lock:
            gone = [end for end in (caller, callee) if self._parties.get(end.name) is not end]
        if gone:
            self.close(link, ChannelClosedError(f"{gone[0].name} ended while the channel was opened"))

    def attached(self, party: Party, message: m.Attached) -> None:
        """One end holds it. Raises ProtocolViolationError."""
        link = self._links.get(message.link, party)
        memory = self._links.attached(link, party) if link is not None else None
        if link is None or memory is None:
            return
        try:
            if link.request is not None:
                link.caller.deliver(m.Opened(link.request, link.info(link.callee)), (memory,))
            else:
                link.caller.deliver(m.Attach(link.info(link.callee), publishes=False), (memory,))
        finally:
            os.close(memory)
        if link.reason is not None:  # it was closed just then: what we said of it may have come too early
            tell_closed(link, link.caller, link.reason, by_peer=link.refused)

    def close(self, link: Link, error: LogosError) -> None:
        """End a link for both ends."""
        if self._links.take(link, error):
            for end in {link.caller, link.callee}:
                tell_closed(link, end, error)

    def failed(self, party: Party, message: m.LinkFailed) -> None:
        """One end has given it up. Raises ProtocolViolationError."""
        link = self._links.get(message.link, party)
        error = ChannelClosedError(f"{party.name} closed the channel: {message.error.message[:_MAX_REASON]}")
        if link is None:
            return
        link.refused = party is not link.caller
        if not self._links.take(link, error):
            return
        tell_closed(link, party, from_wire(message.error))
        for other in link.others(party):
            tell_closed(link, other, error, by_peer=True)

    def cancel(self, party: Party, message: m.CancelCall) -> None:
        """Pass on that the caller has given a call up. Raises ProtocolViolationError."""
        link = self._links.get(message.link, party)
        if link is None:
            return
        if link.caller is not party:
            raise ProtocolViolationError(f"{party.name} cancels a call that it did not make")
        link.callee.deliver(message)


def tell_closed(link: Link, end: Party, error: LogosError, *, by_peer: bool = False) -> None:
    """Tell one end that the link is closed; a caller who has not got it yet, that he will not."""
    deaf = by_peer and link.opening and link.purpose == m.EVENTS and end is link.caller
    publisher = link.callee.name if deaf else None
    end.deliver(m.CloseLink(link.number, to_wire(error), by_peer=by_peer, publisher=publisher))
    if link.opening and end is link.caller and link.request is not None:
        end.deliver(m.Failed(link.request, to_wire(error)))
