"""Small messages that would keep whoever decodes them busy, or take its memory: one call's named error, and at once."""

from __future__ import annotations

import textwrap
import threading
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from helpers import wait_until

from faults.hostile import parties, run
from logoscore.errors import ProtocolViolationError
from logoscore.transport.codec import SAFE
from logoscore.transport.codec import extensions as x

PRIME = (1 << 61) - 1  # hash() of an int is its remainder
MANY = 20_000
Ext, pack = msgspec.msgpack.Ext, msgspec.msgpack.encode


def colliding_ints(count: int) -> list[Ext]:
    return [Ext(x.INT, ((1 << 70) // PRIME * PRIME + i * PRIME).to_bytes(16, "little")) for i in range(count)]


def chain(bits: int) -> list[int]:
    """Small ints, all with another hash(), that lie on one chain of places in a dict; and some that walk along it."""
    mask = (1 << bits) - 1
    keys, place = [], 1
    for _ in range((1 << bits) // 3):
        keys.append(place)
        place = (5 * place + 1) & mask
    taken, high = set(keys), 1
    while len(keys) < (1 << bits) * 2 // 3 - 8:
        for low in keys[: (1 << bits) // 3]:
            candidate = high << bits | low
            at, rest = low, candidate
            while rest and at in taken:
                rest >>= 5
                at = (at * 5 + rest + 1) & mask
            if not rest and at in taken:
                keys.append(candidate)
        high += 1
    return keys[: (1 << bits) * 2 // 3 - 8]


def as_map(keys: list[object], values: object = 1) -> bytes:
    return b"\xdf" + len(keys).to_bytes(4, "big") + b"".join(pack(key) + pack(values) for key in keys)


def with_values(keys: list[object]) -> list[object]:
    return [item for key in keys for item in (key, None)]


BOMBS = {
    "set": pack(Ext(x.SET, pack(colliding_ints(MANY)))),
    "frozenset": pack(Ext(x.FROZENSET, pack(colliding_ints(MANY)))),
    "dict": pack(Ext(x.DICT, pack(with_values(colliding_ints(MANY))))),
    "map": as_map(colliding_ints(MANY)),
    "map in a list": b"\x92\x01" + as_map(colliding_ints(MANY)),
    "map in a tuple": pack(Ext(x.TUPLE, b"\x91" + as_map(colliding_ints(MANY)))),
    "map in a map": b"\x81\xa1k" + as_map(colliding_ints(MANY)),
    "uuids": pack(Ext(x.SET, pack([Ext(x.UUID_, (i * PRIME).to_bytes(16, "big")) for i in range(MANY)]))),
    "decimals": pack(Ext(x.SET, pack([Ext(x.DECIMAL, str(i * PRIME + 1).encode()) for i in range(MANY)]))),
    "tuples": pack(Ext(x.SET, pack([Ext(x.TUPLE, pack([key])) for key in colliding_ints(MANY)]))),
    "names of a record": pack(
        Ext(x.DATACLASS, pack([["a:b", colliding_ints(MANY)], *range(MANY)])),
    ),
    "many sets": pack([Ext(x.SET, pack(colliding_ints(3000))) for _ in range(20)]),
    "array without end": b"\xdd\xff\xff\xff\xff\x01",
    "map without end": b"\xdf\xff\xff\xff\xff\x01\x01",
    "text without end": b"\xdb\xff\xff\xff\xffabc",
    "bytes without end": b"\xc6\xff\xff\xff\xffabc",
    "extension without end": b"\xc9\xff\xff\xff\xff\x02abc",
    "arrays without end": b"\xdd\x0f\xff\xff\xff" * 1000,
    "nested arrays": b"\x91" * 100_000 + b"\x01",
    "nested maps": b"\x81\x01" * 100_000 + b"\x01",
    "nested extensions": b"".join(b"\xc9" + (6 * n).to_bytes(4, "big") + b"\x02" for n in range(20_000, 0, -1)),
    "numpy of a huge shape": pack(Ext(x.NDARRAY, pack((0, "<f8", (1 << 40, 0), "C")))),
    "numpy of a huge type": pack(Ext(x.NUMPY_SCALAR, pack(("<U999999999", b"")))),
    "numpy of a huge subtype": pack(Ext(x.NUMPY_SCALAR, pack(([["<f8", [1 << 30, 1 << 30]], [9]], b"")))),
    "int of many digits": pack(Ext(x.INT, b"\x7f" * (x.MAX_INT_BYTES + 1))),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_refused(bomb: str) -> None:
    with pytest.raises(ProtocolViolationError):
        SAFE.decode(BOMBS[bomb])


def test_numbers_on_one_chain_are_refused() -> None:
    keys = chain(16)
    assert len(set(map(hash, keys))) == len(keys), "no look at the hashes tells"
    with pytest.raises(ProtocolViolationError, match="collide"):
        SAFE.decode(as_map(keys))


@pytest.mark.parametrize(
    "value",
    [
        {number * 7: str(number) for number in range(30_000)},
        {float(number): number for number in range(3000)},
        {-number: {number: "x" * number for number in range(300)} for number in range(30)},
        {str(number): [number] for number in range(30_000)},
        {(number, str(number)): {number} for number in range(3000)},
        set(range(-20_000, 20_000)),
        frozenset(Decimal(number) / 7 for number in range(3000)),
        {UUID(int=number * 12345678901234567890) for number in range(3000)},
        {1 << number for number in range(2000)},
        [{"key": number, "other": {number: number}} for number in range(3000)],
        [number / 7 for number in range(10_000)],
        b"\xdf\xff\xff\xff\xff\xde\xff\xff" * 3000,
        "\N{NKO LETTER A}\N{SYRIAC LETTER ALAPH}" * 9000,
        [b"\xdf\x00\x01\x00\x00" * 1000, {b"\xdf": {b"\xde": 1}}],
    ],
    ids=lambda value: type(value).__name__,
)
def test_honest_values_of_that_size_travel(value: object) -> None:
    head, buffers = SAFE.encode(value)
    assert SAFE.decode(head, buffers) == value


FAKE = """
    class Fake:
        ID = 0
        def encode(self, value, path="value"):
            return HEAD, ()
        def __getattr__(self, name):
            return getattr(SAFE, name)
    server("core").codec = Fake()
"""


def test_bombs_between_processes(tmp_path: Path) -> None:
    """As an argument, a result and an event: neither the app nor another module is kept busy."""
    bomb = BOMBS["dict"]
    with parties(tmp_path) as (core, evil, victim, bystander):
        run(evil, "link = caller('victim'); R = None")
        code = """
            frame = fr.HEADER.pack(fr.CALL, 0, 0, 4, 5, deadline_after(20), node.tokens.held_bytes("victim"))
            R = link.roundtrip(5, frame + b"echo" + b"\\x91" + HEAD, deadline_after(20))
            R = R[fr.HEADER_SIZE:]
            """
        run(evil, f"HEAD = {bomb!r}")
        reply = run(evil, code)
        assert b"InvalidArgumentsError" in reply
        assert b"chosen to collide" in reply
        # As an event: it is lost, and the next one is heard.
        with evil.subscribe("fired") as events:
            run(
                evil,
                """
                outlet = next(iter(node.publisher._outlets.values()))
                header = fr.HEADER.pack(fr.EVENT, 0, 0, 5, 1 << 20, 0, fr.NO_TOKEN)
                outlet.sender.send_parts([header + b"fired" + b"\\x91" + HEAD], deadline_after(20))
                """,
            )
            evil.call("fire", 1)
            assert events.get(20).data == (0, None)
        # As a result. Meanwhile another thread of the app calls another module.
        done = threading.Event()
        answers = []

        def beside() -> None:
            while not done.is_set():
                answers.append(bystander.call("echo", 1))

        thread = threading.Thread(target=beside)
        thread.start()
        evil.submit("run", textwrap.dedent(FAKE))  # whose own reply is one already, or not
        with pytest.raises(ProtocolViolationError, match="collide"):
            evil.submit("echo", 1).result(20)
        count = len(answers)
        wait_until(lambda: len(answers) > count + 10)
        done.set()
        thread.join()
        assert victim.call("echo", 2) == 2
        assert core.get_plugin_info("evil").state == "loaded"
