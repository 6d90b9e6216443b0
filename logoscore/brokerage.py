"""The core as broker: who is there, who may reach whom, and the channels between them.

    A ── OpenLink("B") ─▶ granted? ─▶ memory + semaphores made ─▶ Attach to B ─▶ Attached ─▶ Opened to A
                                      who opens them and removes the semaphores' names ─▶ Attached
    A ── Watch("B", names) ─▶ policy? ─▶ remembered, and an events link as long as both are there (watching.py)

Rules:

* No grant, no channel: a grant is the capability module's, which asked for the policy's decision (Authorize). The core
  itself gives channels to and from the capability module, whose token every party has from its birth.
* Decided under the lock, delivered after it. A link that was closed between the two is closed again afterwards.
* A party that sends what it may not is told so, or ended where no honest host does that.
* Nothing that a party says names it: its identity is its pipe.
* A module that is being loaded has channels already: modules may need each other while they come up, and a call that comes
  early has its turn after the load. The app can ask to be told when it is loaded (AwaitLoaded).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, Final, Protocol

from logoscore.errors import (
    ChannelClosedError,
    LogosError,
    ModuleCrashedError,
    ModuleNotLoadedError,
    PermissionDeniedError,
    ProtocolViolationError,
    TransportError,
)
from logoscore.grants import Grants
from logoscore.lanes import Lanes
from logoscore.linking import Linking, tell_closed
from logoscore.links import LinkTable, Party
from logoscore.loans import Loans
from logoscore.locks import Flag
from logoscore.questions import Questions
from logoscore.session.node import CAPABILITY_MODULE
from logoscore.session.wire_errors import to_wire
from logoscore.transport import messages as m
from logoscore.watching import Watching

__all__ = ["Brokerage", "Party", "Rights"]

_APP: Final = "core"
_LOOK_SECONDS: Final = 1.0  # between two looks whether somebody's removal is over: its end wakes who waits for it


class Rights(Protocol):
    """What the brokerage asks of the core."""

    def resolve(self, target: str, requester: str = "") -> str:
        """The name of the module that ``target``, a name or a capability, means. Raises UnknownModuleError."""

    def absent(self, name: str, requester: str) -> LogosError:
        """The error, and what ``requester`` can do about it, for a known module that is not there."""

    def check(self, requester: str, target: str, requested: str) -> None:
        """Ask the policy. Raises PermissionDeniedError."""

    def codec(self, caller: str, callee: str) -> str:
        """Which codec the two use."""


class Brokerage:
    """All parties and links of one core. ``buffer_memory``: bytes that each party may lend (``loans.py``)."""

    def __init__(self, rights: Rights, buffer_memory: int = 0) -> None:
        self._rights = rights
        self._lock = threading.RLock()
        self._parties: dict[str, Party] = {}
        self._leaving: dict[str, Flag] = {}  # names of those whose removal is under way
        self._awaited: dict[Party, list[tuple[Party, m.AwaitLoaded]]] = {}  # who waits until that one is loaded
        self._links = LinkTable()
        self._grants = Grants()
        self._loans = Loans(self._links, buffer_memory)
        self._lanes = Lanes()
        self._questions = Questions()
        self._linking = Linking(self._lock, self._parties, self._links, rights.codec, self._loans.places)
        self._watching = Watching(self._lock, self._parties, self._links, self._questions, rights, self._linking.create)
        self._handlers: dict[type, Callable[[Party, Any], None]] = {
            m.OpenLink: self._open_link,
            m.AwaitLoaded: self._await_loaded,
            m.Attached: self._linking.attached,
            m.LinkFailed: self._linking.failed,
            m.Watch: self._watch,
            m.Resolve: self._resolve,
            m.Authorize: self._authorize,
            m.CancelCall: self._linking.cancel,
            m.Done: self._questions.answered,
            **self._loans.handlers,
        }

    # --- parties ----------------------------------------------------------------------------------------------------

    def add(self, party: Party) -> None:
        """A party came: the capability module learns its token, and who waits for its events is connected.

        Waits until its predecessor is forgotten, or what is forgotten then would be the newcomer's token. And nobody
        reaches it before its token is known where it must be: a call that overtakes its token would be refused.
        """
        while (leaving := self._leaving.get(party.name)) is not None:
            leaving.wait(_LOOK_SECONDS)
        self._questions.admit(party)
        told: set[tuple[Party, Party]] = set()
        while True:
            with self._lock:
                missing = self._introductions(party) - told
                if not missing:
                    self._parties[party.name] = party
                    subscribers = self._watching.subscribers(party.name)
                    break
            self._questions.ask_all([(capability, _plant(newcomer)) for capability, newcomer in missing])
            told |= missing  # meanwhile others may have come, even another capability module
        for subscriber in subscribers:
            self._watching.arm(subscriber, party)

    def _introductions(self, party: Party) -> set[tuple[Party, Party]]:
        """Under the lock: which capability module must know whom, before ``party`` is there."""
        if party.name == CAPABILITY_MODULE:
            return {(party, each) for each in (*self._parties.values(), party)}
        capability = self._parties.get(CAPABILITY_MODULE)
        return {(capability, party)} if capability is not None else set()

    def came_up(self, party: Party) -> None:
        """A party is loaded: tell the app, which may have waited for that."""
        with self._lock:
            party.coming = False
            awaited = self._awaited.pop(party, [])
        for waiter, message in awaited:
            waiter.deliver(m.Done(message.request))

    def remove(self, party: Party, error: LogosError) -> None:
        """A party went; everybody who had a channel with it gets ``error``, and its tokens are void."""
        with self._lock:
            callbacks = self._questions.dismiss(party)
            awaited = self._awaited.pop(party, [])
            if self._parties.get(party.name) is not party:
                called, gone = set[Party](), None  # it was never reached
            else:
                called, gone = self._leave(party), Flag()
                before = time.monotonic_ns()  # what tokens are newer are its successor's
                self._leaving[party.name] = gone
        for waiter, message in awaited:
            self._refuse(waiter, message, _not_there(party.name, error))
        for callback in callbacks:
            callback(None)
        if gone is None:
            return
        try:
            for link in self._links.take_all(party, error):
                for other in link.others(party):
                    tell_closed(link, other, error)
            self._questions.ask_all(
                [(callee, lambda number: m.Forget(number, party.name, before)) for callee in called - {party}]
            )
        finally:
            with self._lock:
                del self._leaving[party.name]
            gone.set()

    def mourn(self, publisher: str, error: LogosError) -> None:
        """Tell its subscribers that ``publisher`` has crashed and is not restarted."""
        with self._lock:
            subscribers = [
                self._parties[each] for each in self._watching.subscribers(publisher) if each in self._parties
            ]
        for subscriber in subscribers:
            subscriber.deliver(m.Lost(publisher, to_wire(error)))

    def _leave(self, party: Party) -> set[Party]:
        """Under the lock: take it out of every table but that of links; returns who has a token of it."""
        del self._parties[party.name]
        called = self._grants.leave(party)
        self._watching.leave(party)
        if CAPABILITY_MODULE in self._parties:
            called.add(self._parties[CAPABILITY_MODULE])
        return called

    def party(self, name: str) -> Party | None:
        """The party of that name, if it is there."""
        with self._lock:
            return self._parties.get(name)

    # --- messages ---------------------------------------------------------------------------------------------------

    def handle(self, party: Party, message: Any) -> None:
        """What ``party`` said. Its requests are answered, with Failed if need be.

        Raises:
            ProtocolViolationError: it may not say that; its host is to be ended.
        """
        handler = self._handlers.get(type(message))
        if handler is None:
            raise ProtocolViolationError(f"{party.name} may not say {type(message).__name__} now")
        try:
            handler(party, message)
        except ProtocolViolationError:
            raise
        except LogosError as error:
            self._refuse(party, message, error)
        except Exception as exc:
            # A want of descriptors or memory here is not the fault of the party whose thread this is.
            import logging

            logging.getLogger("logoscore").exception(
                "%s from %s could not be handled", type(message).__name__, party.name
            )
            self._refuse(party, message, TransportError(f"the core could not do it: {exc!r}"))

    @staticmethod
    def _refuse(party: Party, message: Any, error: LogosError) -> None:
        request = getattr(message, "request", None)
        if request is not None:
            party.deliver(m.Failed(request, to_wire(error)))

    def _aside(self, party: Party, lane: Hashable, message: Any, work: Callable[[], None], *, trusted: bool) -> None:
        """Do what asks the app's policy, which may take its time, on another thread. Raises ProtocolViolationError."""

        def run() -> None:
            try:
                work()
            except LogosError as error:
                self._refuse(party, message, error)
            except BaseException as exc:
                import logging

                logging.getLogger("logoscore").exception("%s of %s failed", type(message).__name__, party.name)
                self._refuse(party, message, TransportError(f"the core could not do it: {type(exc).__name__}"))

        self._lanes.put(party.name, lane, run, trusted=trusted)

    def _present(self, name: str, requester: str) -> Party:
        with self._lock:
            party = self._parties.get(name)
        if party is None:
            raise self._rights.absent(name, requester)
        return party

    def _authorize(self, party: Party, message: m.Authorize) -> None:
        """Only the capability module asks."""
        if party.name != CAPABILITY_MODULE:
            raise PermissionDeniedError(
                f"{party.name} is not the capability module", requester=party.name, target=message.target
            )

        def decide() -> None:
            party.deliver(m.Done(message.request, self._grant(message.requester, message.target)))

        self._aside(party, message.request, message, decide, trusted=True)

    def _grant(self, requester: str, target: str) -> str:
        caller = self._present(requester, requester)
        name = self._rights.resolve(target)
        # First: who may not reach a module is not told how to get it loaded, only to be refused then.
        self._rights.check(requester, name, target)
        callee = self._present(name, requester)
        with self._lock:
            self._grants.add(caller, callee)
        return callee.name

    # --- links ------------------------------------------------------------------------------------------------------

    def _open_link(self, party: Party, message: m.OpenLink) -> None:
        callee = self._present(self._rights.resolve(message.target), party.name)
        with self._lock:
            granted = CAPABILITY_MODULE in {party.name, callee.name} or (party, callee) in self._grants
        if not granted:
            raise PermissionDeniedError(
                f"{party.name} has no grant for {callee.name}: it asks the capability module first",
                requester=party.name,
                target=callee.name,
            )
        # A client has one channel; whoever asks for another has lost it, or wants to exhaust us.
        former = self._links.find(party, callee.name, m.CALLS)
        if former is not None:
            self._linking.close(former, ChannelClosedError(f"{party.name} has opened another channel to {callee.name}"))
        self._linking.create(party, callee, m.CALLS, request=message.request)

    def _await_loaded(self, party: Party, message: m.AwaitLoaded) -> None:
        callee = self._present(self._rights.resolve(message.target), party.name)
        with self._lock:
            if party.name == _APP and callee.coming and self._parties.get(callee.name) is callee:
                self._awaited.setdefault(callee, []).append((party, message))
                return
        party.deliver(m.Done(message.request))

    def _resolve(self, party: Party, message: m.Resolve) -> None:
        party.deliver(m.Done(message.request, self._rights.resolve(message.target, party.name)))

    # --- events -----------------------------------------------------------------------------------------------------

    def _watch(self, party: Party, message: m.Watch) -> None:
        target = self._rights.resolve(message.target, party.name)

        def decide() -> None:
            if message.names is None or message.names:  # who wants nothing any more needs no right
                self._rights.check(party.name, target, message.target)
            self._watching.wish(party, target, message)

        self._aside(party, target, message, decide, trusted=False)

    # --- what the core asks of a party by name ----------------------------------------------------------------------

    def ask(self, name: str, what: str, answer: Callable[[Any], None]) -> None:
        """Ask a party about itself (see ``Node._query``); ``answer`` is called later, or at once with None if it is gone."""
        party = self.party(name)
        if party is not None:
            self._questions.ask(party, lambda number: m.Query(number, what), answer)

    def query(self, name: str, what: str, timeout: float) -> Any:
        """Ask a party about itself; None if it is not there, or does not answer in time."""
        party = self.party(name)
        return self._questions.ask_and_wait(party, lambda number: m.Query(number, what), timeout) if party else None


def _not_there(name: str, error: LogosError) -> LogosError:
    """The error for who waited until a module is loaded, and it did not come to that."""
    if isinstance(error, ModuleCrashedError):
        return error
    return ModuleNotLoadedError(f"module {name!r} is not loaded: {error}", module=name)


def _plant(newcomer: Party) -> Callable[[int], Any]:
    return lambda number: m.Plant(number, newcomer.name, incoming=newcomer.token, outgoing=newcomer.token)
