"""``on_event``: a callback for each event, one after the other.

    ring ‖ reader ─▶ callback                       while it is quick, and nobody else waits for this publisher's events
    ring ‖ reader ─▶ queue ─▶ consumer ─▶ callback  otherwise

Rules:

* Waking a thread costs more than most callbacks do. So the thread that reads the ring (the reader) runs the callback
  itself, if the queue is empty and there is no other subscription that would have to wait for it.
* The consumer looks after it meanwhile. Where a callback lasts, the two change parts: the consumer reads on, and the
  reader, when the callback has ended, consumes what was queued up. So a slow callback holds up nobody for more than a moment.
* Who has set ``_runs`` runs callbacks, and nobody else does; so they come in order, and never two at once.
* The consumer looks at the clock only while events come; else it sleeps.

A *part* is what a thread does until it has ended, or goes on with another part: what it returns.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from logoscore.errors import LogosError, ModuleCrashedError, without_last_lines
from logoscore.interface import Event
from logoscore.session.subscription import Subscription

if TYPE_CHECKING:
    from logoscore.session.node import Node
    from logoscore.session.raised import Raised

__all__ = ["Listener", "Part", "listen", "play"]

Part = Callable[[], Any]  # gives the next part, or None: it has ended

#: After as much of one callback, and before twice as much, the consumer takes over the reading.
_RELIEF_SECONDS: Final = 0.02


def play(part: Part | None) -> None:
    """Play one part after the other, to the end."""
    while part is not None:
        part = part()


def listen(node: Node, target: str, event: str | None, callback: Callable[[Event], Any]) -> Subscription:
    """See :meth:`LogosAPIClient.on_event`."""
    subscription = node.subscribe(target, event, 1024, "block")
    listener = Listener(subscription, callback, lambda: node.turn(target), node.name, node.on_exit)
    try:
        node.threads.start(lambda: play(listener.consume), f"logos-on-{subscription.module}")
    except BaseException:
        subscription.cancel()
        raise
    return subscription


class Listener:
    """Calls a callback for every event of a subscription until its end; what it raises is logged and does not end that.

    Args:
        guard: gives a context manager around each call: the module's turn.
        party: whose callback it is.
        on_exit: called with the exit code when the callback raises SystemExit, which ends a host as it does in a
            method; None (in the app, whose end is not a callback's to decide): that is logged like anything else.
    """

    def __init__(
        self,
        subscription: Subscription,
        callback: Callable[[Event], Any],
        guard: Callable[[], Any],
        party: str,
        on_exit: Callable[[object], None] | None = None,
    ) -> None:
        self._subscription = subscription
        self._callback = callback
        self._guard = guard
        self._party = party
        self._on_exit = on_exit
        # Made here: where they are needed there may be no memory, and nothing may go wrong.
        self._names = f"logos-events-{subscription.module}", f"logos-on-{subscription.module}"
        self._raised: Raised | None = None
        self._exited = False
        # Under the subscription's lock:
        self._runs = False
        self._reader: Part | None = None  # a reader runs the callback; what to do to read on in its place
        self._begun = 0  # callbacks, by readers
        self._seen = 0  # of these, when the consumer last looked
        self._sleeps = False  # the consumer, without looking at the clock
        subscription._listener = self

    # --- the reader's side ------------------------------------------------------------------------------------------

    def begin(self, event: Event, link: int, read: Part) -> Event | None:
        """Whether the reader is to run the callback itself: the event, for :meth:`run`. Else None: it is to be pushed.

        Args:
            link: the channel by which it came.
            read: the reader's part, for whoever takes over.
        """
        subscription = self._subscription
        with subscription._changed:
            if self._runs or subscription.pending or subscription._over():
                return None
            self._runs = True
            self._reader = read
            self._begun += 1
            if self._sleeps:
                subscription._changed.notify_all()
            return subscription._marked(event, link)

    def run(self, event: Event) -> Part | None:
        """In the reader, after :meth:`begin`: what to do next; None: read on."""
        self._call(event)
        with self._subscription._changed:
            if self._reader is None:
                threading.current_thread().name = self._names[1]  # it does that from here on
                return self.consume
            self._reader = None
            self._runs = self._exited
            return None

    # --- the consumer's side ----------------------------------------------------------------------------------------

    def consume(self) -> Part | None:
        """Run the callback for what is queued up, until the end of the subscription, or until another should read on."""
        import logging

        subscription = self._subscription
        while True:
            part = self._wait()
            if part is not None or self._exited:
                return part
            try:
                event = next(subscription)
            except StopIteration:
                return None
            except ModuleCrashedError as error:
                what = without_last_lines(str(error))
                logging.getLogger("logoscore").warning(
                    "%r waits until its module is loaded again: %s", subscription, what
                )
                if subscription._over():  # (of a party that ended so)
                    return None
                continue
            except LogosError as error:
                logging.getLogger("logoscore").error("%r has ended: %s", subscription, error)  # noqa: TRY400 - no traceback of ours is of use
                return None
            self._call(event)

    def _wait(self) -> Part | None:
        """Until there is something to take from the subscription; or a reader's callback lasts: then that one's part."""
        subscription = self._subscription
        told = subscription._losses_told
        with subscription._changed:
            while True:
                if self._reader is None:
                    self._runs = self._exited or subscription._has_news(told)
                    if self._runs:
                        return None
                elif self._seen == self._begun:
                    threading.current_thread().name = self._names[0]
                    part, self._reader = self._reader, None  # it runs on, as the consumer
                    return part
                self._sleeps = self._reader is None and self._seen == self._begun
                self._seen = self._begun
                subscription._wait_for_change(None if self._sleeps else _RELIEF_SECONDS)
                self._sleeps = False

    # --- both -------------------------------------------------------------------------------------------------------

    def _call(self, event: Event) -> None:
        try:
            with self._guard():
                self._callback(event)
        except BaseException as exc:  # noqa: BLE001 - the callback may raise anything; it is logged
            if isinstance(exc, SystemExit) and self._on_exit is not None:
                self._exited = True
                self._on_exit(exc.code)
                return
            if self._raised is None:
                from logoscore.session.raised import Raised

                self._raised = Raised(self._party, self._callback)
            self._raised.add(exc, f"{event.module}.{event.name}", sys.exc_info()[2])
