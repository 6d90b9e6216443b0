"""A floor: a number in shared memory, and a POSIX semaphore for each direction. What everything built on them adds to."""

from __future__ import annotations

import mmap
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import ClassVar, Final

import posix_ipc

from benchmarks.loops import measure
from benchmarks.peers.running import Running, WrongAnswerError
from benchmarks.peers.server import PAYLOAD, Server, end_with_parent

_SIZE: Final = len(PAYLOAD)


class Semaphores:
    """Both sides sleep in ``sem_wait``: no spinning, no framing, no bounds."""

    title: ClassVar[str] = "floor, semaphores + shared memory: bytes"
    ours: ClassVar[bool] = False

    def unavailable(self) -> str | None:
        """Always there: logoscore needs posix_ipc too."""
        return None

    @contextmanager
    def running(self) -> Iterator[Running]:
        """The echo runs. The names are gone as soon as both sides have opened them."""
        name = f"/bench-{os.getpid()}-{secrets.token_hex(4)}"
        names = (f"{name}-a", f"{name}-b", f"{name}-m")
        with ExitStack() as stack:
            request = posix_ipc.Semaphore(names[0], posix_ipc.O_CREX)
            stack.callback(request.close)
            reply = posix_ipc.Semaphore(names[1], posix_ipc.O_CREX)
            stack.callback(reply.close)
            shared = posix_ipc.SharedMemory(names[2], posix_ipc.O_CREX, size=4096)
            memory = stack.enter_context(mmap.mmap(shared.fd, 4096))
            os.close(shared.fd)
            try:
                server = stack.enter_context(Server(_serve, *names))
                reply.acquire()  # it has opened everything
            finally:
                posix_ipc.unlink_semaphore(names[0])
                posix_ipc.unlink_semaphore(names[1])
                shared.unlink()
            post, wait = request.release, reply.acquire

            def call() -> None:
                memory[:_SIZE] = PAYLOAD
                post()
                wait()
                if memory[_SIZE : 2 * _SIZE] != PAYLOAD:
                    raise WrongAnswerError("semaphores: this is not what was sent")
                memory[_SIZE : 2 * _SIZE] = bytes(_SIZE)

            yield Running(callee=server.pid, measure=partial(measure, call, server.pid))


def _serve(request_name: str, reply_name: str, memory_name: str) -> None:
    end_with_parent()
    request, reply = posix_ipc.Semaphore(request_name), posix_ipc.Semaphore(reply_name)
    shared = posix_ipc.SharedMemory(memory_name)
    memory = mmap.mmap(shared.fd, 4096)
    os.close(shared.fd)
    wait, post = request.acquire, reply.release
    post()
    while True:
        wait()
        memory[_SIZE : 2 * _SIZE] = memory[:_SIZE]
        post()
