"""What a party hears of others: its subscriptions, and the events channels that feed them.

Rules:

* There is at most one events channel per publisher, for all subscriptions to it; the core makes it, and makes it anew
  when the publisher is loaded again.
* The core is told the union of what the subscriptions want, each time it changes; of one publisher it is told one thing
  at a time, the latest when it has answered the one before. (It answers when the publisher has.) So a publisher that
  hangs holds up nobody but who subscribes to it, and cancelling never waits.
"""

from __future__ import annotations

import copy
import threading
from typing import TYPE_CHECKING, Any

from logoscore.errors import CallTimeoutError, ChannelClosedError, LogosError, ModuleCrashedError
from logoscore.session.answer import Answer
from logoscore.session.deadlines import deadline_after
from logoscore.session.events import EventLink
from logoscore.session.execution import yield_turn
from logoscore.session.subscription import Overflow, Subscription
from logoscore.transport import messages as m
from logoscore.transport.channel import Channel

if TYPE_CHECKING:
    from logoscore.session.node import Node

__all__ = ["Hearing"]


class _Wish:
    """What the core is being told of one publisher. Under the lock."""

    def __init__(self) -> None:
        self.changed = False
        self.under_way: list[Answer] | None = None  # who waits for the answer that is due
        self.later: list[Answer] = []  # who waits for the next


class _Told(Answer):
    """The core's answer to that, which goes to everybody who waits for it."""

    def __init__(self, hearing: Hearing, module: str) -> None:
        super().__init__()
        self._hearing = hearing
        self._module = module

    def settle(self, value: Any, error: LogosError | None = None) -> None:
        super().settle(value, error)
        self._hearing._told(self._module, error)


class Hearing:
    """The subscriptions of one party."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._wishes: dict[str, _Wish] = {}  # by publisher, while the core is being told
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
            link = EventLink(
                info.link,
                info.peer,
                channel,
                lambda: self.of(info.peer),
                self._node,
                former,
                self._node.default_timeout / 2,
            )
            self._links[info.link] = link
            self._latest[info.peer] = link
        try:
            link.start()
        except BaseException:
            with self._lock:
                del self._links[info.link]
                if former is not None:
                    self._latest[info.peer] = former
                else:
                    del self._latest[info.peer]
            channel.close(ChannelClosedError(f"{self._node.name} has no thread left"))
            channel.dispose()
            raise

    def close_link(self, number: int, error: LogosError, *, by_peer: bool) -> bool:
        """The publisher is gone, or (``by_peer``) wants no more of us. False if there is no such channel."""
        with self._lock:
            link = self._links.pop(number, None)
        if link is None:
            return False
        link.close(error)
        if by_peer:
            self.fail(link.peer, error)
        return True

    def lost(self, module: str, error: ModuleCrashedError) -> None:
        """``module`` has crashed and is not restarted: its subscribers hear of it, after what has arrived of it."""
        with self._lock:
            link = self._latest.get(module)

        def tell() -> None:
            if link is not None:
                link.wait_read()
            with self._lock:
                if self._latest.get(module) is link:  # or it is back already
                    for subscription in self.of(module):
                        subscription._tell_lost(error)

        self._node.threads.start_or_postpone(tell, f"logos-lost-{module}")

    def fail(self, publisher: str, error: LogosError) -> None:
        """The channel that the events of ``publisher`` should come by cannot be had."""
        for subscription in self.of(publisher):
            subscription._fail(error)

    # --- subscriptions ----------------------------------------------------------------------------------------------

    def subscribe(self, target: str, event: str | None, maxsize: int, overflow: Overflow) -> Subscription:
        """See :meth:`LogosAPIClient.subscribe`."""
        if event is not None and (not isinstance(event, str) or not event):
            raise TypeError(f"an event's name is a non-empty str, or None for all, not {event!r}")
        with yield_turn():
            deadline = deadline_after(self._node.default_timeout)
            module = self._node.resolve(target, deadline)
            subscription = Subscription(module, event, maxsize, overflow, self._unsubscribe)
            told = Answer()
            with self._lock:
                self._subscriptions[module] = [*self.of(module), subscription]
                for link in self._links.values():
                    if link.peer == module:
                        link.connect(subscription)
            try:
                self._tell(module, told)
                _await(told, module, deadline)
            except BaseException:
                self._unsubscribe(subscription)
                raise
        return subscription

    def _tell(self, module: str, told: Answer | None = None) -> None:
        """Tell the core what is wanted of ``module`` now; ``told`` is settled when it has answered."""
        with self._lock:
            wish = self._wishes.setdefault(module, _Wish())
            if told is not None:
                wish.later.append(told)
            if wish.under_way is not None:
                wish.changed = True
                return
            wish.changed = False
            wish.under_way, wish.later = wish.later, []
            events = {subscription.event for subscription in self.of(module)}
        names = None if None in events else tuple(event for event in events if event is not None)
        try:
            self._node.ask(lambda number: m.Watch(number, module, names), _Told(self, module))
        except LogosError as error:
            self._told(module, error)

    def _told(self, module: str, error: LogosError | None) -> None:
        """The core has answered, or cannot be reached any more."""
        with self._lock:
            wish = self._wishes.get(module)
            if wish is None:
                return  # this party has ended, and the answer came all the same
            answers, wish.under_way = wish.under_way or [], None
            again = wish.changed and not self._closed
            if not again:
                answers += wish.later
                del self._wishes[module]
        for answer in answers:
            answer.settle(None, error)
        if again:
            self._tell(module)

    def _unsubscribe(self, subscription: Subscription) -> None:
        self._remove(subscription)
        if not self._closed:
            self._tell(subscription.module)

    def _remove(self, subscription: Subscription) -> None:
        with self._lock:
            self._subscriptions[subscription.module] = [
                each for each in self.of(subscription.module) if each is not subscription
            ]

    def abandon(self, error: LogosError) -> None:
        """See ``Node.abandon``."""
        for group in self._subscriptions.values():
            for subscription in group:
                subscription._abandon(error)

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


def _await(told: Answer, module: str, deadline: int) -> None:
    if not told.wait(deadline):
        raise CallTimeoutError(f"{module} did not take up a subscription in time", module=module)
    if told.error is not None:
        raise copy.copy(told.error)  # others may wait for the same answer
