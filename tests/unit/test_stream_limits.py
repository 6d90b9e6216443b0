"""An item of a stream for which there is no memory: the error names the limit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from logoscore.errors import LogosError, SerializationError
from logoscore.limits import Limits
from logoscore.session.streams import OutgoingStream

ENOUGH = 400 << 20


def test_no_memory_for_an_item_of_a_stream_names_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a host: msgspec takes the process down where bytes find no memory, so none can be made to run out here."""
    said: list[LogosError] = []

    def reply(*_: object) -> None:
        raise MemoryError

    link = SimpleNamespace(
        reply=reply, reply_error=lambda _, error, __: said.append(error), limit_note=Limits(address_space=ENOUGH).note
    )
    stream: Any = OutgoingStream.__new__(OutgoingStream)
    stream._link, stream._method, stream._call_id = link, SimpleNamespace(name="items"), 1
    monkeypatch.setattr(OutgoingStream, "_produce_next", lambda _: "an item")
    assert not stream._send_next()
    words = f"an item of items cannot travel: MemoryError (the module's limit address_space is {ENOUGH} bytes)"
    assert [(type(error), str(error)) for error in said] == [(SerializationError, words)]
