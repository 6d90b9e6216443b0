"""The module that the fault table breaks: it does what was planned, at the place that was planned."""

from __future__ import annotations

FRAIL = '''
import ctypes, enum, os, signal, sys, threading
from dataclasses import dataclass
from pathlib import Path

import msgspec
from logoscore import PluginInterface, invokable

PLAN = Path(__file__).with_name("plan")

class Mute(Exception):
    """Cannot be shown or encoded."""
    def __str__(self):
        raise ZeroDivisionError
    __repr__ = __reduce__ = __reduce_ex__ = __str__

class Stop(BaseException):
    pass

def throw(error):
    raise error

def overflow():
    """Native code that recurses: into one pair of parentheses after the other."""
    ctypes.CDLL(None).regcomp(ctypes.create_string_buffer(256), b"(" * 1_000_000, 1)

class Foreign:
    """Pickled by its name, which means nothing elsewhere."""

ACTS = {
    "SIGSEGV": lambda: ctypes.string_at(0),
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGABRT": os.abort,
    "os._exit": lambda: os._exit(7),
    "stack": overflow,
    "sys.exit": lambda: sys.exit(4),
    "exception": lambda: throw(ValueError("deliberate")),
    "mute": lambda: throw(Mute()),
    "memory": lambda: bytearray(1 << 32),
    "base": lambda: throw(Stop("deliberate")),
    "ctrl-c": lambda: throw(KeyboardInterrupt()),
    "generator": lambda: throw(GeneratorExit()),
}
VALUES = {"unencodable": threading.Lock, "undecodable": Foreign}

def planned(place):
    try:
        where, how = PLAN.read_text().split()
    except FileNotFoundError:
        return None
    return how if where == place else None

def at(place):
    """Do what is planned for this place."""
    how = planned(place)
    if how is not None:
        ACTS[how]()

def value(place):
    """A value that is planned for this place; else one whose encoding does what is planned for it."""
    how = planned(place)
    return VALUES[how]() if how in VALUES else Trap(place)

@dataclass
class Trap:
    """Code of the module's runs when its field is read, or when it is pickled."""
    place: str
    field: int = 0

    def __reduce__(self):
        at(self.place)

Trap.field = property(lambda self: at(self.place), lambda self, value: None)

@dataclass
class Post:
    """Put together by the callee, where an annotation asks for it."""
    number: int
    def __post_init__(self):
        at("dataclass")

class Posted(msgspec.Struct):
    number: int
    def __post_init__(self):
        at("struct")

class Colour(enum.Enum):
    RED = 1
    @classmethod
    def _missing_(cls, value):
        at("enum")

class Frail(PluginInterface):
    def __init__(self):
        at("constructor")
        self.ticks = 0
        self.again = False

    def init_logos(self, api):
        self.api = api
        at("init_logos")
        api.on_event("calm", "tick", self.on_tick)

    def about_to_unload(self):
        at("about_to_unload")

    def save_state(self):
        at("save_state")
        return value("state") if planned("state") else "state"

    def restore_state(self, state):
        at("restore_state")

    def on_tick(self, event):
        self.ticks += 1
        at("callback")

    @invokable
    def serve(self, value):
        return [value, os.getpid()]

    @invokable
    def pid(self):
        return os.getpid()

    @invokable
    def tell_calm(self, value):
        return self.api.get_client("calm").call("serve", value)

    @invokable
    def keep_log(self):
        import logging
        self.log = log = []
        class Keeper(logging.Handler):
            def emit(self, record):
                log.append(self.format(record))
        logging.getLogger("logoscore").addHandler(Keeper())

    @invokable
    def kept_log(self):
        return self.log

    @invokable
    def heard(self) -> int:
        return self.ticks

    @invokable
    async def hold(self, ticks: int):
        """Until so many events were heard, and the one after that."""
        import asyncio
        while self.ticks < ticks + 1:
            await asyncio.sleep(0.005)
            if self.ticks == ticks and not self.again:
                self.again = True
                self.api.get_client("calm").submit("tick")
        self.again = False
        return "heard"

    @invokable
    def tell(self):
        return self.api.get_client("calm").call("serve", value("argument"))

    @invokable
    def confide(self):
        return self.api.get_client("friend").call("serve", value("pickle"))

    @invokable
    def without_numpy(self):
        sys.modules["numpy"] = None

    @invokable
    def array(self):
        import numpy
        return numpy.arange(3)

    @invokable
    def arrays(self):
        yield self.array()

    @invokable
    def tell_array(self):
        self.api.trigger("told", self.array())

    @invokable
    def tell_all(self, value):
        self.api.trigger("told", value)

    @invokable
    def made(self):
        return {"number": 1}

    @invokable
    def trigger(self):
        self.api.trigger("told", value("event"))

    @invokable
    def take_dataclass(self, post: Post):
        return post.number

    @invokable
    def take_struct(self, post: Posted):
        return post.number

    @invokable
    def take_enum(self, colour: Colour):
        return 1

    @invokable
    def method(self):
        at("method")

    @invokable
    async def amethod(self):
        at("async-method")

    @invokable
    def stream(self):
        yield 1
        at("generator")

    @invokable
    async def astream(self):
        yield 1
        at("async-generator")

    @invokable
    def items(self):
        yield value("item")

    @invokable
    def give(self):
        return value("result")

    @invokable
    async def agive(self):
        return value("async-result")

at("import")
'''

CALM = """
import os
from logoscore import PluginInterface, invokable

class Calm(PluginInterface):
    @invokable
    def serve(self, value):
        return [value, os.getpid()]

    @invokable
    def tick(self):
        self.api.trigger("tick")
"""
