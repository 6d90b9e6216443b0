"""iceoryx2's Python binding: one bare ``u64`` there and back, by publish and subscribe over shared memory.

Two ways to learn that something has come: ask for it without end (polling, which takes a whole CPU on either side), or
be notified (its events, which go through the kernel). While nobody measures, the polling server sleeps: only so may
others be measured beside it.
"""

from __future__ import annotations

import ctypes
import importlib.util
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar, Final

from benchmarks.loops import measure
from benchmarks.peers.running import Running, WrongAnswerError
from benchmarks.peers.server import Server, end_with_parent

_VALUE: Final = 1 << 32 | 2
_STOP: Final = (1 << 64) - 1


class _Iceoryx:
    """What both have in common: a service for each direction, and a configuration that keeps all files in one folder."""

    waits: ClassVar[bool]
    ours: ClassVar[bool] = False

    def unavailable(self) -> str | None:
        """It is an extra."""
        if importlib.util.find_spec("iceoryx2") is None:
            return "iceoryx2 is not installed (pip install iceoryx2)"
        return None

    @contextmanager
    def running(self) -> Iterator[Running]:
        """The echo runs."""
        with ExitStack() as stack:
            folder = stack.enter_context(_folder())
            near, far = multiprocessing.Pipe()
            stack.enter_context(near)
            end = _End(folder, "there", "back", self.waits)
            stack.callback(end.close)
            with far:
                server = stack.enter_context(Server(_serve, far, folder, self.waits))
            near.recv()
            send, receive = end.sender(), end.receiver()

            def call() -> None:
                send(_VALUE)
                if receive() != _VALUE:
                    raise WrongAnswerError("iceoryx2: this is not what was sent")

            @contextmanager
            def awake() -> Iterator[None]:
                near.send("go")
                try:
                    yield
                finally:
                    send(_STOP)
                    near.recv()

            yield Running(callee=server.pid, measure=partial(measure, call, server.pid), awake=awake)
            near.send("end")  # it takes its files away itself
            with suppress(EOFError):
                near.recv()


class Polling(_Iceoryx):
    """Asks without end on both sides."""

    title: ClassVar[str] = "iceoryx2, busy polling: bare u64"
    waits: ClassVar[bool] = False


class Waiting(_Iceoryx):
    """Sleeps on both sides until notified."""

    title: ClassVar[str] = "iceoryx2, waiting: bare u64"
    waits: ClassVar[bool] = True


@contextmanager
def _folder() -> Iterator[str]:
    """Where everything that has a name is; what lies in /dev/shm begins with its name."""
    folder = tempfile.mkdtemp(prefix="bench-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for left in Path("/dev/shm").glob(f"{Path(folder).name}*"):  # noqa: S108 - where it puts its memory
            left.unlink(missing_ok=True)


class _End:
    """One of the two processes."""

    def __init__(self, folder: str, out: str, into: str, waits: bool) -> None:
        import iceoryx2 as iox  # an extra

        iox.set_log_level(iox.LogLevel.Error)
        config = iox.config.default()
        config.global_cfg.root_path = iox.Path.new(folder)
        config.global_cfg.prefix = iox.FileName.new(Path(folder).name + "_")
        builder = iox.NodeBuilder.new().config(config)
        self._node = builder.signal_handling_mode(iox.SignalHandlingMode.Disabled).create(iox.ServiceType.Ipc)
        self._kept: list[Any] = []
        self._waits = waits
        self._publisher = self._service(out).publish_subscribe(ctypes.c_uint64).open_or_create()
        self._subscriber = self._service(into).publish_subscribe(ctypes.c_uint64).open_or_create()
        self._notify: Callable[[], object] | None = None
        self._wait: Callable[[], object] | None = None
        self._kept += [self._publisher, self._subscriber]
        self._publisher = self._publisher.publisher_builder().create()
        self._subscriber = self._subscriber.subscriber_builder().create()
        self._kept += [self._publisher, self._subscriber]
        if waits:
            notifier = self._service(f"{out}-event").event().open_or_create()
            listener = self._service(f"{into}-event").event().open_or_create()
            ends = notifier.notifier_builder().create(), listener.listener_builder().create()
            self._kept += [notifier, listener, *ends]
            self._notify, self._wait = ends[0].notify, ends[1].blocking_wait

    def _service(self, name: str) -> Any:
        import iceoryx2 as iox  # an extra

        return self._node.service_builder(iox.ServiceName.new(name))

    def sender(self) -> Callable[[int], None]:
        """What sends one number."""
        send_copy, number, notify = self._publisher.send_copy, ctypes.c_uint64, self._notify
        if notify is None:
            return lambda value: send_copy(number(value)) and None

        def send(value: int) -> None:
            send_copy(number(value))
            notify()

        return send

    def receiver(self) -> Callable[[], int]:
        """What waits for one number."""
        take, wait = self._subscriber.receive, self._wait

        def polled() -> int:
            while True:
                sample = take()
                if sample is not None:
                    value: int = sample.payload().contents.value
                    return value

        def waited() -> int:
            assert wait is not None
            while True:
                sample = take()
                if sample is not None:
                    value: int = sample.payload().contents.value
                    return value
                wait()

        return waited if self._waits else polled

    def close(self) -> None:
        """Let everything go, so that its files go too."""
        self._publisher = self._subscriber = self._notify = self._wait = None
        self._kept.clear()
        self._node = None


def _serve(control: Connection, folder: str, waits: bool) -> None:
    end_with_parent()
    os.chdir("/")
    end = _End(folder, "back", "there", waits)
    send, receive = end.sender(), end.receiver()
    control.send("ready")
    while control.recv() == "go":
        while (value := receive()) != _STOP:
            send(value)
        control.send("stopped")
    del send, receive
    end.close()
    control.close()
