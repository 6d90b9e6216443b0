"""The callee's side of a channel: who reads it. How replies go back: ``reply_sender.py``.

One thread leads: it holds the receiver's lock, reads a frame and handles it, over and over. Before it waits for somebody
else (a nested call), or runs beside others (``concurrency: "multi"``), it hands the lead over to a stand-by thread, made
when there is none. So a channel is always read, and there are never more threads than calls that really wait or run.

Rules:

* Bounded: beyond ``THREADS`` threads, or ``CALLS`` coroutines, nobody reads the channel on until one of them has ended;
  the ring fills, and the caller waits. Calls that wait for each other through this very channel could then wait for
  ever: so after a moment without progress one more is read, up to the double. Cancels come by the control pipe.
* The last thread to leave a closed channel unmaps it. None leaves an open one: what it dies of closes the channel.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from logoscore.errors import LogosError, ProtocolViolationError
from logoscore.locks import Flag
from logoscore.session.execution import RunningCall
from logoscore.session.reply_sender import ReplySender
from logoscore.session.threads import LinkOwner
from logoscore.transport.channel import Channel
from logoscore.transport.codec import SAFE, Codec

if TYPE_CHECKING:
    from logoscore.session.module_proxy import ModuleProxy
    from logoscore.session.streams import OutgoingStream

__all__ = ["ServingLink"]

THREADS: Final = 256
"""Of one channel: calls that run or wait for others, and streams that produce."""
CALLS: Final = 1024
"""Coroutines of one channel, and replies of theirs that wait to be sent."""
STREAMS: Final = 1024
"""Open streams of one channel; one that rests has no thread."""
_SPARE_THREADS: Final = 32  # stand-bys that stay when there is nothing to do
_RELIEF_SECONDS: Final = 0.1
_EARLY_CANCELS: Final = 1024


class ServingLink(ReplySender):
    """A calls channel, from the callee's side.

    Args:
        link: the core's number of it.
        peer: the caller's name: who he is for everything that follows.
        channel: its memory; disposed of when the link is closed and the last thread has left.
        codec: what its payloads are written in.
        proxy: handles each frame.
    """

    def __init__(
        self, link: int, peer: str, channel: Channel, codec: Codec, proxy: ModuleProxy, owner: LinkOwner
    ) -> None:
        super().__init__(peer, channel, codec, owner)
        self.link = link
        self.quick_codec = codec.ID if codec.ID == SAFE.ID else -1  # of frames that ``Method.decode_scalars`` reads
        self.running: dict[int, RunningCall] = {}
        self.early_cancels: OrderedDict[int, None] = OrderedDict()  # of calls not read yet (or ended)
        self.refused = 0  # frames without a valid token
        self.streams: dict[int, OutgoingStream] = {}
        self.before_wait = self.hand_over  # (bound once: each call takes it along)
        self._proxy = proxy
        self._receiver = channel.receivers[0]
        self._lock = threading.Lock()
        self._threads = 0
        self._standby = 0
        self._leader = 0
        self._ended = Flag()
        self.stalled = False  # the leader waits until a coroutine has ended

    def start(self) -> None:
        """Begin to read.

        Raises:
            RuntimeError: the system has no thread left.
        """
        self._add_thread()

    def _add_thread(self) -> None:
        with self._lock:
            relief = self._threads >= THREADS
            if self._standby or self._threads >= 2 * THREADS:
                return
            self._threads += 1
            self._standby += 1
        try:
            self._owner.threads.start(self._relieve if relief else self._run, f"logos-serve-{self.peer}")
        except BaseException:
            with self._lock:
                self._threads -= 1
                self._standby -= 1
            raise

    def _relieve(self) -> None:
        """There are many threads already: do not stand by at once, one of the others may be free in a moment."""
        self._ended.wait(_RELIEF_SECONDS)
        self._run()

    def _run(self) -> None:
        me = threading.get_ident()
        try:
            while self._take_lead(me):
                self._read(me)
        finally:
            with self._lock:
                self._threads -= 1
                last = not self._threads
            if last:
                self.channel.dispose()

    def _take_lead(self, me: int) -> bool:
        """Stand by, then lead. False if this thread is not needed any more."""
        with self._lock:
            if self._standby > _SPARE_THREADS:
                self._standby -= 1
                return False
        self._receiver.lock.acquire()
        with self._lock:
            self._standby -= 1
            self._leader = me
        if self._receiver.error is None:
            return True
        self._leader = 0
        self._receiver.lock.release()
        return False

    def _read(self, me: int) -> None:
        """Read and handle until somebody else leads, or the channel is closed."""
        receive, handle = self._receiver.receive, self._proxy.handle
        try:
            while True:  # (not "while condition": Python 3.11 specializes no loop whose jump back is a condition's)
                if self._leader != me:
                    return
                frame = receive(None)
                if frame is not None:
                    handle(frame, self)
                    frame = None  # it may have been lent memory, and the next may be long in coming
        except LogosError as error:
            if self._receiver.error is None:
                self.fail(error)
        except BaseException as exc:  # noqa: BLE001 - a defect of ours must not leave the caller waiting
            note = self.limit_note(exc)
            self.fail(ProtocolViolationError(f"the channel of {self.peer} failed: {type(exc).__name__}{note}"), exc)
        finally:
            with self._lock:
                self._standby += 1
            if self._leader == me:
                self._leader = 0
                self._receiver.lock.release()

    def fail(self, error: LogosError, cause: BaseException | None = None) -> None:
        """Close the channel because of ``error``."""
        import logging

        logging.getLogger("logoscore").error(
            "%s closes the channel of %s: %s", self._proxy.module, self.peer, error, exc_info=cause
        )
        self.channel.close(error)
        self._ended.set()
        self.room.set()
        self._owner.link_failed(self.link, error)

    def hand_over(self) -> None:
        """Let another thread read from now on, if this one does."""
        if self._leader != threading.get_ident():
            return
        self._leader = 0
        self._receiver.lock.release()
        if not self._standby:
            try:
                self._add_thread()
            except (RuntimeError, LogosError):  # no thread is to be had: whichever of ours is free next reads on
                import logging

                logging.getLogger("logoscore").warning(
                    "%s: the system has no thread left; calls of %s wait", self._proxy.module, self.peer
                )

    @property
    def crowded(self) -> bool:
        """Whether as many coroutines of this channel run as may."""
        return len(self.running) + len(self.outbox) >= CALLS

    def wait_for_room(self) -> None:
        """In the thread that reads: wait while too many coroutines run, a moment or as long as it takes (see Rules)."""
        self.stalled = True
        try:
            while not self._ended.is_set():
                self.room.clear()
                if not self.crowded or (self.room.wait(_RELIEF_SECONDS) and not self.crowded):
                    return
                if len(self.running) + len(self.outbox) < 2 * CALLS:
                    return
        finally:
            self.stalled = False

    def settle(self, call_id: int) -> None:
        """This call has ended, and its reply is on its way."""
        self.running.pop(call_id, None)
        self.room.set()

    @property
    def busy(self) -> bool:
        """Whether a call runs, or its reply is being sent."""
        return bool(self.running or self.outbox)

    def limit_note(self, exc: BaseException) -> str:
        """See :meth:`Limits.note`."""
        return self._owner.limits.note(exc)

    # --- the end ----------------------------------------------------------------------------------------------------

    def cancel(self, call_id: int) -> None:
        """The caller gave this call up. (It may not even be read yet: the control pipe can be quicker than the ring.)"""
        self.early_cancels[call_id] = None
        while len(self.early_cancels) > _EARLY_CANCELS:
            self.early_cancels.popitem(last=False)
        call = self.running.get(call_id)
        if call is not None:
            self.early_cancels.pop(call_id, None)
            call.cancel()

    def cancel_early(self, call_id: int, call: RunningCall) -> None:
        """This call was read: perhaps it was given up before."""
        if call_id in self.early_cancels:
            self.early_cancels.pop(call_id, None)
            call.cancel()

    def close(self, error: LogosError) -> None:
        """The caller is gone: what he asked for is of no use to anybody."""
        self.channel.close(error)
        self._ended.set()
        self.room.set()
        for call in list(self.running.values()):
            call.cancel()
        streams = list(self.streams.values())

        def close_streams() -> None:
            for stream in streams:
                stream.close()

        if streams:  # closing runs the generators' own code, in its turn: not on this, the control thread
            self._owner.threads.start_or_postpone(close_streams, f"logos-close-{self.peer}")
