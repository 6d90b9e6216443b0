"""Errors from the far side: ``messages.WireError`` → ``from_wire`` → ``to_wire`` → ``from_wire``.

The input is a decision and then the payload of an ERROR frame, or decisions that make one. Property: what can be decoded
becomes a LogosError, whatever it says; the attributes are texts and numbers; its text can
be shown; and on its way through a second channel, a copy or a pickle it stays what it is.
"""

from __future__ import annotations

import copy
import pickle
from typing import Any

import msgspec

from fuzz.target import Tape, Target
from fuzz.trees import text, tree
from logoscore import errors
from logoscore.errors import LogosError, RemoteError
from logoscore.session.wire_errors import RemoteTraceback, from_wire, to_wire
from logoscore.transport import messages as m

_decode = msgspec.msgpack.Decoder(m.WireError).decode
_KINDS = [*errors.__all__, "Exception", "KeyboardInterrupt", ""]


def check(data: bytes) -> bool:
    payload = _built(Tape(data[1:])) if data and data[0] & 1 else data[1:]
    try:
        wire = _decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):  # what the callers of from_wire take care of
        return False
    error = from_wire(wire)
    assert isinstance(error, LogosError)
    _check_attributes(error)
    passed_on = from_wire(_decode(m.encode(to_wire(error))))
    for other in (passed_on, copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(other) is type(error)
        _check_attributes(other)
        if len(str(error)) < 16_000:  # longer texts are shortened on the way
            assert _said(other) == _said(error)
    return True


def _check_attributes(error: LogosError) -> None:
    str(error).encode()
    for name in error.fields:
        value = getattr(error, name)
        assert value is None or type(value) in (str, int), f"{type(error).__name__}.{name} is {value!r}"
    assert error.__cause__ is None or type(error.__cause__) is RemoteTraceback


def _said(error: LogosError) -> tuple[Any, ...]:
    texts = (getattr(error, name) for name in error.fields)
    return str(error), *(text[:8000] if isinstance(text, str) else text for text in texts)


def _built(tape: Tape) -> bytes:
    kind = tape.choice(_KINDS)
    cls: Any = getattr(errors, kind, RemoteError)
    names = [*cls.fields, text(tape)] if issubclass(cls, LogosError) else ["remote_traceback"]
    fields = {name: text(tape) if tape.byte() % 2 else tree(tape, False) for name in names if tape.byte() % 4}
    return m.encode([kind, text(tape), fields])


def seeds() -> list[bytes]:
    real = [
        RemoteError(
            "a.b raised", module="a", method="b", type_name="KeyError", message="'x'", remote_traceback="Trace"
        ),
        errors.ModuleCrashedError("died", module="a", pid=1, exit_code=-11, signal_name="SIGSEGV", stderr="last"),
        errors.SerializationError("args[0]", path="args[0]", type_name="socket"),
        errors.ChannelClosedError("closed"),
    ]
    wires = [*map(to_wire, real), m.WireError("OSError", "of nobody here", {"errno": 2})]
    return [b"\0" + m.encode(wire) for wire in wires] + [bytes([1, each, 4, 1, 1, 2, 3]) for each in range(len(_KINDS))]


TARGET = Target("wire_errors", check, seeds, bytes_per_byte=512)
