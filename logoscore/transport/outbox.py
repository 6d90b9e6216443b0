"""Sending over a control pipe without ever waiting for the other end.

Rules:

* What does not go at once waits here, in order and bounded; a thread of its own sees to it while anything waits.
* Whoever lets too much wait is given up: he is told to ``on_failure``, once.
* A message that is half sent is never taken back. One that says the opposite of what waits unsent takes both away.
* Descriptors that wait are copies, and closed when their message has gone or is dropped.
* What waits is counted where it comes in and where it goes out, by whatever way: the bounds hold for what is there now.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from logoscore.errors import ChannelClosedError, ProtocolViolationError
from logoscore.locks import Thread
from logoscore.transport.control import ControlPipe, framed

__all__ = ["Outbox"]

_MAX_WAITING: Final = 4096  # messages
_MAX_WAITING_BYTES: Final = 16 << 20
_MAX_DROPPABLE: Final = 2048
_LOOK_SECONDS: Final = 0.1


@dataclass(eq=False)
class _Waiting:
    """A message of an outbox; its descriptors are its own."""

    data: memoryview
    descriptors: tuple[int, ...]
    key: object
    withdrawable: bool
    limited: bool
    droppable: bool

    @property
    def weight(self) -> int:
        """Its bytes that count."""
        return len(self.data) if self.limited else 0

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
        self.name = name
        self._on_failure = on_failure
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0  # the weight of what waits
        self._droppable = 0  # how many of what waits are
        self._thread: Thread | None = None
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
        data = framed(message, descriptors)
        with self._lock:
            if self._closed or (droppable and self._droppable >= _MAX_DROPPABLE):
                return
            if not self._waiting:
                try:
                    sent = self._pipe.send_some(data, descriptors)
                except ChannelClosedError:
                    return  # its end is noticed elsewhere
                if sent == len(data):
                    return
                data, descriptors = data[sent:], () if sent else descriptors
            elif withdraws and self._withdraw(key):
                return
            full = limited and (len(self._waiting) >= _MAX_WAITING or self._bytes > _MAX_WAITING_BYTES)
            if not full:
                copies = tuple(map(os.dup, descriptors))
                self._append(_Waiting(data, copies, key, withdrawable, limited, droppable))
                return
            waiting = f"{len(self._waiting)} messages wait, {self._bytes} bytes"
        self.close(wait=False)
        self._on_failure(ProtocolViolationError(f"it does not read its control pipe: {waiting}"))

    def _append(self, entry: _Waiting) -> None:
        self._waiting.append(entry)
        self._bytes += entry.weight
        self._droppable += entry.droppable
        if self._thread is None:
            thread = Thread(target=self._run, name=self.name)
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
            self._discount(entry)
        return True

    def _discount(self, entry: _Waiting) -> None:
        """Under the lock: it does not wait any more."""
        self._bytes -= entry.weight
        self._droppable -= entry.droppable
        entry.close()

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
                    self._thread = None
                    return

    def _send_what_goes(self) -> None:
        while self._waiting and not self._closed:
            entry = self._waiting[0]
            sent = self._pipe.send_some(entry.data, entry.descriptors)
            if not sent:
                return
            entry.close()
            self._bytes -= entry.weight
            entry.data = entry.data[sent:]
            self._bytes += entry.weight
            if not entry.data:
                self._discount(self._waiting.popleft())

    def _drop_all(self) -> None:
        while self._waiting:
            self._discount(self._waiting.popleft())

    def close(self, *, wait: bool = True) -> None:
        """Drop what waits; nothing is sent any more. Before the pipe is closed. Idempotent."""
        with self._lock:
            self._closed = True
            self._drop_all()
            thread = self._thread
        if wait and thread is not None and thread is not threading.current_thread():
            thread.join()
