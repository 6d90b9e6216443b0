"""The control pipe: whole messages and descriptors over a socket pair.

    ┌────────────┬─────────────────┬─────────┐
    │ length u32 │ descriptors u32 │ message │      descriptors travel with the first byte (SCM_RIGHTS)
    └────────────┴─────────────────┴─────────┘

Rules:

* :class:`Parser` is pure and incremental, so half a message never blocks anybody but its sender.
* Sending never blocks for good: a peer that does not read for a while is given up (TimeoutError).
* The core never waits for a host to read: what does not go at once waits in an :class:`Outbox`, in order and bounded.
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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from logoscore.errors import ChannelClosedError, ProtocolViolationError

__all__ = ["Allowance", "ControlPipe", "Outbox", "Parser"]

_HEADER: Final = struct.Struct("<II")
_CHUNK: Final = 1 << 16
_MAX_DESCRIPTORS: Final = 4
_SEND_SECONDS: Final = 10.0
_MAX_WAITING: Final = 4096  # messages of an outbox
_MAX_WAITING_BYTES: Final = 16 << 20
_MAX_DROPPABLE: Final = 256
_LOOK_SECONDS: Final = 0.1


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
        self._chunk = memoryview(bytearray(_CHUNK if accept_descriptors else 0))
        self._batches: deque[list[int]] = deque()  # one for each message that brings any, in their order
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
        data = _framed(message, descriptors)
        end = time.monotonic() + _SEND_SECONDS
        with self._send_lock:
            self._send_rest(data, descriptors, end)

    def _send_rest(self, data: memoryview, descriptors: Sequence[int], end: float) -> None:
        while data:
            sent = self._send_some(data, descriptors)
            if sent:
                data = data[sent:]
                descriptors, end = (), float("inf")  # half a message cannot be taken back
            else:
                self._wait_writable(end)

    def _send_some(self, data: memoryview, descriptors: Sequence[int]) -> int:
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
            data = _framed(message)
            sent = self._send_some(data, ())
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
        """Close it and every descriptor that arrived and was not taken."""
        self._socket.close()
        _close_all([fd for fds in (*(fds for _, fds in self._ready), *self._batches) for fd in fds])
        self._ready.clear()
        self._batches.clear()


def _close_all(descriptors: Sequence[int]) -> None:
    for fd in descriptors:
        os.close(fd)


def _framed(message: bytes, descriptors: Sequence[int] = ()) -> memoryview:
    return memoryview(_HEADER.pack(len(message), len(descriptors)) + message)


@dataclass(eq=False)
class _Waiting:
    """A message of an outbox; its descriptors are its own."""

    data: memoryview
    descriptors: tuple[int, ...]
    key: object
    withdrawable: bool

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors = ()


class Outbox:
    """Sends over a pipe whose other end may be slow, or may not read at all: whoever puts a message in never waits.

    While something waits, a thread of its own sees to it.

    Args:
        name: the thread's.
        on_failure: called once with the error if the other end does not keep up at all.
    """

    def __init__(self, pipe: ControlPipe, name: str, on_failure: Callable[[ProtocolViolationError], None]) -> None:
        self._pipe = pipe
        self._name = name
        self._on_failure = on_failure
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._droppable = 0
        self._thread: threading.Thread | None = None
        self._closed = False

    def put(
        self,
        message: bytes,
        descriptors: Sequence[int] = (),
        *,
        key: object = None,
        withdrawable: bool = False,
        withdraws: bool = False,
        droppable: bool = False,
        limited: bool = True,
    ) -> None:
        """Send one message, now or when there is room. The descriptors stay the caller's.

        Args:
            key: what it is about.
            withdrawable: a later one about the same with ``withdraws`` takes it back, both unsent; if nothing else
                about it waits.
            droppable: it is not worth waiting for where many of that kind wait already.
            limited: the outbox must not grow too large by it.
        """
        data = _framed(message, descriptors)
        with self._lock:
            if self._closed or (droppable and self._droppable >= _MAX_DROPPABLE):
                return
            if not self._waiting:
                try:
                    sent = self._pipe._send_some(data, descriptors)
                except ChannelClosedError:
                    return  # its end is noticed elsewhere
                if sent == len(data):
                    return
                data, descriptors = data[sent:], () if sent else descriptors
            elif withdraws and self._withdraw(key):
                return
            full = limited and (len(self._waiting) >= _MAX_WAITING or self._bytes > _MAX_WAITING_BYTES)
            if not full:
                self._append(_Waiting(data, tuple(map(os.dup, descriptors)), key, withdrawable), limited, droppable)
        if full:
            self.close(wait=False)
            self._on_failure(ProtocolViolationError(f"it does not read its control pipe: {_MAX_WAITING} messages wait"))

    def _append(self, entry: _Waiting, limited: bool, droppable: bool) -> None:
        self._waiting.append(entry)
        self._bytes += len(entry.data) if limited else 0
        self._droppable += droppable
        if self._thread is None:
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return  # no thread is to be had: the next message tries again
            self._thread = thread

    def _withdraw(self, key: object) -> bool:
        """Under the lock: forget what waits about ``key``, if all of it may be withdrawn. The first may be half sent."""
        found = [entry for entry in self._waiting if entry.key == key]
        if not found or not all(entry.withdrawable for entry in found) or self._waiting[0] in found:
            return False
        for entry in found:
            self._waiting.remove(entry)
            self._bytes -= len(entry.data)
            entry.close()
        return True

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._pipe.fileno(), select.POLLOUT)
        while True:
            poll.poll(_LOOK_SECONDS * 1000)
            with self._lock:
                try:
                    self._send_what_goes()
                except ChannelClosedError:
                    self._drop_all()
                if not self._waiting or self._closed:
                    self._bytes = self._droppable = 0
                    self._thread = None
                    return

    def _send_what_goes(self) -> None:
        while self._waiting and not self._closed:
            entry = self._waiting[0]
            sent = self._pipe._send_some(entry.data, entry.descriptors)
            if not sent:
                return
            entry.close()
            entry.data = entry.data[sent:]
            self._bytes = max(self._bytes - sent, 0)
            if not entry.data:
                self._waiting.popleft()

    def _drop_all(self) -> None:
        while self._waiting:
            self._waiting.popleft().close()

    def close(self, *, wait: bool = True) -> None:
        """Drop what waits; nothing is sent any more. Before the pipe is closed. Idempotent."""
        with self._lock:
            self._closed = True
            self._drop_all()
            thread = self._thread
        if wait and thread is not None and thread is not threading.current_thread():
            thread.join()


class Allowance:
    """How much work somebody may make in a while: ``burst`` at once, ``per_second`` in the long run. Pure.

    Whoever overdraws it waits until it is made up for; nothing is lost.
    """

    def __init__(self, per_second: float, burst: float, now: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._left = burst
        self._last = now

    def spend(self, cost: float, now: float) -> None:
        """He made us work."""
        self._left = min(self._left + (now - self._last) * self._per_second, self._burst) - cost
        self._last = now

    def pause(self, now: float) -> float:
        """Seconds until he may make more."""
        owed = self._left + (now - self._last) * self._per_second
        return 0.0 if owed >= 0 else -owed / self._per_second
