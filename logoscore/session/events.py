"""Events of one party: the publisher's links out, and the subscriber's links in.

    trigger ─▶ encoded once ─▶ every link whose filter wants it ─▶ ring ‖ ring ─▶ reader thread ─▶ subscriptions

Rules:

* Events have a channel of their own, so a slow subscriber never delays a reply; one per pair of modules, whatever the
  number of subscriptions.
* One lock orders the events of a publisher: every subscriber sees them in the order of their sequence numbers.
* A full ring makes ``trigger`` wait, at most until the running call's deadline or the default timeout; a subscriber
  that has not read until then is cut off, loudly, and the others go on.
* The subscriber's wish lives in the core, which arms it before the publisher's ``init_logos`` runs, at every load.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from logoscore.errors import (
    ChannelClosedError,
    FrameTooLargeError,
    LogosError,
    ProtocolViolationError,
    SerializationError,
)
from logoscore.interface import Event
from logoscore.locks import Flag
from logoscore.session.deadlines import deadline_after
from logoscore.session.execution import running_call, yield_turn
from logoscore.session.on_event import Part, play
from logoscore.session.subscription import Subscription
from logoscore.session.threads import LinkOwner
from logoscore.transport.channel import Channel, Receiver, Sender
from logoscore.transport.codec import SAFE
from logoscore.transport.frame import BUFFERS, EVENT, NO_TOKEN, Frame, make_frame, parse, split_payload

__all__ = ["EventLink", "Publisher"]


class _Outlet:
    """One subscriber of a publisher."""

    def __init__(self, peer: str, channel: Channel, names: Collection[str] | None) -> None:
        self.peer = peer
        self.channel = channel
        self.names = None if names is None else frozenset(names)  # looked into at each event: no list of any length
        self.sender: Sender = channel.senders[0]

    def wants(self, name: str) -> bool:
        return self.names is None or name in self.names


class Publisher:
    """What a party publishes.

    Args:
        module: the party's name.
        default_timeout: seconds that a full subscriber may delay ``trigger``.
        owner: the party.
    """

    def __init__(self, module: str, default_timeout: float, owner: LinkOwner) -> None:
        self.module = module
        self._owner = owner
        self.events = 0
        self._abandoned: LogosError | None = None
        self._timeout = default_timeout
        self._order = threading.Lock()
        self._lock = threading.Lock()
        self._outlets: dict[int, _Outlet] = {}

    def add(self, link: int, peer: str, channel: Channel, names: Collection[str] | None) -> None:
        """A subscriber came."""
        with self._lock:
            self._outlets[link] = _Outlet(peer, channel, names)

    def set_filter(self, link: int, names: Collection[str] | None) -> None:
        """A subscriber wants other events from now on."""
        with self._lock:
            if link in self._outlets:
                self._outlets[link].names = None if names is None else frozenset(names)

    def remove(self, link: int, error: LogosError) -> bool:
        """A subscriber went. False if there is none of that number."""
        with self._lock:
            outlet = self._outlets.pop(link, None)
        if outlet is None:
            return False
        outlet.channel.close(error)
        outlet.channel.dispose()
        return True

    def close(self, error: LogosError) -> None:
        """All of them went."""
        for link in list(self._outlets):
            self.remove(link, error)

    def abandon(self, error: LogosError) -> None:
        """See ``Node.abandon``."""
        self._abandoned = error
        for outlet in self._outlets.values():
            outlet.channel.abandon(error)

    def trigger(self, name: str, data: tuple[Any, ...]) -> None:
        """Publish one event to everybody who wants it now.

        Raises:
            SerializationError: the data cannot travel.
            TypeError: ``name`` is not a non-empty str.
        """
        if not isinstance(name, str) or not name:
            raise TypeError(f"an event's name is a non-empty str, not {name!r}")
        if self._abandoned is not None:
            raise copy.copy(self._abandoned)
        try:
            head, buffers = SAFE.encode_arguments(data)
        except SerializationError as exc:
            what = f"event {self.module}.{name}: {exc}"
            raise SerializationError(what, path=exc.path, type_name=exc.type_name) from None
        flags = BUFFERS if buffers else 0
        if not self._order.acquire(blocking=False):
            with yield_turn():
                self._order.acquire()
        try:
            start = make_frame(EVENT, SAFE.ID, flags, self.events + 1, time.time_ns(), NO_TOKEN, name, b"")
            self.events += 1
            with self._lock:
                outlets = [(link, outlet) for link, outlet in self._outlets.items() if outlet.wants(name)]
            for link, outlet in outlets:
                self._send(link, outlet, start, head, buffers)
        finally:
            self._order.release()

    def _send(self, link: int, outlet: _Outlet, start: bytes, head: bytes, buffers: Sequence[memoryview]) -> None:
        sender = outlet.sender
        frame: bytes | list[bytes | memoryview] = start + head
        if buffers:
            frame = self._owner.lending.frame(sender, start, head, buffers, self._patience())
        try:
            if type(frame) is bytes and sender.try_send(frame):
                return
            with yield_turn():
                sender.send_parts([frame] if isinstance(frame, bytes) else frame, self._patience())
        except TimeoutError:
            self._cut_off(link, outlet, ChannelClosedError(f"{outlet.peer} did not read the events of {self.module}"))
        except FrameTooLargeError:
            raise
        except LogosError as error:
            if outlet.sender.error is None:  # what it has written into the ring is against the protocol
                self._cut_off(link, outlet, error)
            # else: it is gone, and the core removes it
        except ValueError as exc:  # its semaphore is at its limit: it does not play by the rules either
            self._cut_off(link, outlet, ProtocolViolationError(f"{outlet.peer}: {exc}"))

    def _patience(self) -> int:
        """Until when one subscriber may delay us."""
        call = running_call()
        deadline = deadline_after(self._timeout)
        return deadline if call is None else min(deadline, call.deadline)

    def _cut_off(self, link: int, outlet: _Outlet, error: LogosError) -> None:
        import logging

        logging.getLogger("logoscore").warning("%s cuts off its subscriber %s: %s", self.module, outlet.peer, error)
        self.remove(link, error)
        self._owner.link_failed(link, error)


class EventLink:
    """The subscriber's side of an events channel: a thread that reads it and hands events to the subscriptions.

    Args:
        subscriptions: gives the subscriptions of the publisher, as they are now.
        former: the channel before this one; what it still holds is delivered first.
        patience: seconds that one full subscription may hold up the others.
    """

    def __init__(
        self,
        link: int,
        peer: str,
        channel: Channel,
        subscriptions: Callable[[], Collection[Subscription]],
        owner: LinkOwner,
        former: EventLink | None,
        patience: float,
    ) -> None:
        self.link = link
        self.peer = peer
        self._channel = channel
        self._receiver: Receiver = channel.receivers[0]
        self._subscriptions = subscriptions
        self._owner = owner
        self._former = former
        self._patience = patience
        self._begun = False
        self._ended = Flag()

    def start(self) -> None:
        """Begin to read."""
        self._owner.threads.start(lambda: play(self._begin), f"logos-events-{self.peer}")

    def close(self, error: LogosError) -> None:
        """End it. What had arrived is still delivered."""
        self._channel.close(error)

    def wait_read(self) -> None:
        """After :meth:`close`: wait until what had arrived is delivered."""
        self._ended.wait()

    def connect(self, subscription: Subscription) -> None:
        """A subscription hears by this channel from now on, if that is read already."""
        if self._begun:
            subscription._connected(self.link)

    def _begin(self) -> Part:
        if self._former is not None:
            self._former.wait_read()
            self._former = None
        self._begun = True  # first: who comes from here on connects itself
        for subscription in self._subscriptions():
            self.connect(subscription)
        self._receiver.lock.acquire()  # whoever reads to the end gives it back
        return self._read

    def _read(self) -> Part | None:
        """Read to the end, or until another thread reads on in our place: then what this one does next."""
        receive, deliver = self._receiver.receive, self._deliver
        part: Part | None = None
        try:
            while part is None:
                data = receive(None)
                if data is not None:
                    part = deliver(data)
                    data = None  # it may have been lent memory
        except LogosError as error:
            if self._receiver.error is None:  # what the publisher wrote is no event
                self._fail(error)
        except BaseException as exc:  # noqa: BLE001 - a defect of ours must not silence the subscriptions without a word
            note = self._owner.limits.note(exc)
            self._fail(ProtocolViolationError(f"the events of {self.peer} cannot be read: {exc!r}{note}"))
        finally:
            if part is None:
                self._receiver.lock.release()
                self._ended.set()
                self._channel.dispose()
        return part

    def _fail(self, error: LogosError) -> None:
        self._channel.close(error)
        self._owner.link_failed(self.link, error)
        for subscription in self._subscriptions():
            subscription._fail(error)

    def _deliver(self, data: bytes) -> Part | None:
        """Hand one event to whoever wants it. The next part of this thread, if another one reads on meanwhile."""
        frame = parse(data)
        if frame.kind != EVENT:
            raise ProtocolViolationError(f"{self.peer} sent a frame of kind {frame.kind} as an event")
        try:
            name = frame.name.decode()
        except UnicodeDecodeError:
            raise ProtocolViolationError(f"{self.peer} sent an event whose name is not UTF-8") from None
        event = None
        subscriptions = self._subscriptions()
        for subscription in subscriptions:
            if subscription.event is None or subscription.event == name:
                if event is None:
                    event = self._event(frame, name)
                    if event is None:
                        return None
                listener = subscription._listener
                if listener is not None and len(subscriptions) == 1:
                    mine = listener.begin(event, self.link, self._read)
                    if mine is not None:
                        return listener.run(mine)
                subscription._push(event, self.link, self._others_than, self._patience)
        return None

    def _others_than(self, subscription: Subscription) -> bool:
        """Whether somebody else waits for this publisher's events."""
        return any(each is not subscription and not each._over() for each in self._subscriptions())

    def _event(self, frame: Frame, name: str) -> Event | None:
        """The event, or None (and a word in the log) if its data cannot be made here."""
        try:
            args, _ = SAFE.decode_arguments(*split_payload(frame.payload, frame.flags), False)
        except (ProtocolViolationError, SerializationError) as exc:
            import logging

            logging.getLogger("logoscore").error("the event %s of %s is lost: %s", name, self.peer, exc)  # noqa: TRY400 - no traceback of ours is of use
            return None
        return Event(self.peer, name, tuple(args), frame.call_id, frame.deadline / 1e9)
