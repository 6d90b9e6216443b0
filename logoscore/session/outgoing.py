"""The caller's side of a channel: requests out, replies back to whom they belong.

    call()   ──▶ sender ──▶ ring          ring ──▶ receiver ──▶ whoever leads ──▶ the waiter of that call id

Rules (leader and followers):

* The thread that waits for a reply reads the ring itself, so that a synchronous call has no thread hop. Who has the
  lead reads for everybody. Others wait on a lock of their own.
* A leader that has its reply steps down and wakes one follower, or else the pump: the thread that leads while only
  futures (``submit``) are waiting.
* Every waiter is registered before its request is sent, so no reply can come for somebody unknown; a reply for nobody
  is a late one and dropped.
* Whoever waits for room sees to it that somebody reads, or the callee might wait for room, too, for its replies. If he is
  the leader himself, in a done-callback, replies are put aside until he goes on.
* When the channel closes, whoever leads (or the closing thread, if nobody does) delivers what had arrived and fails the
  rest.
"""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING, Final

from logoscore.errors import LogosError, ProtocolViolationError, StateError
from logoscore.locks import Lead
from logoscore.session.expiries import Expiries
from logoscore.session.pending import Pending
from logoscore.session.pump import LOOK_SECONDS, Pump
from logoscore.session.threads import LinkOwner
from logoscore.session.waiters import ExpiredError, Nobody, Settles, SyncWaiter, Waiter
from logoscore.session.wire_errors import summary
from logoscore.transport.buffers import LentFrame
from logoscore.transport.channel import Channel
from logoscore.transport.codec import Codec
from logoscore.transport.frame import FOREVER, REPLY, START, call_id_of

if TYPE_CHECKING:
    from logoscore.session.execution import RunningCall

__all__ = ["CallLink"]

_now = time.monotonic_ns
_DELIVERIES_A_LOOK: Final = 64
_FINISH_SECONDS: Final = 5.0
_ROOM: Final = 0  # no call has this id: somebody waits for room


class CallLink:
    """A calls channel, from the caller's side.

    Args:
        link: the core's number of it.
        peer: the callee's name.
        channel: its memory; disposed of when the link is closed.

    Attributes:
        opened: when (monotonic ns).
    """

    def __init__(self, link: int, peer: str, channel: Channel, codec: Codec, owner: LinkOwner) -> None:
        self.link = link
        self.peer = peer
        self.opened = _now()
        self.codec = codec
        self.codec_id = codec.ID
        self.channel = channel
        self.sender = channel.senders[0]
        self.plain_reply = START.pack(REPLY, codec.ID, 0, 0)  # what the reply to most calls begins with
        self._receiver = channel.receivers[0]
        self._lead = self._receiver.lock = Lead()  # in place of its lock, which nobody can have had yet
        self.ids = itertools.count(1)  # of calls
        self._waiting = Pending(peer)
        self._pending = self._waiting.waiters  # (each call looks whether there are any)
        self._followers: dict[SyncWaiter, None] = {}  # in the order of their coming
        self._expiries = Expiries(self._pending)
        self._lead_until = FOREVER
        self._owner = owner
        self.sender.meanwhile = self._see_to_reading
        self._pump = Pump(peer, owner, self._lead_for_futures, self._pending.__len__)

    @property
    def error(self) -> LogosError | None:
        """What closed it, or None."""
        return self.sender.error

    # --- synchronous ------------------------------------------------------------------------------------------------

    def roundtrip(  # noqa: C901 - the hot path, in one piece on purpose
        self,
        call_id: int,
        frame: bytes | list[bytes | memoryview],
        deadline: int,
        running: RunningCall | None = None,
    ) -> bytes | None:
        """Send a request and wait for its reply; None when ``deadline`` passed first.

        Args:
            running: the call within which this one is made. Another may have its turn while this one waits.

        Raises:
            LogosError: what closed the channel.
        """
        sender, receiver, lead = self.sender, self._receiver, self._lead
        own, gave = 0, False
        try:
            lead.holder = lead.holder or frame  # see Lead; the frame stands for us, as nobody else has it
            # Where nobody else reads: lead from before the request until the reply, so that nobody needs to know of us.
            if lead.holder is frame and (
                sender.try_send(frame)
                if type(frame) is bytes
                else type(frame) is LentFrame and sender.try_send_lent(frame)
            ):
                if running is not None:
                    gave = running.begin_wait()
                own = call_id
                while True:
                    self._lead_until = FOREVER  # as in _next_look
                    until = self._next_look(deadline) if self._expiries.heap else deadline
                    self._lead_until = until
                    data = receiver.receive(until)
                    if data is not None and (
                        call_id_of(data) == own or (data := self._waiting.deliver(data, own)) is not None
                    ):
                        return data
                    if (now := _now()) >= until:  # also while replies to others keep coming
                        if (data := self._expire(own)) is not None:
                            return data
                        if now >= deadline:
                            return None
        except LogosError as error:
            if own:  # else it was closed before we came: what has arrived is still to be delivered to others
                self._close_by(error)
            raise
        finally:
            try:
                if lead.holder is frame:
                    lead.holder = lead.heir
                    if lead.holder is not None:
                        lead.wake()
                    if self._pending:
                        self._promote()
            finally:
                if gave and running is not None:
                    running.take_turn()
        return self._roundtrip_with_others(call_id, frame, deadline, running)  # or the request has to wait for room

    def _close_by(self, error: LogosError) -> None:
        """Whoever leads found the channel closed, or closes it because of what the peer wrote."""
        self._end_by(error)
        self._fail_all(error)

    def _end_by(self, error: LogosError) -> None:
        if self.sender.error is None:
            self.channel.close(error)
            self._owner.link_failed(self.link, error)

    def _roundtrip_with_others(
        self, call_id: int, frame: bytes | list[bytes | memoryview], deadline: int, running: RunningCall | None
    ) -> bytes | None:
        """Somebody else reads, or the ring is full: the waiter's way. Raises StateError in a done-callback."""
        self.refuse_in_callback()
        waiter = SyncWaiter(frame)
        self._pending[call_id] = waiter
        gave = False
        try:
            gave = running is not None and running.begin_wait()
            try:
                self.send(frame, deadline)
            except TimeoutError:
                return None
            return self._wait(waiter, deadline)
        finally:
            try:
                self._pending.pop(call_id, None)
                waiter.gone = True
                # It may have been our turn to lead just when we gave up: pass it on.
                if self._pending and not self._lead.locked():
                    self._promote()
            finally:
                if gave and running is not None:
                    running.take_turn()

    def refuse_in_callback(self) -> None:
        """Before a thread waits for a reply of this channel: raises StateError if the thread is the one that reads them."""
        if self._waiting.telling:
            raise StateError(
                f"{self.peer}: a done-callback of its calls runs on the thread that reads its replies, and cannot wait for "
                f"one: use submit, or wait in a thread of your own"
            )

    def send(self, frame: bytes | list[bytes | memoryview], deadline: int) -> None:
        """Send one frame. Raises what :meth:`Sender.send` does."""
        try:
            if isinstance(frame, bytes):
                self.sender.send(frame, deadline)
            else:
                self.sender.send_parts(frame, deadline)
        finally:
            self._pending.pop(_ROOM, None)

    def _see_to_reading(self) -> None:
        """In a thread that waits for room: see the rules."""
        if self._waiting.telling:
            try:
                self._waiting.put_aside(self._receiver)
            except LogosError as error:
                self._end_by(error)
        elif not self._lead.locked():
            self._pending[_ROOM] = Nobody()
            self._pump.start()
            self._pump.wake()

    def _wait(self, waiter: SyncWaiter, deadline: int) -> bytes | None:
        while True:
            if not self.read(waiter, deadline):
                self._follow(waiter, deadline)
            if waiter.reply is not None:
                return waiter.reply
            if waiter.error is not None:
                raise waiter.error
            if _now() >= deadline:
                return None

    def _follow(self, waiter: SyncWaiter, deadline: int) -> None:
        lock = threading.Lock()
        lock.acquire()
        waiter.lock = lock
        self._followers[waiter] = None
        # Whoever settles us from here on sees the lock; whoever led before it may have gone without seeing us.
        if not waiter.settled and self._lead.locked():
            lock.acquire(timeout=min(max(deadline - _now(), 0) / 1e9, LOOK_SECONDS))
        self._followers.pop(waiter, None)

    def _read_for(self, waiter: Settles | None, deadline: int) -> None:
        """Read for everybody until ``waiter`` is settled (None: until nobody waits) or ``deadline`` passed."""
        receive, readable = self._receiver.receive, self._receiver.ring.readable
        pending = self._pending
        until = self._next_look(deadline)
        looks = 0
        try:
            self._waiting.take_aside()  # what a leader has left whom Ctrl-C tore away
            while (not waiter.settled) if waiter is not None else pending:
                data = receive(None if until >= FOREVER else until)
                if data is not None:
                    self._waiting.deliver(data)
                    data = None  # it may have been lent memory
                    looks += 1
                    if looks % _DELIVERIES_A_LOOK and readable():
                        continue  # the clock is looked at between bursts, and now and then in one
                if until < FOREVER and _now() >= until:
                    self._expire()
                    if _now() >= deadline:
                        return
                until = self._next_look(deadline)
        except LogosError as error:
            self._close_by(error)

    def _next_look(self, deadline: int) -> int:
        """Until when a leader may sleep."""
        # First: whoever adds an earlier expiry from here on kicks us. (Read before, it would be compared with what the
        # leader before us had in mind.)
        self._lead_until = FOREVER
        self._lead_until = until = min(deadline, self._expiries.first())
        return until

    def _promote(self) -> None:
        """We have stopped leading: see to it that somebody else does, if anybody still waits."""
        for follower in list(self._followers):
            if not follower.settled:
                follower.wake()
                return
        self._pump.wake()

    # --- futures and streams ----------------------------------------------------------------------------------------

    def start(
        self,
        call_id: int,
        waiter: Waiter,
        frame: bytes | list[bytes | memoryview],
        deadline: int,
        expiry: int,
        *,
        reads: bool = False,
    ) -> None:
        """Send a request whose replies go to ``waiter``, in the thread of whoever leads.

        Args:
            deadline: until when to wait for room.
            expiry: when to fail the waiter with TimeoutError's meaning; FOREVER: never.
            reads: the caller is going to :meth:`read`. If he is the only one who waits, the pump need not be woken.

        Raises:
            TransportError: the system has no thread left that could read the reply; nothing was sent.
            LogosError, TimeoutError: as :meth:`send`.
        """
        if self._pump.thread is None:
            self._pump.start()
        self._pending[call_id] = waiter
        if expiry < FOREVER:
            self._expiries.add(expiry, call_id)
        try:
            if type(frame) is not bytes or not self.sender.try_send(frame):
                self.send(frame, deadline)
        except BaseException:
            self._pending.pop(call_id, None)
            self._pump.wake()  # if the channel is closed, nobody else tells a new pump to end
            raise
        if not self._lead.locked():
            if not reads or len(self._pending) > 1:
                self._pump.wake()
        elif expiry < self._lead_until:
            self._receiver.kick()  # the leader sleeps for too long

    def read(self, waiter: Settles, until: int) -> bool:
        """Lead until ``waiter`` is settled or ``until`` has passed, then pass it on. False if somebody else leads."""
        lead, me = self._lead, object()
        try:
            lead.holder = lead.holder or me
            if lead.holder is not me:
                return False
            self._read_for(waiter, until)
            return True
        finally:
            if lead.holder is me:
                lead.holder = lead.heir
                if lead.holder is not None:
                    lead.wake()
                if self._pending:
                    self._promote()

    def begun_before(self, call_id: int) -> list[str]:
        """See :meth:`Pending.begun_before`. (Without the one that leads: so that a call costs less, nobody knows of it.)"""
        return self._waiting.begun_before(call_id)

    def forget(self, call_id: int) -> None:
        """Nobody waits for this call any more."""
        self._pending.pop(call_id, None)

    def _lead_for_futures(self) -> bool:
        """The work of the pump. False if the channel is closed, and nobody waits any more."""
        lead = self._lead
        while self._pending and lead.acquire(False):
            try:
                self._read_for(None, FOREVER)
            except BaseException as exc:  # noqa: BLE001 - no memory, or a defect of ours: nobody else would read
                what = f"the replies of {self.peer} cannot be read: {summary(exc)}{self._owner.limits.note(exc)}"
                self._close_by(ProtocolViolationError(what))
            finally:
                lead.release()
        return self.error is None or bool(self._pending)

    def _expire(self, own: int = 0) -> bytes | None:
        """Tell those whose time is over. Returns as :meth:`Pending.deliver`: their callbacks may have read replies."""
        for call_id in self._expiries.take_due(_now()):
            self._waiting.fail(call_id, ExpiredError())
        return self._waiting.take_aside(own)

    def abandon(self, error: LogosError) -> None:
        """In a forked child: whoever would wait here gets ``error``."""
        self.channel.abandon(error)
        for waiter in list(self._pending.values()):
            waiter.abandon(error)

    # --- the end ----------------------------------------------------------------------------------------------------

    def close(self, error: LogosError) -> None:
        """No more requests; everybody who waits is woken. Never waits itself; :meth:`finish` does the rest."""
        self.channel.close(error)

    def finish(self) -> None:
        """After :meth:`close`: deliver what had arrived, fail the rest (futures run their callbacks here), unmap."""
        lead = self._lead
        # The leader was woken and leaves soon; unless Ctrl-C tore it away.
        if not lead.acquire(timeout=_FINISH_SECONDS):
            self._fail_all(self._receiver.closed_error())
            self._pump.wake()  # for its end
            return
        try:
            self._read_for(None, FOREVER)
        finally:
            lead.release()
        self._pump.end(_FINISH_SECONDS)  # dispose() waits for locks only
        self.channel.dispose()

    def _fail_all(self, error: LogosError) -> None:
        receiver = self._receiver
        self._waiting.fail_all(lambda: error if receiver.error is None else receiver.closed_error())
        self._followers.clear()
