"""Who hears whose events: what each party wants of each publisher, and the one events link between the two.

    wish ─▶ publisher there:     events link made, or its filter changed ─▶ Done to the subscriber
         └▶ publisher not there: remembered ── it comes ─▶ arm: events link, before its init_logos, at every load

Rules:

* Wishes outlive the publisher, not the subscriber.
* A wish is remembered in the same breath as one looks whether the publisher is there, and a publisher comes in the same
  breath as one looks who waits for it: under the brokerage's lock, or one of the two would miss the other.
* One link for each pair, and one change of its filter at a time: what is wanted meanwhile is told when the publisher has
  answered, and only the last of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from logoscore.errors import PermissionDeniedError
from logoscore.links import Filtering, Link, LinkTable, Party
from logoscore.questions import Questions
from logoscore.transport import messages as m

__all__ = ["Watching"]


class _Policy(Protocol):
    def check(self, requester: str, target: str, requested: str) -> None:
        """Raises PermissionDeniedError."""


class Watching:
    """The subscriptions of all parties of one core.

    Args:
        lock: the brokerage's, which guards ``parties``; reentrant.
        parties: who is there, by name.
        links: every channel.
        questions: how publishers are asked to change a filter.
        policy: who may.
        create: makes an events link: ``(subscriber, publisher, purpose, names, on_attached=…)``.
    """

    def __init__(
        self,
        lock: AbstractContextManager[Any],
        parties: Mapping[str, Party],
        links: LinkTable,
        questions: Questions,
        policy: _Policy,
        create: Callable[..., None],
    ) -> None:
        self._lock = lock
        self._parties = parties
        self._links = links
        self._questions = questions
        self._policy = policy
        self._create = create
        self._arming = threading.RLock()
        self._watches: dict[str, dict[str, tuple[str, ...] | None]] = {}  # publisher → subscriber → names

    def subscribers(self, publisher: str) -> list[str]:
        """Under the brokerage's lock: who wants to hear ``publisher``."""
        return list(self._watches.get(publisher, {}))

    def leave(self, subscriber: Party) -> None:
        """Under the brokerage's lock: it wants nothing any more."""
        for subscribers in self._watches.values():
            subscribers.pop(subscriber.name, None)

    def wish(self, party: Party, target: str, message: m.Watch) -> None:
        """Remember what ``party`` wants of ``target``, and see to it if ``target`` is there."""
        wanted = message.names is None or bool(message.names)
        with self._lock:
            if self._parties.get(party.name) is not party:
                return  # it has gone meanwhile
            watches = self._watches.setdefault(target, {})
            if wanted:
                watches[party.name] = message.names
            else:
                watches.pop(party.name, None)
            publisher = self._parties.get(target)

        def done() -> None:
            party.deliver(m.Done(message.request))

        if publisher is None:
            done()
        else:
            self._connect(party, publisher, message.names, wanted=wanted, done=done)

    def arm(self, subscriber: str, publisher: Party) -> None:
        """The publisher has come: connect who has waited for it."""
        try:
            self._policy.check(subscriber, publisher.name, publisher.name)
        except PermissionDeniedError:
            return  # it was allowed when it asked; the policy has changed its mind
        with self._lock:
            party = self._parties.get(subscriber)
            watches = self._watches.get(publisher.name, {})
            if party is None or subscriber not in watches:
                return
            names = watches[subscriber]
        self._connect(party, publisher, names, wanted=True, done=None)

    def _connect(
        self,
        party: Party,
        publisher: Party,
        names: tuple[str, ...] | None,
        *,
        wanted: bool,
        done: Callable[[], None] | None,
    ) -> None:
        """Make the one events link of the two, or change its filter."""
        with self._arming:  # or two that come at once would make two links, and every event would come twice
            link = self._links.find(party, publisher.name, m.EVENTS)
            if link is None and wanted:
                self._create(party, publisher, m.EVENTS, names, on_attached=done)
                return
            if link is not None:
                change = Filtering(names, [done] if done is not None else [])
                if link.filtering is not None:  # one change at a time: this one when that one is answered
                    later = link.filtering.later
                    change.waiting += later.waiting if later is not None else []
                    link.filtering.later = change
                    return
                link.filtering = change
        if link is not None:
            self._set_filter(link, change)
            if link.ended:
                link.end()
        elif done is not None:
            done()

    def _set_filter(self, link: Link, change: Filtering) -> None:
        def answered(_: Any) -> None:
            with self._arming:
                if link.filtering is not change:
                    return  # it was closed meanwhile
                later = link.filtering = change.later
            for callback in change.waiting:
                callback()
            if later is not None:
                self._set_filter(link, later)

        def forget() -> None:
            self._questions.withdraw(number)

        number = self._questions.ask(
            link.callee, lambda request: m.SetFilter(request, link.number, change.names), answered
        )
        change.waiting.append(forget)
