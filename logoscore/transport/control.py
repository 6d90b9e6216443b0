"""The control pipe: whole messages and descriptors over a socket pair.

    ┌────────────┬─────────────────┬─────────┐
    │ length u32 │ descriptors u32 │ message │      descriptors travel with the first byte (SCM_RIGHTS)
    └────────────┴─────────────────┴─────────┘

Rules:

* :class:`Parser` is pure and incremental, so half a message never blocks anybody but its sender.
* Sending never blocks for good: a peer that does not read for a while is given up (TimeoutError).
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

__all__ = ["ControlPipe", "Parser"]

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
        self._parser = Parser(max_message, _MAX_DESCRIPTORS if accept_descriptors else 0)
        self._accept = accept_descriptors
        self._descriptors: deque[int] = deque()
        self._ready: deque[tuple[bytes, list[int]]] = deque()
        self._send_lock = threading.Lock()

    def fileno(self) -> int:
        """The descriptor, for ``poll``; -1 when closed."""
        return self._socket.fileno()

    def send(self, message: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send one message. The descriptors stay the caller's.

        Raises:
            ChannelClosedError: the other end is gone.
            TimeoutError: the other end does not read.
        """
        data = memoryview(_HEADER.pack(len(message), len(descriptors)) + message)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        end = time.monotonic() + _SEND_SECONDS
        with self._send_lock:
            while data:
                try:
                    sent = self._socket.sendmsg([data], ancillary)
                except BlockingIOError:
                    self._wait_writable(end)
                    continue
                except OSError as exc:
                    raise ChannelClosedError(f"the control pipe is closed: {exc}") from exc
                data = data[sent:]
                ancillary = []

    def _wait_writable(self, end: float) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        remaining = end - time.monotonic()
        if remaining <= 0 or not poll.poll(remaining * 1000):
            raise TimeoutError(f"the other end did not read its control pipe for {_SEND_SECONDS:g} s")

    def receive(self) -> tuple[bytes, list[int]] | None:
        """Wait for one message; returns it with its descriptors (the caller's now), or None at the end of the pipe.

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
            if self._accept:
                data, ancillary, _, _ = self._socket.recvmsg(
                    _CHUNK, socket.CMSG_SPACE(4 * _MAX_DESCRIPTORS), getattr(socket, "MSG_CMSG_CLOEXEC", 0)
                )
                for level, kind, payload in ancillary:
                    if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                        received = array.array("i")
                        received.frombytes(payload[: len(payload) - len(payload) % received.itemsize])
                        self._descriptors.extend(received)
            else:
                data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not data:
            return False
        for message, count in self._parser.feed(data):
            if count > len(self._descriptors):
                raise ProtocolViolationError(f"a control message announces {count} descriptors that did not come")
            self._ready.append((message, [self._descriptors.popleft() for _ in range(count)]))
        return True

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
        """Close it and every descriptor that arrived and was not taken."""
        self._socket.close()
        descriptors = [fd for _, fds in self._ready for fd in fds]
        for fd in (*descriptors, *self._descriptors):
            os.close(fd)
        self._ready.clear()
        self._descriptors.clear()
