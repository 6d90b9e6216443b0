"""A module that uses more than it may, as a test tells it, and a Core that sets its limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from acceptance.support import write_module

from logoscore import Core, LogosAPIClient

MIB = 1 << 20
ENOUGH = 400 * MIB
"""Address space for a host and a module that does little."""

GREEDY = '''
import asyncio, ctypes, errno, mmap, os, resource, signal, threading
from logoscore import PluginInterface, invokable

NAMES = ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_NOFILE", "RLIMIT_CORE")

class Greedy(PluginInterface):
    def init_logos(self, api):
        self.api = api
        self.held = []

    @invokable
    def echo(self, value):
        return value

    @invokable
    def limits(self) -> list:
        return [list(resource.getrlimit(getattr(resource, name))) for name in NAMES]

    @invokable
    def niceness(self) -> list:
        """Of every thread: the one that calls run in among them."""
        return [os.getpriority(os.PRIO_PROCESS, int(thread)) for thread in os.listdir("/proc/self/task")]

    @invokable
    def burn(self):
        while True:
            pass

    @invokable
    def eat(self, size: int) -> int:
        return len(bytearray(size))

    @invokable
    async def eat_in_a_coroutine(self, size: int) -> int:
        await asyncio.sleep(0)
        return len(bytearray(size))

    @invokable
    def eat_in_a_stream(self, size: int):
        yield 1
        yield len(bytearray(size))

    @invokable
    def dereference_null(self):
        ctypes.string_at(0)

    @invokable
    def open_many(self, count: int, keep: bool = False) -> int:
        opened = []
        try:
            for _ in range(count):
                opened.append(os.open(os.devnull, os.O_RDONLY))
            return len(opened)
        finally:
            if keep:
                self.held += opened
            else:
                for fd in opened:
                    os.close(fd)

    @invokable
    def take_descriptors(self, leave: int) -> int:
        """All but ``leave`` of them, and keep them."""
        try:
            while True:
                self.held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError as exc:
            assert exc.errno == errno.EMFILE
        for fd in [self.held.pop() for _ in range(leave)]:
            os.close(fd)
        return len(self.held)

    @invokable
    def take_addresses(self, leave: int, heap: bool = True):
        """Map all but ``leave`` bytes; what is ``heap`` already stays, so that Python itself can go on."""
        spare = [bytearray(60_000) for _ in range(40 * heap)]
        self.held.append(mmap.mmap(-1, mmap.PAGESIZE))
        self.pin = bytearray(60_000)  # above the others, or the heap would shrink
        reserve = mmap.mmap(-1, max(leave, mmap.PAGESIZE))
        size = 64 << 20
        while size >= 4096:
            try:
                self.held.append(mmap.mmap(-1, size))
            except OSError as exc:
                assert exc.errno == errno.ENOMEM
                size //= 2
        reserve.close()

    @invokable
    def ask(self):
        return self.api.get_client("neighbour").call("ping", timeout=20.0)

    @invokable
    def ask_later(self):
        return self.api.get_client("neighbour").submit("ping", timeout=20.0).result(timeout=20)

    @invokable
    def listen(self):
        with self.api.get_client("neighbour").subscribe("nothing") as events:
            try:
                return events.get(timeout=0.1)
            except TimeoutError:
                return "neighbour"

    @invokable
    def call_back(self):
        self.api.on_event("neighbour", "nothing", print).cancel()
        return "neighbour"

    @invokable
    async def coroutine(self):
        return "neighbour"

    @invokable
    def wait_for(self, path: str):
        pause = threading.Event()
        while not os.path.exists(path):
            pause.wait(0.01)
        return "there"

    @invokable
    def descriptors(self) -> int:
        return len(os.listdir("/proc/self/fd"))

    @invokable
    def mappings(self) -> int:
        """Of channels."""
        with open("/proc/self/maps") as maps:
            return sum("memfd:logoscore" in line for line in maps)

    @invokable
    def say(self, value):
        self.api.trigger("said", value)

    @invokable
    def give_back(self):
        for each in self.held:
            each.close() if isinstance(each, mmap.mmap) else os.close(each)
        self.held.clear()
'''


RunGreedy = Callable[..., tuple[Core, LogosAPIClient]]


@pytest.fixture
def run_greedy(plugins: Path) -> Iterator[RunGreedy]:
    """``run_greedy(**limits)``: a Core with the module ``greedy`` under these limits, of its metadata."""
    cores: list[Core] = []

    def start(**limits: int | float) -> tuple[Core, LogosAPIClient]:
        write_module(plugins, "greedy", GREEDY, limits=limits, concurrency="multi", max_workers=4, calls=["neighbour"])
        write_module(plugins, "neighbour")
        core = Core(plugins_dir=plugins, entry_points=False)
        cores.append(core)
        core.start()
        assert core.load_plugin("neighbour").call("ping") == "neighbour"
        return core, core.load_plugin("greedy")

    yield start
    for core in cores:
        core.cleanup()
