"""The control pipe: ``Parser``, ``decode_from_party``, ``decode_to_party``.

Two targets. ``control`` takes a stream as it comes: one byte that says how it is cut, then the stream. ``control_tree``
frames messages that are well formed on the outside, so that the typed decoders have something to look into.

Property: however a stream is cut, the parser gives the same messages, and keeps no more than one unfinished message;
ProtocolViolationError is all that comes out of parser and decoders; a decoded message encodes to one that decodes to the
same; its repr has no token; and where a host said it, no key in it is anything but text, since of other keys a peer
can send many that collide.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import msgspec

from fuzz.target import Tape, Target, random_rows
from fuzz.trees import number, text, tree
from logoscore.errors import ProtocolViolationError
from logoscore.transport import messages as m
from logoscore.transport.control import Parser

_HEADER = struct.Struct("<II")
_MAX_MESSAGE = 1024
_MAX_DESCRIPTORS = 4
_WORDS = [cls.__name__ for cls in (*m.ToParty.__args__, *m.FromParty.__args__)]
_TOKEN = "5ecre7-70ken"


def _real_messages() -> list[Any]:
    error = m.WireError("ModuleCrashedError", "it died", {"module": "a", "pid": 7, "stderr": None})
    link = m.LinkInfo(3, "peer", m.CALLS, (64, 128), ("/s0", "/s1", "/s2", "/s3"), filter=("event",))
    metadata = {"name": "a", "version": "1.0.0", "x": [1, {"y": 2.5}]}
    bootstrap = m.Bootstrap("a", "i", _TOKEN, metadata, "class", "/p", "m:C", b"pickle", ("lib",), None, 20.0, 50)
    return [
        bootstrap,
        m.Start(),
        m.Opened(1, link),
        m.Attach(link, True),
        m.Failed(1, error),
        m.Done(1, {"calls": 1, "events": 2}),
        m.CloseLink(3, error),
        m.SetFilter(1, 3, None),
        m.Plant(1, "peer", _TOKEN, _TOKEN),
        m.Forget(1, "peer", 123_456_789),
        m.CancelCall(3, 9),
        m.Query(1, "stats"),
        m.Unload(2.5),
        m.Hello(123, m.PROTOCOL_VERSION, True),
        m.Ready(),
        m.LoadFailed("ValueError", "no", "Traceback"),
        m.OpenLink(1, "target"),
        m.Attached(3),
        m.LinkFailed(3, error),
        m.Watch(1, "target", ("a", "b")),
        m.Resolve(1, "target"),
        m.Authorize(1, "a", "b"),
    ]


_REAL = [msgspec.msgpack.decode(m.encode(message)) for message in _real_messages()]


def check(data: bytes) -> bool:
    return _check_stream(data[1:], (data[0] if data else 0) + 1)


def check_tree(data: bytes) -> bool:
    tape = Tape(data)
    cut = tape.byte() + 1
    stream = bytearray()
    while tape.left:
        message = m.encode(_message(tape))
        stream += _HEADER.pack(len(message), tape.byte() % 6) + message
    return _check_stream(bytes(stream), cut)


def _message(tape: Tape) -> list[Any]:
    """A real message with some of its fields replaced, or, now and then, any fields at all."""
    how = tape.byte()
    if how >= 224:
        return [tape.choice(_WORDS), *(_field(tape) for _ in range(how % 13))]
    message = list(tape.choice(_REAL))
    for _ in range(how % 4):
        place = 1 + tape.byte() % len(message)
        message[place : place + 1] = [_field(tape)]
    return message[: len(message) - (how // 4 % 8 == 7)]


def _field(tape: Tape) -> Any:
    kind = tape.byte() % 16
    if kind < 5:
        return number(tape)
    if kind < 9:
        return text(tape)
    if kind == 9:
        return [text(tape), text(tape), {text(tape): tree(tape, False) for _ in range(tape.byte() % 4)}]
    if kind == 10:
        link = [number(tape), text(tape), text(tape), [number(tape), number(tape)], [text(tape), text(tape)]]
        return [*link, text(tape), tape.choice((None, [text(tape)]))]
    if kind == 11:
        return tape.take(tape.byte() % 16)
    if kind == 12:
        return _TOKEN
    return tree(tape, False)


def _check_stream(stream: bytes, cut: int) -> bool:
    expected, sound = _messages(stream)
    parser = Parser(_MAX_MESSAGE, _MAX_DESCRIPTORS)
    got: list[tuple[bytes, int]] = []
    try:
        for start in range(0, len(stream), cut):
            got += parser.feed(stream[start : start + cut])
            assert len(parser._buffer) < _HEADER.size + _MAX_MESSAGE, "more is kept than one unfinished message"
    except ProtocolViolationError:
        assert not sound, "a stream that keeps to the protocol was refused"
        assert got == expected[: len(got)]
    else:
        assert sound, "a length or a number of descriptors beyond the limit was let pass"
        assert got == expected, "the messages depend on how the stream is cut"
    results = [_check_message(message) for message, _ in expected]
    return sound and all(results)


def _messages(stream: bytes) -> tuple[list[tuple[bytes, int]], bool]:
    """What is in the stream, and whether all of it keeps to the limits."""
    messages: list[tuple[bytes, int]] = []
    while len(stream) >= _HEADER.size:
        length, descriptors = _HEADER.unpack_from(stream)
        if length > _MAX_MESSAGE or descriptors > _MAX_DESCRIPTORS:
            return messages, False
        if len(stream) < _HEADER.size + length:
            break
        messages.append((stream[_HEADER.size : _HEADER.size + length], descriptors))
        stream = stream[_HEADER.size + length :]
    return messages, True


def _check_message(message: bytes) -> bool:
    return any([_round_trip(m.decode_from_party, message), _round_trip(m.decode_to_party, message)])


def _texts_are_keys(value: Any) -> bool:
    if isinstance(value, dict):
        return all(type(key) is str and _texts_are_keys(each) for key, each in value.items())
    if isinstance(value, msgspec.Struct):
        return all(_texts_are_keys(getattr(value, name)) for name in value.__struct_fields__)
    return all(map(_texts_are_keys, value)) if isinstance(value, list | tuple) else True


def _round_trip(decode: Callable[[bytes], Any], message: bytes) -> bool:
    try:
        decoded = decode(message)
    except ProtocolViolationError as error:
        str(error).encode()
        return False
    assert decode is m.decode_to_party or _texts_are_keys(decoded), f"a host chose keys: {decoded!r}"
    encoded = m.encode(decoded)
    assert m.encode(decode(encoded)) == encoded, f"{decoded!r} does not survive its own encoding"
    if isinstance(decoded, m.Bootstrap | m.Plant):
        assert _TOKEN not in repr(decoded), "a repr shows what the message carries"
    return True


def seeds() -> list[bytes]:
    framed = [_HEADER.pack(len(data), 0) + data for data in map(m.encode, _real_messages())]
    return [
        *(b"\x06" + each for each in framed),
        b"\xff" + b"".join(framed[13:18]),
        b"\x00" + framed[1] + framed[2][:9],
    ]


def tree_seeds() -> list[bytes]:
    return [b"\x03", *(bytes([7, 0, each, 0]) for each in range(len(_REAL))), *random_rows(check_tree)]


TARGET = Target("control", check, seeds, max_length=2048, bytes_per_byte=256)
TREE_TARGET = Target("control_tree", check_tree, tree_seeds, max_length=1024, bytes_per_byte=2048)
