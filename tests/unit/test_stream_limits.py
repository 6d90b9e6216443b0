"""An item of a stream for which there is no memory: the error names the limit."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest

from logoscore.errors import LogosError, SerializationError
from logoscore.limits import Limits
from logoscore.session.streams import OutgoingStream
from logoscore.transport.codec import SAFE

ENOUGH = 400 << 20


@dataclasses.dataclass
class Record:
    """One that finds no memory when it is read."""

    values: list[int]


def _no_memory(_: Record) -> list[int]:
    raise MemoryError


Record.values = property(_no_memory, lambda *_: None)  # type: ignore[assignment]


def _say(reply: Any, monkeypatch: pytest.MonkeyPatch) -> list[LogosError]:
    said: list[LogosError] = []
    link = SimpleNamespace(
        reply=reply, reply_error=lambda _, error, __: said.append(error), limit_note=Limits(address_space=ENOUGH).note
    )
    stream: Any = OutgoingStream.__new__(OutgoingStream)
    stream._link, stream._method, stream._call_id = link, SimpleNamespace(name="items"), 1
    monkeypatch.setattr(OutgoingStream, "_produce_next", lambda _: "an item")
    assert not stream._send_next()
    return said


def test_no_memory_for_reading_an_item_of_a_stream_names_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def reply(*_: object) -> None:
        SAFE.encode([1, Record([])], "item")

    (error,) = _say(reply, monkeypatch)
    assert isinstance(error, SerializationError)
    assert str(error).endswith(
        f"which cannot travel: reading it raised MemoryError (the module's limit address_space is {ENOUGH} bytes)"
    )
    assert (error.path, error.type_name) == ("item[1]", f"{__name__}.Record")


def test_what_cannot_travel_for_another_reason_says_nothing_of_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    def reply(*_: object) -> None:
        SAFE.encode([object()], "item")

    (error,) = _say(reply, monkeypatch)
    assert "limit" not in str(error)


def test_no_memory_for_an_item_of_a_stream_names_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a host: msgspec takes the process down where bytes find no memory, so none can be made to run out here."""

    def reply(*_: object) -> None:
        raise MemoryError

    said = _say(reply, monkeypatch)
    words = f"an item of items cannot travel: MemoryError (the module's limit address_space is {ENOUGH} bytes)"
    assert [(type(error), str(error)) for error in said] == [(SerializationError, words)]
