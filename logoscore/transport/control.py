"""The control pipe: whole messages and descriptors over a socket pair.

    ┌────────────┬─────────────────┬─────────┐
    │ length u32 │ descriptors u32 │ message │      descriptors travel with the first byte (SCM_RIGHTS)
    └────────────┴─────────────────┴─────────┘

Rules:

* :class:`Parser` is pure and incremental, so half a message never blocks anybody but its sender.
* Sending never blocks for good: a peer that does not read for a while is given up (TimeoutError).
* The core never waits for a host to read: it sends through an outbox (``outbox.py``).
* Descriptors are accepted only where they are expected (in hosts, from the core); elsewhere the kernel drops them.
"""

from __future__ import annotations

import array
import os
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from logoscore.errors import ChannelClosedError, ProtocolViolationError

__all__ = ["ControlPipe", "Parser", "framed"]

_HEADER: Final = struct.Struct("<II")
_CHUNK: Final = 1 << 16
_MAX_DESCRIPTORS: Final = 4
_SEND_SECONDS: Final = 10.0


class Parser:
    """Bytes in, messages out.

    Args:
        max_message: bytes; a longer one is a violation.
        max_descriptors: per message.
    """

    def __init__(self, max_message: int, max_descriptors: int = 0) -> None:
        self._buffer = bytearray()
        self._max_message = max_message
        self._max_descriptors = max_descriptors

    def feed(self, data: bytes) -> list[tuple[bytes, int]]:
        """Take in ``data``; returns the messages that it completes, each with its number of descriptors.

        Raises:
            ProtocolViolationError: a length is beyond what is allowed.
        """
        self._buffer += data
        messages: list[tuple[bytes, int]] = []
        start = 0
        while len(self._buffer) - start >= _HEADER.size:
            length, descriptors = _HEADER.unpack_from(self._buffer, start)
            if length > self._max_message or descriptors > self._max_descriptors:
                raise ProtocolViolationError(
                    f"a control message announces {length} bytes and {descriptors} descriptors; "
                    f"allowed are {self._max_message} and {self._max_descriptors}"
                )
            end = start + _HEADER.size + length
            if end > len(self._buffer):
                break
            messages.append((bytes(self._buffer[start + _HEADER.size : end]), descriptors))
            start = end
        del self._buffer[:start]
        return messages


class ControlPipe:
    """One end. One thread receives; any thread sends.

    Args:
        fd: of a connected stream socket; owned from now on.
        max_message: bytes of the longest message accepted.
        accept_descriptors: whether messages may bring descriptors.
    """

    def __init__(self, fd: int, *, max_message: int, accept_descriptors: bool) -> None:
        self._socket = socket.socket(fileno=fd)
        self._socket.setblocking(False)
        self._identity = _identity(fd)
        self._parser = Parser(max_message, _MAX_DESCRIPTORS if accept_descriptors else 0)
        self._accept = accept_descriptors
        self._chunk = memoryview(bytearray(_CHUNK if accept_descriptors else 0))
        self._batches: deque[list[int]] = deque()  # one for each message that brings any, in their order
        self._ready: deque[tuple[bytes, list[int]]] = deque()
        self._send_lock = threading.Lock()

    def fileno(self) -> int:
        """The descriptor, for ``poll``; -1 when closed."""
        return self._socket.fileno()

    def is_intact(self) -> bool:
        """Whether the descriptor is still this pipe's: strange code may have closed it, and the number be another file's."""
        return _identity(self._socket.fileno()) == self._identity

    def send(self, message: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send one message. The descriptors stay the caller's.

        Raises:
            ChannelClosedError: the other end is gone.
            TimeoutError: the other end does not read.
        """
        data = framed(message, descriptors)
        end = time.monotonic() + _SEND_SECONDS
        with self._send_lock:
            self._send_rest(data, descriptors, end)

    def _send_rest(self, data: memoryview, descriptors: Sequence[int], end: float) -> None:
        while data:
            sent = self.send_some(data, descriptors)
            if sent:
                data = data[sent:]
                descriptors, end = (), float("inf")  # half a message cannot be taken back
            else:
                self._wait_writable(end)

    def send_some(self, data: memoryview, descriptors: Sequence[int]) -> int:
        """What goes without waiting, in bytes. Raises ChannelClosedError."""
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        try:
            return self._socket.sendmsg([data], ancillary)
        except BlockingIOError:
            return 0
        except OSError as exc:
            raise ChannelClosedError(f"the control pipe is closed: {exc}") from exc

    def send_or_drop(self, message: bytes) -> bool:
        """Send one message if the other end has room for it now. False: it is dropped.

        Raises:
            ChannelClosedError: the other end is gone.
        """
        if not self._send_lock.acquire(blocking=False):
            return False
        try:
            data = framed(message)
            sent = self.send_some(data, ())
            if sent:
                self._send_rest(data[sent:], (), float("inf"))
            return bool(sent)
        finally:
            self._send_lock.release()

    def _wait_writable(self, end: float) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        remaining = end - time.monotonic()
        if remaining <= 0 or not poll.poll(None if remaining == float("inf") else remaining * 1000):
            raise TimeoutError(f"the other end did not read its control pipe for {_SEND_SECONDS:g} s")

    def receive(self) -> tuple[bytes, list[int]] | None:
        """Wait for one message; returns it with its descriptors (the caller's now), or None at the end of the pipe.

        A message comes without its descriptors where this process may not have so many open.

        Raises:
            ProtocolViolationError: the other end does not keep to the protocol.
        """
        while not self._ready:
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            poll.poll()
            if not self.pump():
                return None
        return self._ready.popleft()

    def pump(self) -> bool:
        """Take in what is there, without waiting. False at the end of the pipe. See :meth:`take`."""
        try:
            data = self._receive_with_descriptors() if self._accept else self._socket.recv(_CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not data:
            return False
        for message, count in self._parser.feed(data):
            if count and not self._batches:
                raise ProtocolViolationError(f"a control message announces {count} descriptors that did not come")
            descriptors = self._batches.popleft() if count else []
            if len(descriptors) < count:
                _close_all(descriptors)
                descriptors = []
            self._ready.append((message, descriptors))
        return True

    def _receive_with_descriptors(self) -> bytes:
        # Into what we have: a host whose module has used up all memory must still be able to hear its core.
        size, ancillary, flags, _ = self._socket.recvmsg_into(
            [self._chunk], socket.CMSG_SPACE(4 * _MAX_DESCRIPTORS), getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        )
        received = array.array("i")
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                received.frombytes(payload[: len(payload) - len(payload) % received.itemsize])
        if received or flags & socket.MSG_CTRUNC:  # truncated: this process may not have so many open
            self._batches.append(list(received))
        return bytes(self._chunk[:size])

    @property
    def has_message(self) -> bool:
        """Whether :meth:`take` has something to give."""
        return bool(self._ready)

    def take(self) -> tuple[bytes, list[int]] | None:
        """A message that :meth:`pump` completed, or None."""
        return self._ready.popleft() if self._ready else None

    def shutdown(self) -> None:
        """Tell both ends that it is over; a thread in :meth:`receive` returns. The descriptor stays until close."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other end was quicker

    def close(self) -> None:
        """Close it and every descriptor that arrived and was not taken. Not what only has its number: see above."""
        if self.is_intact():
            self._socket.close()
        else:
            self._socket.detach()
        _close_all([fd for fds in (*(fds for _, fds in self._ready), *self._batches) for fd in fds])
        self._ready.clear()
        self._batches.clear()


def _identity(fd: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(fd)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _close_all(descriptors: Sequence[int]) -> None:
    for fd in descriptors:
        os.close(fd)


def framed(message: bytes, descriptors: Sequence[int] = ()) -> memoryview:
    """``message`` as it goes over the pipe."""
    return memoryview(_HEADER.pack(len(message), len(descriptors)) + message)
