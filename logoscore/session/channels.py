"""The channels of one party: opened, attached and closed at the core's word.

    Opened ─▶ ours to call through      ─▶ CallLink, to whoever asked
    Attach ─▶ calls of a peer           ─▶ provider.serve
           └▶ events: we publish        ─▶ publisher.add
                      we hear           ─▶ hearing.add_link
    each   ─▶ Attached when it is in its place, LinkFailed if it cannot be

Rules:

* On the control thread, so nothing here waits for user code or for another message.
* Whoever opens a channel last removes its semaphores' names.
* A channel that cannot be opened or served is that channel's affair: the core and those who wait here are told why.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from logoscore.errors import ChannelClosedError, LogosError
from logoscore.session.outgoing import CallLink
from logoscore.session.wire_errors import from_wire
from logoscore.transport import messages as m
from logoscore.transport.channel import Channel
from logoscore.transport.codec import by_id
from logoscore.transport.segment import unlink_semaphore
from logoscore.transport.spin import Spinner

if TYPE_CHECKING:
    from logoscore.session.node import Node

__all__ = ["Channels"]

_NO_SPIN: Final = Spinner(0)


class _Settle(Protocol):
    def __call__(self, request: int, value: Any, error: LogosError | None = None) -> bool:
        """Give an answer to whoever waits for it; whether somebody does."""


class Channels:
    """What the core says of channels, done.

    Args:
        node: the party.
        spinner: this process's.
        send: sends a message to the core.
        settle: answers a request of the party.
        on_lost: called with each channel of ours to call through that the core has closed.
    """

    def __init__(
        self,
        node: Node,
        spinner: Spinner,
        send: Callable[[Any], None],
        settle: _Settle,
        on_lost: Callable[[CallLink], None],
    ) -> None:
        self._node = node
        self._spinner = spinner
        self._send = send
        self._settle = settle
        self._on_lost = on_lost
        self._lock = threading.Lock()
        self._call_links: dict[int, CallLink] = {}

    def _channel(self, info: m.LinkInfo, descriptors: Sequence[int], sends: Sequence[bool], *, last: bool) -> Channel:
        """Open a channel; if that fails, tell the core. (``Attached`` is sent when the channel is in its place.)

        ``last``: the other end has opened it, so nobody needs its semaphores' names any more.

        Raises:
            ChannelClosedError: it cannot be opened; a limit that is behind it is named.
        """
        spinner = (
            _NO_SPIN if info.peer == self._node.name else self._spinner
        )  # two threads of one process share the GIL
        failure: Exception | None = None
        if descriptors:
            try:
                channel = Channel(descriptors[0], info.capacities, info.semaphores, sends, spinner, info.places)
            except (OSError, ValueError, MemoryError) as exc:
                failure = exc
        else:  # the system drops what this process may not have
            failure = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        if failure is not None:
            raise self._unusable(info, "could not open", failure) from failure
        self._node.lending.add(info.link, channel, callee=not last)
        if last:
            for name in info.semaphores:
                unlink_semaphore(name)
        return channel

    def _unusable(self, info: m.LinkInfo, what: str, exc: Exception) -> ChannelClosedError:
        """Tell the core that this end of a link is of no use; returns the error for those who wait here."""
        why = f"{type(exc).__name__}: {exc}{self._node.proxy.limits.note(exc)}"
        error = ChannelClosedError(f"{self._node.name} {what} its channel with {info.peer}: {why}")
        self._node.link_failed(info.link, error)
        return error

    def opened(self, msg: m.Opened, descriptors: Sequence[int]) -> None:
        """A channel that a client asked for: open it, and answer whoever waits."""
        info = msg.link
        try:
            channel = self._channel(info, descriptors, (True, False), last=True)
        except ChannelClosedError as error:
            self._settle(msg.request, None, error)
            return
        link = CallLink(info.link, info.peer, channel, by_id(m.CODEC_IDS[info.codec]), self._node)
        with self._lock:
            self._call_links[info.link] = link
        self._send(m.Attached(info.link))
        if not self._settle(msg.request, link):
            self._node.link_failed(info.link, ChannelClosedError(f"{self._node.name} no longer wanted it"))

    def attach(self, msg: m.Attach, descriptors: Sequence[int]) -> None:
        """A channel that others asked for, or events: open it, and serve, publish or hear through it."""
        info = msg.link
        sends = (False, True) if info.purpose == m.CALLS else (msg.publishes,)
        last = info.purpose == m.EVENTS and not msg.publishes
        try:
            channel = self._channel(info, descriptors, sends, last=last)
        except ChannelClosedError as error:
            if last:
                self._node.hearing.fail(info.peer, error)
            return
        try:
            if info.purpose == m.CALLS:
                self._node.provider.serve(info.link, info.peer, channel, by_id(m.CODEC_IDS[info.codec]))
            elif msg.publishes:
                self._node.publisher.add(info.link, info.peer, channel, info.filter)
            else:
                self._node.hearing.add_link(info, channel)
        except (RuntimeError, MemoryError, LogosError) as exc:  # no thread is to be had
            unusable = self._unusable(info, "cannot serve", exc)
            if last:
                self._node.hearing.fail(info.peer, unusable)
            return
        self._send(m.Attached(info.link))

    def close_link(self, msg: m.CloseLink, _: Sequence[int]) -> None:
        """The core has closed a channel: end it here, whatever it was for."""
        error = from_wire(msg.error)
        with self._lock:
            call_link = self._call_links.pop(msg.link, None)
        if call_link is not None:
            call_link.close(error)
            self._on_lost(call_link)
            self._node.threads.start_or_postpone(call_link.finish, f"logos-close-{call_link.peer}")
        elif msg.publisher is not None:  # it could not be opened at the other end, so we never had it
            self._node.hearing.fail(msg.publisher, error)
        elif not self._node.hearing.close_link(
            msg.link, error, by_peer=msg.by_peer
        ) and not self._node.publisher.remove(msg.link, error):
            self._node.provider.close_link(msg.link, error)

    def close(self, error: LogosError) -> None:
        """The party ends: nobody calls through them any more."""
        with self._lock:
            call_links = list(self._call_links.values())
            self._call_links.clear()
        for call_link in call_links:
            call_link.close(error)
            self._node.threads.start_or_postpone(call_link.finish, f"logos-close-{call_link.peer}")

    def abandon(self, error: LogosError) -> None:
        """See ``Node.abandon``."""
        for link in self._call_links.values():
            link.abandon(error)
