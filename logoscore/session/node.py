"""One party: its tokens, its channels in both directions, its subscriptions, and its line to the core.

A module's host has one node; the app's process has two, ``core`` (the app itself) and ``core_manager``. All are alike: the
core's messages come in through :meth:`Node.handle`, requests to the core go out through the ``send`` it was given.

Rules: ``handle`` runs on the control thread and never waits for user code or for another message; what takes longer goes
to a thread of its own. Requests wait for their answer with a deadline, and end when the control plane ends.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Final

from logoscore.errors import (
    CallTimeoutError,
    LogosError,
    ModuleCrashedError,
    ModuleNotLoadedError,
    PermissionDeniedError,
    StateError,
    UnknownModuleError,
)
from logoscore.limits import NO_LIMITS, Limits
from logoscore.session.answer import Answer
from logoscore.session.channels import Channels
from logoscore.session.client import LogosAPIClient
from logoscore.session.deadlines import seconds_left
from logoscore.session.events import Publisher
from logoscore.session.execution import InTurn, RunningCall
from logoscore.session.gate import Gate
from logoscore.session.hearing import Hearing
from logoscore.session.lending import Lending
from logoscore.session.module_proxy import ModuleProxy
from logoscore.session.outgoing import CallLink
from logoscore.session.provider import LogosAPIProvider
from logoscore.session.subscription import Overflow, Subscription
from logoscore.session.threads import ThreadGroup
from logoscore.session.whereabouts import running_code
from logoscore.session.wire_errors import from_wire, to_wire
from logoscore.tokens import TokenManager
from logoscore.transport import messages as m
from logoscore.transport.frame import NO_TOKEN
from logoscore.transport.spin import Spinner

__all__ = ["CAPABILITY_MODULE", "Node"]

CAPABILITY_MODULE: Final = "capability_module"
_ATTEMPTS: Final = 3  # to open a channel, where each time the module is reloaded in the middle of it


class Node:
    """A party of the platform.

    Args:
        name: the party's name.
        send: sends a message to the core; may be called from any thread.
        default_timeout: seconds.
        spinner: this process's.
        gate: lets the module's calls run.
        transparent, on_exit, limits: see :class:`ModuleProxy`.
        buffer_memory: bytes that it may lend, see :class:`Lending`.
    """

    def __init__(
        self,
        name: str,
        send: Callable[[Any], None],
        *,
        default_timeout: float,
        spinner: Spinner,
        gate: Gate,
        transparent: bool = False,
        on_exit: Callable[[object], None] | None = None,
        limits: Limits = NO_LIMITS,
        buffer_memory: int = 0,
    ) -> None:
        self.name = name
        self.default_timeout = default_timeout
        self.gate = gate
        self.threads = ThreadGroup()
        self.lending = Lending(buffer_memory, send, self.threads)
        self.tokens = TokenManager()
        self.limits = limits
        self.proxy = ModuleProxy(name, self.tokens, gate, transparent=transparent, on_exit=on_exit, limits=limits)
        self.provider = LogosAPIProvider(self.proxy, self)
        self.publisher = Publisher(name, default_timeout, self)
        self.on_exit = on_exit
        self._send = send
        self._lock = threading.Lock()
        self._closed: LogosError | None = None
        self._requests = itertools.count(1)
        self._answers: dict[int, Answer] = {}
        self._clients: dict[str, LogosAPIClient] = {}
        self._in_turn: dict[int, RunningCall] = {}  # by number: the module's code that runs otherwise than in a call
        self.hearing = Hearing(self)
        self._channels = Channels(self, spinner, send, self._settle, self._lost_callee)
        _nodes.add(self)
        self._handlers: dict[type, Callable[[Any, Sequence[int]], object]] = {
            m.Opened: self._channels.opened,
            m.Attach: self._channels.attach,
            m.Failed: lambda msg, _: self._settle(msg.request, None, from_wire(msg.error)),
            m.Done: lambda msg, _: self._settle(msg.request, msg.value),
            m.CloseLink: self._channels.close_link,
            m.Lost: self._lost,
            m.SetFilter: self._set_filter,
            m.Plant: self._plant,
            m.Forget: self._forget,
            m.CancelCall: self._cancel_call,
            m.Query: self._query,
            **self.lending.handlers,
        }

    # --- from the core ----------------------------------------------------------------------------------------------

    def handle(self, message: Any, descriptors: Sequence[int] = ()) -> bool:
        """Take in one message of the core; its descriptors are ours. False if it is not for a node."""
        handler = self._handlers.get(type(message))
        if handler is None:
            return False
        handler(message, descriptors)
        return True

    def _settle(self, request: int, value: Any, error: LogosError | None = None) -> bool:
        """Give an answer to whoever waits for it; whether somebody does."""
        answer = self._answers.pop(request, None)
        if answer is not None:
            answer.settle(value, error)
        return answer is not None

    def _lost_callee(self, call_link: CallLink) -> None:
        """The channel of a client was closed."""
        # Those that the core has planted it takes away itself (Forget): nobody could ask for them again.
        if CAPABILITY_MODULE not in {call_link.peer, self.name}:
            self.tokens.remove(call_link.peer, call_link.opened)  # not one that was got for the next
        client = self._clients.get(call_link.peer)
        if client is not None:
            client.drop(call_link)

    def _lost(self, msg: m.Lost, _: Sequence[int]) -> None:
        error = from_wire(msg.error)
        if isinstance(error, ModuleCrashedError):
            self.hearing.lost(msg.publisher, error)

    def _set_filter(self, msg: m.SetFilter, _: Sequence[int]) -> None:
        self.publisher.set_filter(msg.link, msg.names)
        self._send(m.Done(msg.request))

    def _plant(self, msg: m.Plant, _: Sequence[int]) -> None:
        self.tokens.save(msg.peer, msg.incoming, since=0)  # Forget comes the same way, and in order
        self.tokens.hold(msg.peer, msg.outgoing, since=0)
        self._send(m.Done(msg.request))

    def _forget(self, msg: m.Forget, _: Sequence[int]) -> None:
        self.tokens.forget(msg.peer, msg.before)
        self._send(m.Done(msg.request))

    def _cancel_call(self, msg: m.CancelCall, _: Sequence[int]) -> None:
        link = self.provider.link(msg.link)
        if link is not None:
            link.cancel(msg.call)

    def _query(self, msg: m.Query, _: Sequence[int]) -> None:
        if msg.what == "busy":
            self._send(m.Done(msg.request, self.busy()))
        elif msg.what == "where":
            # Not on this thread: it holds frames, whose locals may be the last to hold what has a destructor.
            self.threads.start_or_postpone(lambda: self._send(m.Done(msg.request, running_code())), "logos-where")
        else:
            self._send(m.Done(msg.request, {"calls": self.proxy.calls, "events": self.publisher.events}))

    def busy(self) -> list[tuple[int, int, int]]:
        """What runs and waits for nobody, as keys: one that stays the same over a while has hung for so long.

        A call that makes calls of its own changes its key with each; so does the event loop, each time that it comes
        round, and a coroutine that awaits something is nobody's burden but the loop's.
        """
        keys = [
            (link.link, number, call.waited)
            for link in self.provider.links()
            for number, call in list(link.running.items())
            if call.runs_in_a_thread
        ]
        keys += [
            (link.link, number, progress)
            for link in self.provider.links()
            for number, stream in list(link.streams.items())
            if (progress := stream.progress) is not None
        ]
        keys += [(0, number, call.waited) for number, call in list(self._in_turn.items()) if call.runs_in_a_thread]
        beat = self.proxy.loop_beat()
        return keys if beat is None else [*keys, (-1, 0, beat)]

    def request(self, make: Callable[[int], Any], deadline: int) -> Any:
        """Send the message that ``make(request number)`` gives and wait for its answer.

        Raises:
            LogosError: what the core answered.
            StateError: this party has ended.
            CallTimeoutError: no answer until ``deadline``.
        """
        answer = Answer()
        number = self.ask(make, answer)
        try:
            if not answer.wait(deadline):
                raise CallTimeoutError("the core did not answer in time", module="core")
        finally:
            self._answers.pop(number, None)
        if answer.error is not None:
            raise answer.error
        return answer.value

    def ask(self, make: Callable[[int], Any], answer: Answer) -> int:
        """Send such a message and do not wait; ``answer`` is settled when the answer comes, on the control thread.

        Raises:
            StateError: this party has ended.
        """
        number = next(self._requests)
        self._answers[number] = answer
        try:
            self.check_open()
            self._send(make(number))
        except BaseException:
            self._answers.pop(number, None)
            raise
        return number

    def check_open(self) -> None:
        """Raises StateError if this party has ended."""
        if self._closed is not None:
            raise StateError(f"{self.name} cannot reach anybody: {self._closed}")

    def connect(self, target: str, deadline: int) -> CallLink:
        """Get token and channel for ``target``: the seed's authentication flow from its first arrow to its last.

        Raises: as :meth:`LogosAPIClient.call`.
        """
        attempts = 0
        while True:
            self.authenticate(target, deadline)
            attempts += 1
            try:
                link: CallLink = self.request(lambda number: m.OpenLink(number, target), deadline)
                return link
            except PermissionDeniedError:
                # Whoever has a token has a grant; unless the module was reloaded just then.
                if attempts == _ATTEMPTS:
                    raise

    def await_loaded(self, target: str, deadline: int) -> None:
        """Wait until a module that this party can reach is loaded, too. Raises as :meth:`request` does."""
        self.request(lambda number: m.AwaitLoaded(number, target), deadline)

    def resolve(self, target: str, deadline: int) -> str:
        """The module that ``target``, a name or a capability, means. Raises UnknownModuleError."""
        if not isinstance(target, str) or not target:
            raise UnknownModuleError(f"a module's name is a non-empty str, not {target!r}", module=str(target))
        name: str = self.request(lambda number: m.Resolve(number, target), deadline)
        return name

    def authenticate(self, target: str, deadline: int) -> bytes:
        """Get a fresh token for ``target`` from the capability module, to present from now on; as it stands in a frame.

        Should the capability module end meanwhile, this waits until it is back: asking twice does no harm. One thread at a
        time, though: the token that is presented last is the one that counts, and must be the one that is held.
        """
        if target == CAPABILITY_MODULE or self.name == CAPABILITY_MODULE:
            return self.tokens.held_bytes(target) or NO_TOKEN
        capability = self.client(CAPABILITY_MODULE)
        while True:
            try:
                token = capability.call("requestModule", self.name, target, timeout=seconds_left(deadline))
                break
            except (ModuleCrashedError, ModuleNotLoadedError) as error:
                if error.module != CAPABILITY_MODULE:
                    raise
                capability.wait_ready(seconds_left(deadline))
        return self.tokens.hold(target, token)

    def cancel(self, link: int, call: int) -> None:
        """Tell the callee that a call was given up."""
        with contextlib.suppress(LogosError, TimeoutError):  # whoever is gone needs no telling
            self._send(m.CancelCall(link, call))

    def link_failed(self, link: int, error: LogosError) -> None:
        """See :class:`LinkOwner`."""
        with contextlib.suppress(LogosError, TimeoutError):  # no core, no link either
            self._send(m.LinkFailed(link, to_wire(error)))

    # --- clients and subscriptions ----------------------------------------------------------------------------------

    def client(self, target: str) -> LogosAPIClient:
        """The one client of this party for ``target``."""
        with self._lock:
            client = self._clients.get(target)
            if client is None:
                client = self._clients[target] = LogosAPIClient(self, target)
            return client

    def subscribe(self, target: str, event: str | None, maxsize: int, overflow: Overflow) -> Subscription:
        """See :meth:`LogosAPIClient.subscribe`."""
        return self.hearing.subscribe(target, event, maxsize, overflow)

    def in_turn(self, peer: str, *, has_turn: bool) -> InTurn:
        """Run the body like a call from ``peer`` that has its turn already, or (not ``has_turn``) runs without one."""
        return InTurn(peer, self.gate if has_turn else None, self._in_turn, next(self._requests))

    def turn(self, peer: str) -> InTurn:
        """Run the body like a call from ``peer``: in its turn, with nested calls giving it away."""
        return InTurn(peer, self.gate, self._in_turn, next(self._requests), waits=True)

    # --- the end ----------------------------------------------------------------------------------------------------

    def close(self, error: LogosError) -> None:
        """End everything of this party. Idempotent."""
        with self._lock:
            if self._closed is not None:
                return
            self._closed = error
        for answer in list(self._answers.values()):
            answer.settle(None, StateError(f"{self.name} has ended: {error}"))
        self.hearing.close(error)
        self._channels.close(error)
        self.publisher.close(error)
        self.provider.close(error)
        self.lending.close()
        self.proxy.close()

    def abandon(self, error: LogosError) -> None:
        """In a forked child: everything here is the parent's. Touch nothing shared, and let every use raise ``error``."""
        self._closed = error
        self._channels.abandon(error)
        self.provider.abandon(error)
        self.publisher.abandon(error)
        self.hearing.abandon(error)


_nodes: weakref.WeakSet[Node] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    error = StateError("this process is a forked child; the Core and its clients belong to the parent")
    for node in list(_nodes):
        node.abandon(error)


os.register_at_fork(after_in_child=_after_fork_in_child)
