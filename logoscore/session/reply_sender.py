"""The way back: a call's result, an error or an item of a stream, from whatever thread it comes.

Rules:

* A reply that the caller does not read for ``UNREAD_SECONDS``, whatever its deadline, ends the channel.
* A thread that must not wait (the event loop's) leaves a reply for which there is no room to another one.
* Replies may be sent from any thread, also after the channel was closed: then nobody wants them, and they are dropped.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from logoscore.errors import ChannelClosedError, LogosError, ProtocolViolationError
from logoscore.locks import Flag
from logoscore.session.execution import RunningCall
from logoscore.session.threads import LinkOwner
from logoscore.session.wire_errors import to_wire
from logoscore.transport.channel import Channel
from logoscore.transport.codec import Codec
from logoscore.transport.frame import BUFFERS, ERROR, NO_TOKEN, make_frame

__all__ = ["ReplySender"]

UNREAD_SECONDS: Final = 20.0
_encode_error = msgspec.msgpack.Encoder().encode


class ReplySender:
    """What a :class:`~logoscore.session.serving.ServingLink` sends with. (Its base, not a part of it: each call replies.)

    Attributes:
        outbox: replies that wait for room in another thread than the one that made them, with their deadlines.
        room: set whenever there are fewer of them, or of the calls that run.
    """

    def __init__(self, peer: str, channel: Channel, codec: Codec, owner: LinkOwner) -> None:
        self.peer = peer
        self.codec = codec
        self.channel = channel
        self.outbox: deque[tuple[bytes | Sequence[bytes | memoryview], int]] = deque()
        self.room = Flag()
        self._codec_id = codec.ID
        self._owner = owner
        self._sender = channel.senders[0]
        self._outbox_lock = threading.Lock()
        self._sending = False

    @property
    def closed(self) -> bool:
        """Whether the caller, or the channel to him, is gone."""
        return self._sender.error is not None

    def fail(self, error: LogosError, cause: BaseException | None = None) -> None:
        """Close the channel because of ``error``."""
        raise NotImplementedError

    def reply(
        self,
        kind: int,
        call_id: int,
        value: Any,
        deadline: int,
        path: str = "result",
        patient: bool = True,
        call: RunningCall | None = None,
    ) -> bool:
        """Send a value back. False: it is dropped, the caller has not read until ``deadline``, or is gone.

        Args:
            patient: whether this thread may wait for room; otherwise another one does.
            call: ends before anything is waited for, so that others have its turn meanwhile.

        Raises:
            SerializationError: it cannot travel.
        """
        head, buffers = self.codec.encode(value, path)
        if not buffers:
            frame = make_frame(kind, self._codec_id, 0, call_id, 0, NO_TOKEN, "", head)
            try:
                if self._sender.try_send(frame):
                    return True
            except LogosError:
                pass  # _send meets it again, and sees to it
            if call is not None:
                call.end()
            return self._send(frame, deadline, patient)
        start = make_frame(kind, self._codec_id, BUFFERS, call_id, 0, NO_TOKEN, "", b"")
        if call is not None:
            call.end()
        lending = self._owner.lending
        return self._send(
            lending.frame(self._sender, start, head, buffers, deadline, patient=patient), deadline, patient
        )

    def reply_error(self, call_id: int, error: LogosError, deadline: int, *, patient: bool = True) -> None:
        """Send an error back."""
        head = _encode_error(to_wire(error))
        self._send(make_frame(ERROR, self._codec_id, 0, call_id, 0, NO_TOKEN, "", head), deadline, patient)

    def _send(
        self,
        frame: bytes | Sequence[bytes | memoryview],
        deadline: int,
        patient: bool,
    ) -> bool:
        try:
            if type(frame) is bytes and self._sender.try_send(frame):
                return True
            if not patient:
                self._send_elsewhere(frame, deadline)
                return True
            given_up = time.monotonic_ns() + int(UNREAD_SECONDS * 1e9)
            try:
                self._sender.send_parts((frame,) if isinstance(frame, bytes) else frame, min(deadline, given_up))
            except TimeoutError:
                if deadline > given_up:
                    text = f"{self.peer} did not read its replies for {UNREAD_SECONDS:g} s: does a done-callback of it wait?"
                    self.fail(ChannelClosedError(text))
                return False  # too late: the caller has had his error
        except ProtocolViolationError as error:
            if not self.closed:
                self.fail(error)
            return False
        except LogosError:
            return False  # nobody is there any more
        return True

    def _send_elsewhere(self, frame: bytes | Sequence[bytes | memoryview], deadline: int) -> None:
        """One thread sends what has to wait for room, in the order of its coming."""
        with self._outbox_lock:
            self.outbox.append((frame, deadline))
            if self._sending:
                return
            self._sending = True
        try:
            self._owner.threads.start(self._send_outbox, f"logos-reply-{self.peer}")
        except BaseException:
            self._sending = False  # no thread left; the next reply tries again
            raise

    def _send_outbox(self) -> None:
        while True:
            with self._outbox_lock:
                if not self.outbox:
                    self._sending = False
                    return
                frame, deadline = self.outbox[0]
            self._send(frame, deadline, True)
            self.outbox.popleft()
            self.room.set()
