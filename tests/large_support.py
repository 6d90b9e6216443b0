"""A module that takes, gives, keeps and passes on what is large, and looks into who has mapped what."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from acceptance.support import write_module

from logoscore import Core

LARGE = """
import hashlib, os, threading
from pathlib import Path
import numpy
from logoscore import PluginInterface, invokable
from logoscore.leaks import wait_until

def spares(api):
    return [len(each) for borrower in api._node.lending._borrowers.values() for each in borrower._spares._kept]

class Large(PluginInterface):
    def init_logos(self, api):
        self.api = api
        self.kept = []
        self.heard = []
        self.late = 0

    @invokable
    def echo(self, value):
        return value

    @invokable
    async def aecho(self, value):
        return value

    @invokable
    def typed(self, data: bytes) -> bytes:
        assert type(data) is bytes
        return data

    @invokable
    def give(self, size: int, fill: int = 1):
        return numpy.full(size, fill, numpy.uint8)

    @invokable
    def give_late(self, size: int, path: str):
        wait_until(lambda: os.path.exists(path))  # the test makes it
        self.late += 1
        return numpy.ones(size, numpy.uint8)

    @invokable
    def given_late(self) -> int:
        return self.late

    @invokable
    def items(self, count: int, size: int):
        for number in range(count):
            yield numpy.full(size, number, numpy.uint8)

    @invokable
    def bytes_items(self, count: int, size: int):
        for number in range(count):
            yield bytes([number]) * size

    @invokable
    def fire(self, count: int, size: int):
        for number in range(count):
            self.api.trigger("fired", numpy.full(size, number, numpy.uint8))

    @invokable
    def keep(self, value):
        self.kept.append(value)

    @invokable
    def sums(self):
        return [int(each.sum()) for each in self.kept]

    @invokable
    def digests(self):
        return [hashlib.sha256(each).digest() for each in self.kept]

    @invokable
    def drop_kept(self):
        self.kept.clear()

    @invokable
    def writes(self, value):
        value[0] = 1

    @invokable
    def ask(self, module: str, method: str, *args):
        return self.api.get_client(module).call(method, *args)

    @invokable
    def hear(self, module: str):
        self.api.on_event(module, "fired", lambda event: self.heard.append(int(event.data[0].sum())))

    @invokable
    def heard_so_far(self):
        return self.heard

    @invokable
    def mapped(self):
        return Path("/proc/self/maps").read_text().count("memfd:logoscore-lent")

    @invokable
    def spares(self):
        return spares(self.api)

    @invokable
    def holdings(self):
        return len(os.listdir("/proc/self/fd")), threading.active_count(), self.mapped()

    @invokable
    def end(self):
        os._exit(3)
"""


def spares(api: Any) -> list[int]:
    """The sizes of the ``bytes`` that this party keeps to fill again."""
    return [len(each) for borrower in api._node.lending._borrowers.values() for each in borrower._spares._kept]


def mapped() -> int:
    """How many pieces of the project's memory this process has mapped."""
    return Path("/proc/self/maps").read_text().count("memfd:logoscore-lent")


@contextmanager
def large_modules(folder: Path, *names: str, **settings: Any) -> Iterator[tuple[Core, dict[str, Any]]]:
    """A Core with such modules, loaded; each may call all others."""
    for name in names:
        write_module(folder, name, LARGE, calls=[each for each in names if each != name])
    with Core(plugins_dir=folder, entry_points=False, **settings) as core:
        yield core, {name: core.load_plugin(name) for name in names}
