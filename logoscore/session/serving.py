"""The callee's side of a channel: who reads it, and how replies go back.

One thread leads: it holds the receiver's lock, reads a frame and handles it, over and over. Before it waits for somebody
else (a nested call), or runs beside others (``concurrency: "multi"``), it hands the lead over to a stand-by thread, made
when there is none. So a channel is always read, and there are never more threads than calls that really wait or run.

Rules: the last thread to leave a closed channel unmaps it. Replies may be sent from any thread, also after the channel
was closed: then nobody wants them, and they are dropped.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from logoscore.errors import LogosError, ProtocolViolationError
from logoscore.session.execution import RunningCall
from logoscore.session.threads import LinkOwner
from logoscore.session.wire_errors import to_wire
from logoscore.transport.channel import Channel
from logoscore.transport.codec import Codec
from logoscore.transport.frame import BUFFERS, ERROR, HEADER, NO_TOKEN, join_payload

if TYPE_CHECKING:
    from logoscore.session.provider import ModuleProxy
    from logoscore.session.streams import OutgoingStream

__all__ = ["ServingLink"]

_EARLY_CANCELS: Final = 1024
_encode_error = msgspec.msgpack.Encoder().encode


class ServingLink:
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
        self.link = link
        self.peer = peer
        self.codec = codec
        self.channel = channel
        self.running: dict[int, RunningCall] = {}
        self.early_cancels: dict[int, None] = {}  # of calls that were not read yet (or have ended), the latest
        self.streams: dict[int, OutgoingStream] = {}
        self._proxy = proxy
        self._owner = owner
        self._receiver = channel.receivers[0]
        self._sender = channel.senders[0]
        self._lock = threading.Lock()
        self._threads = 0
        self._standby = 0
        self._leader = 0

    def start(self) -> None:
        """Begin to read."""
        self._add_thread()

    def _add_thread(self) -> None:
        with self._lock:
            self._threads += 1
            self._standby += 1
        self._owner.threads.start(self._run, f"logos-serve-{self.peer}")

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
            while self._leader == me:
                frame = receive(None)
                if frame is not None:
                    handle(frame, self)
        except LogosError as error:
            if self._receiver.error is None:
                self._fail(error)
        except Exception as exc:  # noqa: BLE001 - a defect of ours must not leave the caller waiting
            self._fail(ProtocolViolationError(f"the channel of {self.peer} failed: {exc!r}"))
        finally:
            with self._lock:
                self._standby += 1
            if self._leader == me:
                self._leader = 0
                self._receiver.lock.release()

    def _fail(self, error: LogosError) -> None:
        import logging

        logging.getLogger("logoscore").error("%s closes the channel of %s: %s", self._proxy.module, self.peer, error)
        self.channel.close(error)
        self._owner.link_failed(self.link, error)

    def hand_over(self) -> None:
        """Let another thread read from now on, if this one does."""
        if self._leader != threading.get_ident():
            return
        self._leader = 0
        self._receiver.lock.release()
        if not self._standby:
            self._add_thread()

    # --- replies ----------------------------------------------------------------------------------------------------

    def reply(
        self, kind: int, call_id: int, value: Any, deadline: int, path: str = "result", *, patient: bool = True
    ) -> bool:
        """Send a value back. False: it is dropped, the caller has not read until ``deadline``, or is gone.

        ``patient``: whether this thread may wait for room; otherwise another one does.

        Raises:
            SerializationError: it cannot travel.
        """
        head, buffers = self.codec.encode(value, path)
        header = HEADER.pack(kind, self.codec.ID, BUFFERS if buffers else 0, 0, call_id, 0, NO_TOKEN)
        if buffers:
            return self._send([header, *join_payload(head, buffers)], deadline, patient)
        return self._send(header + head, deadline, patient)

    def reply_error(self, call_id: int, error: LogosError, deadline: int, *, patient: bool = True) -> None:
        """Send an error back."""
        header = HEADER.pack(ERROR, self.codec.ID, 0, 0, call_id, 0, NO_TOKEN)
        self._send(header + _encode_error(to_wire(error)), deadline, patient)

    def _send(self, frame: bytes | Sequence[bytes | memoryview], deadline: int, patient: bool) -> bool:
        try:
            if isinstance(frame, bytes):
                self._sender.send(frame, deadline if patient else 0)
            else:
                self._sender.send_parts(frame, deadline if patient else 0)
        except TimeoutError:
            if not patient:
                self._send_elsewhere(frame, deadline)
                return True
            return False  # too late: the caller has had his error
        except LogosError:
            return False  # nobody is there any more
        return True

    def _send_elsewhere(self, frame: bytes | Sequence[bytes | memoryview], deadline: int) -> None:
        def send() -> None:
            self._send(frame, deadline, True)

        self._owner.threads.start(send, f"logos-reply-{self.peer}")

    # --- the end ----------------------------------------------------------------------------------------------------

    def cancel(self, call_id: int) -> None:
        """The caller gave this call up. (It may not even be read yet: the control pipe can be quicker than the ring.)"""
        self.early_cancels[call_id] = None
        while len(self.early_cancels) > _EARLY_CANCELS:
            self.early_cancels.pop(next(iter(self.early_cancels)), None)
        call = self.running.get(call_id)
        if call is not None:
            self.early_cancels.pop(call_id, None)
            call.cancel()

    def register(self, call_id: int, call: RunningCall) -> None:
        """This call was read, and runs when it is its turn."""
        self.running[call_id] = call
        if self.early_cancels and call_id in self.early_cancels:
            self.early_cancels.pop(call_id, None)
            call.cancel()

    def close(self, error: LogosError) -> None:
        """The caller is gone: what he asked for is of no use to anybody."""
        self.channel.close(error)
        for call in list(self.running.values()):
            call.cancel()
        streams = list(self.streams.values())

        def close_streams() -> None:
            for stream in streams:
                stream.close()

        if streams:  # closing runs the generators' own code, in its turn: not on this, the control thread
            self._owner.threads.start(close_streams, f"logos-close-{self.peer}")
