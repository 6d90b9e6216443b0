"""The core as broker: who is there, who may reach whom, and the channels between them.

    A ── OpenLink("B") ─▶ granted? ─▶ memory + semaphores made ─▶ Opened to A, Attach to B
                                      both say Attached ─▶ the semaphores' names are removed
    A ── Watch("B", names) ─▶ policy? ─▶ B there: events link, or its filter changed; B not there: remembered, and
                                         armed before B's init_logos at every load

Rules:

* No grant, no channel: a grant is the capability module's, which asked for the policy's decision (Authorize). The core
  itself gives channels to and from the capability module, whose token every party has from its birth.
* Decided under the lock, delivered after it. A link that was closed between the two is closed again afterwards.
* A party that sends what it may not is told so; nothing that it says names it: its identity is its pipe.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from logoscore.errors import ChannelClosedError, LogosError, PermissionDeniedError, StateError
from logoscore.session.node import CAPABILITY_MODULE
from logoscore.session.wire_errors import to_wire
from logoscore.transport import messages as m
from logoscore.transport.ring import ring_size
from logoscore.transport.segment import create_memory, create_semaphores, unlink_semaphore

__all__ = ["Brokerage", "Party", "Rights"]

_CALL_CAPACITIES: Final = (1 << 16, 1 << 16)
_EVENT_CAPACITIES: Final = (1 << 17,)


class Rights(Protocol):
    """What the brokerage asks of the core."""

    def resolve(self, target: str) -> str:
        """The name of the module that ``target``, a name or a capability, means. Raises UnknownModuleError."""

    def absent(self, name: str) -> LogosError:
        """The error for a known module that is not there."""

    def check(self, requester: str, target: str, requested: str) -> None:
        """Ask the policy. Raises PermissionDeniedError."""

    def codec(self, caller: str, callee: str) -> str:
        """Which codec the two use."""


@dataclass(eq=False)
class Party:
    """Somebody with a name who can be reached. ``deliver(message, descriptors)`` gives him a message of the core."""

    name: str
    token: str = field(repr=False)
    deliver: Callable[..., None] = field(repr=False)


@dataclass(eq=False)
class _Link:
    number: int
    caller: Party
    callee: Party
    purpose: str
    semaphores: list[str]
    unattached: int = 2
    on_attached: list[Callable[[], None]] = field(default_factory=list)


class Brokerage:
    """All parties and links of one core."""

    def __init__(self, rights: Rights) -> None:
        self._rights = rights
        self._lock = threading.RLock()
        self._parties: dict[str, Party] = {}
        self._links: dict[int, _Link] = {}
        self._grants: set[tuple[Party, Party]] = set()
        self._watches: dict[str, dict[str, tuple[str, ...] | None]] = {}  # publisher → subscriber → names
        self._numbers = itertools.count(1)
        self._answers: dict[int, tuple[Party, Callable[[Any], None]]] = {}  # to what the core asked of parties
        self._handlers: dict[type, Callable[[Party, Any], None]] = {
            m.OpenLink: self._open_link,
            m.Attached: self._attached,
            m.LinkFailed: self._link_failed,
            m.Watch: self._watch,
            m.Resolve: self._resolve,
            m.Authorize: self._authorize,
            m.CancelCall: self._cancel,
            m.Done: self._done,
        }

    # --- parties ----------------------------------------------------------------------------------------------------

    def add(self, party: Party) -> None:
        """A party came: the capability module learns its token, and who waits for its events is connected."""
        with self._lock:
            self._parties[party.name] = party
            capability = self._parties.get(CAPABILITY_MODULE)
            watches = dict(self._watches.get(party.name, {}))
            newcomers = [party] if capability is not party else list(self._parties.values())
        if capability is not None:
            for newcomer in newcomers:
                capability.deliver(m.Plant(newcomer.name, incoming=newcomer.token, outgoing=newcomer.token))
        for subscriber, names in watches.items():
            self._arm(subscriber, party, names)

    def _arm(self, subscriber: str, publisher: Party, names: tuple[str, ...] | None) -> None:
        with self._lock:
            party = self._parties.get(subscriber)
        if party is None:
            return
        try:
            self._rights.check(subscriber, publisher.name, publisher.name)
        except PermissionDeniedError:
            return  # it was allowed when it asked; the policy has changed its mind
        self._create(party, publisher, m.EVENTS, names)

    def remove(self, party: Party, error: LogosError) -> None:
        """A party went; everybody who had a channel with it gets ``error``, and its tokens are void."""
        with self._lock:
            if self._parties.get(party.name) is not party:
                return
            del self._parties[party.name]
            links = [link for link in self._links.values() if party in (link.caller, link.callee)]
            for link in links:
                del self._links[link.number]
            called = {callee for caller, callee in self._grants if caller is party}
            self._grants = {pair for pair in self._grants if party not in pair}
            for subscribers in self._watches.values():
                subscribers.pop(party.name, None)
            unanswered = [number for number, (asked, _) in self._answers.items() if asked is party]
            callbacks = [self._answers.pop(number)[1] for number in unanswered]
            capability = self._parties.get(CAPABILITY_MODULE)
        for callback in callbacks:
            callback(None)
        for link in links:
            self._finish(link)
            other = link.callee if link.caller is party else link.caller
            if other is not party:
                other.deliver(m.CloseLink(link.number, to_wire(error)))
        for callee in (called | {capability}) - {None, party}:
            if callee is not None:
                callee.deliver(m.Forget(party.name))

    def party(self, name: str) -> Party | None:
        """The party of that name, if it is there."""
        with self._lock:
            return self._parties.get(name)

    # --- messages ---------------------------------------------------------------------------------------------------

    def handle(self, party: Party, message: Any) -> None:
        """What ``party`` said. Its requests are answered, with Failed if need be."""
        handler = self._handlers.get(type(message))
        try:
            if handler is None:
                raise StateError(f"{party.name} may not send {type(message).__name__} now")
            handler(party, message)
        except LogosError as error:
            request = getattr(message, "request", None)
            if request is not None:
                party.deliver(m.Failed(request, to_wire(error)))

    def _present(self, target: str) -> Party:
        name = self._rights.resolve(target)
        with self._lock:
            party = self._parties.get(name)
        if party is None:
            raise self._rights.absent(name)
        return party

    def _authorize(self, party: Party, message: m.Authorize) -> None:
        """Only the capability module asks. The policy is the app's code and may take its time: not on this thread."""
        if party.name != CAPABILITY_MODULE:
            raise PermissionDeniedError(
                f"{party.name} is not the capability module", requester=party.name, target=message.target
            )

        def decide() -> None:
            try:
                party.deliver(m.Done(message.request, self._grant(message.requester, message.target)))
            except LogosError as error:
                party.deliver(m.Failed(message.request, to_wire(error)))

        threading.Thread(target=decide, name="logos-policy", daemon=True).start()

    def _grant(self, requester: str, target: str) -> str:
        with self._lock:
            caller = self._parties.get(requester)
        if caller is None:
            raise self._rights.absent(requester)
        callee = self._present(target)
        self._rights.check(requester, callee.name, target)
        with self._lock:
            self._grants.add((caller, callee))
        return callee.name

    # --- links ------------------------------------------------------------------------------------------------------

    def _open_link(self, party: Party, message: m.OpenLink) -> None:
        callee = self._present(message.target)
        with self._lock:
            built_in = CAPABILITY_MODULE in {party.name, callee.name}
            if not built_in and (party, callee) not in self._grants:
                raise PermissionDeniedError(
                    f"{party.name} has no grant for {callee.name}: it asks the capability module first",
                    requester=party.name,
                    target=callee.name,
                )
            # A client has one channel; whoever asks for another has lost it, or wants to exhaust us.
            former = [
                link
                for link in self._links.values()
                if link.caller is party and link.callee is callee and link.purpose == m.CALLS
            ]
        for link in former:
            self._close(link, ChannelClosedError(f"{party.name} has opened another channel to {callee.name}"))
        self._create(party, callee, m.CALLS, None, request=message.request)

    def _create(
        self,
        caller: Party,
        callee: Party,
        purpose: str,
        names: tuple[str, ...] | None,
        *,
        request: int | None = None,
        on_attached: Callable[[], None] | None = None,
    ) -> None:
        """Make a link and hand it to both ends."""
        capacities = _CALL_CAPACITIES if purpose == m.CALLS else _EVENT_CAPACITIES
        memory = create_memory(sum(map(ring_size, capacities)))
        try:
            semaphores = create_semaphores(2 * len(capacities))
            link = _Link(next(self._numbers), caller, callee, purpose, semaphores)
            if on_attached is not None:
                link.on_attached.append(on_attached)
            with self._lock:
                self._links[link.number] = link
            codec = self._rights.codec(caller.name, callee.name) if purpose == m.CALLS else "safe"

            def info(peer: Party) -> m.LinkInfo:
                return m.LinkInfo(link.number, peer.name, purpose, capacities, tuple(semaphores), codec, names)

            callee.deliver(m.Attach(info(caller), publishes=purpose == m.EVENTS), (memory,))
            if request is not None:
                caller.deliver(m.Opened(request, info(callee)), (memory,))
            else:
                caller.deliver(m.Attach(info(callee), publishes=False), (memory,))
        finally:
            os.close(memory)
        self._close_if_stale(link)

    def _close_if_stale(self, link: _Link) -> None:
        """One end may have gone while we were handing the link out: whoever is left must not keep it."""
        with self._lock:
            gone = [p for p in (link.caller, link.callee) if self._parties.get(p.name) is not p]
            if not gone:
                return
            self._links.pop(link.number, None)
        self._finish(link)
        error = to_wire(ChannelClosedError(f"{gone[0].name} ended while the channel was opened"))
        for party in {link.caller, link.callee} - set(gone):
            party.deliver(m.CloseLink(link.number, error))

    def _attached(self, party: Party, message: m.Attached) -> None:
        with self._lock:
            link = self._links.get(message.link)
            if link is None or party not in (link.caller, link.callee) or not link.unattached:
                return
            link.unattached -= 1
            if link.unattached:
                return
        self._finish(link)

    def _link_failed(self, party: Party, message: m.LinkFailed) -> None:
        with self._lock:
            link = self._links.get(message.link)
            if link is None or party not in (link.caller, link.callee):
                return
            del self._links[message.link]
        self._finish(link)
        party.deliver(m.CloseLink(link.number, message.error))
        other = link.callee if link.caller is party else link.caller
        if other is not party:
            error = ChannelClosedError(f"{party.name} closed the channel: {message.error.message}")
            other.deliver(m.CloseLink(link.number, to_wire(error)))

    def _close(self, link: _Link, error: LogosError) -> None:
        """End a link for both ends."""
        with self._lock:
            if self._links.pop(link.number, None) is None:
                return
        self._finish(link)
        for end in {link.caller, link.callee}:
            end.deliver(m.CloseLink(link.number, to_wire(error)))

    @staticmethod
    def _finish(link: _Link) -> None:
        """Both ends hold the semaphores, or nobody needs them: remove their names; answer who waited for this."""
        names, link.semaphores = link.semaphores, []
        for name in names:
            unlink_semaphore(name)
        callbacks, link.on_attached = link.on_attached, []
        for callback in callbacks:
            callback()

    def _cancel(self, party: Party, message: m.CancelCall) -> None:
        with self._lock:
            link = self._links.get(message.link)
            if link is None or link.caller is not party:
                return
        link.callee.deliver(message)

    def _resolve(self, party: Party, message: m.Resolve) -> None:
        party.deliver(m.Done(message.request, self._rights.resolve(message.target)))

    # --- events -----------------------------------------------------------------------------------------------------

    def _watch(self, party: Party, message: m.Watch) -> None:
        target = self._rights.resolve(message.target)
        self._rights.check(party.name, target, message.target)
        wanted = message.names is None or bool(message.names)
        with self._lock:
            watches = self._watches.setdefault(target, {})
            if wanted:
                watches[party.name] = message.names
            else:
                watches.pop(party.name, None)
            publisher = self._parties.get(target)
            link = self._events_link(party, target)

        def done() -> None:
            party.deliver(m.Done(message.request))

        if publisher is None or (link is None and not wanted):
            done()
        elif link is None:
            self._create(party, publisher, m.EVENTS, message.names, on_attached=done)
        else:
            bound = link
            self._ask(publisher, lambda number: m.SetFilter(number, bound.number, message.names), lambda _: done())

    def _events_link(self, subscriber: Party, publisher: str) -> _Link | None:
        for link in self._links.values():
            if link.purpose == m.EVENTS and link.caller is subscriber and link.callee.name == publisher:
                return link
        return None

    # --- what the core asks -----------------------------------------------------------------------------------------

    def _ask(self, party: Party, make: Callable[[int], Any], on_answer: Callable[[Any], None]) -> int:
        with self._lock:
            number = next(self._numbers)
            self._answers[number] = party, on_answer
        party.deliver(make(number))
        return number

    def _done(self, party: Party, message: m.Done) -> None:
        with self._lock:
            asked = self._answers.get(message.request)
            if asked is None or asked[0] is not party:
                return
            del self._answers[message.request]
        asked[1](message.value)

    def query(self, name: str, what: str, timeout: float) -> Any:
        """Ask a party about itself; None if it is not there, or does not answer in time."""
        party = self.party(name)
        if party is None:
            return None
        answered = threading.Event()
        values: list[Any] = []

        def take(value: Any) -> None:
            values.append(value)
            answered.set()

        number = self._ask(party, lambda number: m.Query(number, what), take)
        answered.wait(timeout)
        with self._lock:
            self._answers.pop(number, None)
        return values[0] if values else None
