"""What a host says first must be understood whatever its version, or nobody could say that the version is the matter."""

from __future__ import annotations

import msgspec
import pytest

from logoscore.errors import ProtocolViolationError
from logoscore.supervisor import SupervisedHost
from logoscore.transport import messages as m


def test_another_version_is_named() -> None:
    host = SupervisedHost("old", on_message=lambda _: None, on_end=lambda _: None)
    hello = m.decode_from_party(msgspec.msgpack.encode(["Hello", 17, 2]))
    with pytest.raises(
        ProtocolViolationError, match=f"speaks version 2 of the protocol, the core {m.PROTOCOL_VERSION}"
    ):
        host._handle(hello)
