"""What a party hears of others: its subscriptions, and the events channels that feed them.

Rules: there is at most one events channel per publisher, for all subscriptions to it; the core makes it, and makes it
anew when the publisher is loaded again. The core is told the union of what the subscriptions want, each time it changes.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from logoscore.errors import LogosError
from logoscore.session.events import EventLink
from logoscore.session.execution import deadline_after, yield_turn
from logoscore.session.subscription import Overflow, Subscription
from logoscore.transport import messages as m
from logoscore.transport.channel import Channel

if TYPE_CHECKING:
    from logoscore.session.node import Node

__all__ = ["Hearing"]


class Hearing:
    """The subscriptions of one party."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._watching = threading.Lock()  # one change at a time, so that the core hears of the last one last
        self._subscriptions: dict[str, list[Subscription]] = {}
        self._links: dict[int, EventLink] = {}
        self._latest: dict[str, EventLink] = {}  # by publisher
        self._closed = False

    def of(self, module: str) -> list[Subscription]:
        """The subscriptions to ``module``; the list is never changed, but replaced."""
        return self._subscriptions.get(module, [])

    # --- channels ---------------------------------------------------------------------------------------------------

    def add_link(self, info: m.LinkInfo, channel: Channel) -> None:
        """The core has made an events channel: the first, or another after the publisher was away."""
        with self._lock:
            former = self._latest.get(info.peer)
            link = EventLink(info.link, info.peer, channel, lambda: self.of(info.peer), self._node, former)
            self._links[info.link] = link
            self._latest[info.peer] = link
        link.start()

    def close_link(self, number: int, error: LogosError, *, by_peer: bool) -> bool:
        """The publisher is gone, or (``by_peer``) wants no more of us. False if there is no such channel."""
        with self._lock:
            link = self._links.pop(number, None)
        if link is None:
            return False
        link.close(error)
        if by_peer:
            for subscription in self.of(link.peer):
                subscription.fail(error)
        return True

    # --- subscriptions ----------------------------------------------------------------------------------------------

    def subscribe(self, target: str, event: str | None, maxsize: int, overflow: Overflow) -> Subscription:
        """See :meth:`LogosAPIClient.subscribe`."""
        if event is not None and (not isinstance(event, str) or not event):
            raise TypeError(f"an event's name is a non-empty str, or None for all, not {event!r}")
        with yield_turn(), self._watching:
            module = self._node.resolve(target, deadline_after(self._node.default_timeout))
            subscription = Subscription(module, event, maxsize, overflow, self._unsubscribe)
            with self._lock:
                self._subscriptions[module] = [*self.of(module), subscription]
                if any(link.peer == module for link in self._links.values()):
                    subscription.connected()
            try:
                self._watch(module)
            except BaseException:
                self._remove(subscription)
                raise
        return subscription

    def _watch(self, module: str) -> None:
        events = {subscription.event for subscription in self.of(module)}
        names = None if None in events else tuple(event for event in events if event is not None)
        deadline = deadline_after(self._node.default_timeout)
        self._node.request(lambda number: m.Watch(number, module, names), deadline)

    def _unsubscribe(self, subscription: Subscription) -> None:
        self._remove(subscription)
        if self._closed:
            return
        # (An error: the publisher is gone, or we are. Nothing comes any more either way.)
        with contextlib.suppress(LogosError), yield_turn(), self._watching:
            self._watch(subscription.module)

    def _remove(self, subscription: Subscription) -> None:
        with self._lock:
            self._subscriptions[subscription.module] = [
                each for each in self.of(subscription.module) if each is not subscription
            ]

    def abandon(self, error: LogosError) -> None:
        """See ``Node.abandon``."""
        for group in self._subscriptions.values():
            for subscription in group:
                subscription.abandon(error)

    # --- the end ----------------------------------------------------------------------------------------------------

    def close(self, error: LogosError) -> None:
        """Cancel every subscription, end every channel."""
        with self._lock:
            self._closed = True
            links = list(self._links.values())
            self._links.clear()
            subscriptions = [each for group in self._subscriptions.values() for each in group]
        for subscription in subscriptions:
            subscription.cancel()
        for link in links:
            link.close(error)
