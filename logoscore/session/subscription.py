"""A subscription: where events wait until somebody takes them.

Rules: bounded (``maxsize``); what happens when it is full is the subscriber's choice:

    block          the publisher's ring is not read on, so in the end ``trigger`` waits (bounded); nothing is lost. Where
                   that would hold up other subscriptions to the same publisher, as many events more are held back
                   first, and after a while the full one ends with ChannelClosedError
    drop_oldest    the oldest waiting event goes; ``dropped`` counts
    drop_newest    the new event goes; ``dropped`` counts
    disconnect     the subscription ends: what waits is still delivered, then ChannelClosedError
"""

from __future__ import annotations

import contextlib
import copy
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

from logoscore.errors import ChannelClosedError, LogosError, ModuleCrashedError
from logoscore.interface import Event
from logoscore.locks import Condition
from logoscore.session.execution import yield_turn

if TYPE_CHECKING:
    import asyncio

    from logoscore.session.on_event import Listener

__all__ = ["OVERFLOWS", "Overflow", "Subscription"]

Overflow = Literal["block", "drop_oldest", "drop_newest", "disconnect"]
OVERFLOWS: Final = ("block", "drop_oldest", "drop_newest", "disconnect")


_LOOK_SECONDS: Final = 0.5  # between two looks whether somebody else has come


class Subscription:
    """Events of one module, in the order in which it triggered them.

    ``overflow`` says what happens when ``maxsize`` events wait. ``"block"`` loses nothing: the publisher's events are not
    read on until there is room, and in the end its ``trigger`` waits; if that takes longer than its deadline, it cuts this
    process off. All subscriptions of one party to one publisher share the way by which its events come. So while there
    are others, a full one with ``"block"`` holds back as many events more (``pending`` may be up to twice ``maxsize``);
    then the others wait for it, at most half of the default timeout until it has caught up; then it ends: what waits is
    still delivered, after that comes ChannelClosedError. ``"drop_oldest"`` and ``"drop_newest"`` lose events and count them
    in ``dropped``,
    ``"disconnect"`` ends at once, as above.

    Iterate (``for event in subscription``, ``async for``), or wait for one with :meth:`get`. Iteration ends when the
    subscription is cancelled. A context manager, also for ``async with``: leaving the block cancels.

    A publisher that is unloaded or restarted is waited for. Should it crash and not be restarted (any more), nobody waits
    in silence: after the events that had arrived, whoever waits then, or else who comes next, gets ModuleCrashedError,
    once. The subscription stays: ask again to wait until somebody loads the module.

    Attributes:
        module, event: what is subscribed; ``event`` None: everything.
        dropped: events lost because this subscription was full.
        gaps: how often the publisher was away (reload, restart) since the first event could come.
    """

    def __init__(
        self,
        module: str,
        event: str | None,
        maxsize: int,
        overflow: Overflow,
        on_cancel: Callable[[Subscription], None],
    ) -> None:
        if overflow not in OVERFLOWS:
            raise ValueError(f"overflow is one of {', '.join(OVERFLOWS)}, not {overflow!r}")
        if not isinstance(maxsize, int) or isinstance(maxsize, bool) or maxsize < 1:
            raise ValueError(f"maxsize is a whole number of at least 1, not {maxsize!r}")
        self.module = module
        self.event = event
        self.maxsize = maxsize
        self.overflow = overflow
        self.dropped = 0
        self.gaps = 0
        self._on_cancel = on_cancel
        self._events: deque[Event] = deque()
        self._listener: Listener | None = None  # whose callback takes the events
        self._changed = Condition()
        self._full_since: float | None = None  # and others have to wait for it
        self._waiting = 0  # threads that wait for an event, or for room: there may be none, and telling nobody costs
        self._error: LogosError | None = None
        self._cancelled = False
        self._gap_pending = False
        self._link: int | None = None  # the channel that events come by, or may come by
        self._lost: ModuleCrashedError | None = None  # the publisher has crashed, and is not restarted
        self._losses = 0
        self._losses_told = 0
        self._tasks: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()

    # --- the reader's side, and its listener's: underscored, as users have no business there ------------------------

    def _push(
        self, event: Event, link: int, others: Callable[[Subscription], bool] = lambda _: False, patience: float = 0.0
    ) -> None:
        """Take an event in; with overflow "block" this waits for room.

        Args:
            link: the channel by which it came.
            others: tells whether waiting for this one holds up other subscriptions.
            patience: seconds that it may do so; then this one ends.
        """
        with self._changed:
            if len(self._events) < self.maxsize:
                self._full_since = None  # it has caught up
            elif self._over() or not self._make_room(others, patience):
                return
            if self._over():
                return
            self._events.append(self._marked(event, link))
            self._wake()

    def _marked(self, event: Event, link: int) -> Event:
        """Under the lock: the event, with a gap notice if it is the first since the publisher was away."""
        if self._link is None:
            self._link = link  # what a closed channel still held when we came: the next one is another
        if not self._gap_pending:
            return event
        self._gap_pending = False
        return Event(event.module, event.name, event.data, event.sequence, event.timestamp, gap=True)

    def _make_room(self, others: Callable[[Subscription], bool], patience: float) -> bool:
        """Under the lock: whether the new event may come in."""
        if self.overflow == "block":
            return self._wait_for_room(others, patience)
        if self.overflow == "disconnect":
            return self._fall_behind(f"{self.maxsize} events wait, and its overflow is 'disconnect'")
        if self.overflow == "drop_oldest":
            with contextlib.suppress(IndexError):  # a reader was quicker
                self._events.popleft()
                self.dropped += 1
            return True
        self.dropped += 1
        return False

    def _wait_for_room(self, others: Callable[[Subscription], bool], patience: float) -> bool:
        self._waiting += 1  # before we look: who takes an event afterwards tells us
        try:
            while True:
                held_up = others(self)
                limit = 2 * self.maxsize if held_up else self.maxsize
                if len(self._events) < limit or self._over():
                    return True
                now = time.monotonic()
                if not held_up:
                    self._full_since = None
                elif self._full_since is None:
                    self._full_since = now
                left = _LOOK_SECONDS if self._full_since is None else patience - (now - self._full_since)
                if left <= 0:
                    return self._fall_behind(f"{limit} events wait, and for {patience:g} s others had to wait for it")
                self._changed.wait(min(left, _LOOK_SECONDS))
        finally:
            self._waiting -= 1

    def _fall_behind(self, how: str) -> bool:
        self._error = ChannelClosedError(f"the subscription to {self.module}.{self.event or '*'} fell behind: {how}")
        self._wake()
        return False

    def _connected(self, link: int) -> None:
        """Events come by this channel now. If there was another before, the publisher was away: mark the next event."""
        with self._changed:
            if link == self._link:
                return
            if self._link is not None:
                self.gaps += 1
                self._gap_pending = True
            self._link = link
            self._lost = None

    def _tell_lost(self, error: ModuleCrashedError) -> None:
        """The publisher has crashed and is not restarted: say so, once, after what waits."""
        with self._changed:
            self._lost = error
            self._losses += 1
            self._wake()

    def _fail(self, error: LogosError) -> None:
        """End it with ``error``, after what waits."""
        with self._changed:
            if self._error is None:
                self._error = error
            self._wake()

    def _abandon(self, error: LogosError) -> None:
        """In a forked child, where the parent's threads may have held the lock for ever: raise ``error`` from now on."""
        self._changed = Condition()
        self._events = deque()
        self._error = error

    def _wake(self) -> None:
        if self._waiting:
            self._changed.notify_all()
        while self._tasks:
            loop, future = self._tasks.popleft()
            with contextlib.suppress(RuntimeError):  # its loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(_settle, future)

    # --- the user's side --------------------------------------------------------------------------------------------

    def get(self, timeout: float | None = None) -> Event:
        """The next event; waits at most ``timeout`` seconds (None: as long as it takes).

        Raises:
            TimeoutError: none came in time.
            ModuleCrashedError: the module crashed and is not restarted; said once, the subscription goes on.
            ChannelClosedError: the subscription was cancelled, or ended because it fell behind.
        """
        told = self._losses_told
        end = None if timeout is None or timeout > threading.TIMEOUT_MAX else time.monotonic() + timeout
        while True:
            event = self._take(told)
            if event is not None:
                return event
            if self._cancelled:
                raise ChannelClosedError(f"the subscription to {self.module}.{self.event or '*'} was cancelled")
            remaining = None if end is None else end - time.monotonic()
            if remaining is not None and remaining <= 0:
                raise TimeoutError(f"no event {self.event or '*'} of {self.module} came within {timeout:g} s")
            with yield_turn():
                self._wait_for_news(told, end)

    def _wait_for_news(self, told: int, end: float | None) -> None:
        """Until there is something to take, or to say, or ``end`` (monotonic seconds) has passed."""
        with self._changed:
            while True:  # (not "while condition": see locks.py)
                if self._has_news(told):
                    return
                remaining = None if end is None else end - time.monotonic()
                if remaining is not None and remaining <= 0:
                    return
                self._wait_for_change(remaining)

    def _has_news(self, told: int) -> bool:
        """Under the lock: whether there is something to take, or to say to who began when ``told`` losses had been told."""
        return bool(self._events) or self._over() or self._mourns(told)

    def _wait_for_change(self, seconds: float | None) -> None:
        """Under the lock, which is let go meanwhile: until something has changed, perhaps."""
        self._waiting += 1
        try:
            self._changed.wait(seconds)
        finally:
            self._waiting -= 1

    def _over(self) -> bool:
        """Whether nothing comes any more."""
        return self._cancelled or self._error is not None

    def _mourns(self, told: int) -> bool:
        """Whether a reader must hear that the publisher is lost who began when ``told`` losses had been told."""
        return self._lost is not None and self._losses > told

    def _take(self, told: int) -> Event | None:
        while True:
            try:
                event = self._events.popleft()  # (one step, so without the lock)
            except IndexError:
                pass
            else:
                if self._waiting:
                    with self._changed:
                        self._changed.notify_all()
                return event
            with self._changed:
                if self._events:
                    continue  # one has come meanwhile
                if self._error is not None and not self._cancelled:
                    raise self._error
                if self._lost is not None and self._mourns(told) and not self._cancelled:
                    self._losses_told = self._losses
                    raise copy.copy(self._lost)  # every reader that waits now gets it
                return None

    def __iter__(self) -> Subscription:
        return self

    def __next__(self) -> Event:
        told = self._losses_told
        while True:
            if not self._events and not self._over() and not self._mourns(told):
                with yield_turn():
                    self._wait_for_news(told, None)
            event = self._take(told)
            if event is not None:
                return event
            if self._cancelled:
                raise StopIteration

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Event:
        import asyncio

        from logoscore.session.turns import give_turn_while

        loop = asyncio.get_running_loop()
        told = self._losses_told
        while True:
            event = self._take(told)
            if event is not None:
                return event
            with self._changed:
                if self._cancelled:
                    raise StopAsyncIteration
                if self._events or self._error is not None or self._mourns(told):
                    continue
                future: asyncio.Future[None] = loop.create_future()
                self._tasks.append((loop, future))
            try:
                await give_turn_while(future)
            finally:
                with contextlib.suppress(ValueError):
                    self._tasks.remove((loop, future))

    @property
    def pending(self) -> int:
        """Events that wait to be taken."""
        return len(self._events)

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._cancelled

    def cancel(self) -> None:
        """No more events: what waits is dropped, iteration ends. Idempotent."""
        with self._changed:
            if self._cancelled:
                return
            self._cancelled = True
            self._events.clear()
            self._wake()
        self._on_cancel(self)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()

    async def __aenter__(self) -> Subscription:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cancel()

    def __repr__(self) -> str:
        state = "cancelled" if self._cancelled else f"{len(self._events)} waiting, {self.dropped} dropped"
        return f"<Subscription {self.module}.{self.event or '*'}: {state}>"


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
