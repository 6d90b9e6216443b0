"""What a client makes of a reply: the short way, for plain values, gives what the long way gives."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from logoscore.errors import LogosError
from logoscore.session.client import LogosAPIClient
from logoscore.session.replies import read_value
from logoscore.transport.codec import SAFE
from logoscore.transport.frame import BUFFERS, ERROR, FOREVER, HEADER, HEADER_SIZE, NO_TOKEN, REPLY, START, STREAM_ITEMS

_values = st.one_of(
    st.none(), st.integers(), st.text(), st.binary(max_size=5000), st.lists(st.integers(), max_size=3), st.tuples()
)


@st.composite
def _replies(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from([REPLY, REPLY, REPLY, STREAM_ITEMS, ERROR, 99]))
    codec, flags = draw(st.sampled_from([0, 0, 0, 1])), draw(st.sampled_from([0, 0, 0, 1, BUFFERS]))
    name = draw(st.sampled_from([b"", b"", b"name"]))
    head = SAFE.encode(draw(_values))[0] if draw(st.booleans()) else draw(st.binary(max_size=3000))
    whole = HEADER.pack(kind, codec, flags, len(name), 7, 0, NO_TOKEN) + name + head
    return whole[: draw(st.sampled_from([len(whole), len(whole), 16, HEADER_SIZE - 1, HEADER_SIZE, len(whole) - 1]))]


def _said(read: Any, *args: Any) -> tuple[Any, ...]:
    try:
        value = read(*args)
    except LogosError as error:
        return (type(error),)
    return ("value", type(value), value)


@given(_replies())
@settings(deadline=None)
def test_the_short_way_gives_what_the_long_way_gives(reply: bytes) -> None:
    client: Any = object.__new__(LogosAPIClient)
    client._target = "peer"
    link: Any = SimpleNamespace(plain_reply=START.pack(REPLY, SAFE.ID, 0, 0), codec=SAFE, peer="peer")

    assert _said(client._outcome, reply, link, "method", None, FOREVER) == _said(
        read_value, reply, SAFE, "peer", "method", "peer"
    )
