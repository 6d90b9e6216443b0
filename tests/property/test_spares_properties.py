"""bytes that are filled again, against a model that knows who has which: nobody ever sees one of his change."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logoscore.transport import copies
from logoscore.transport.copies import Spares

SIZE = st.integers(2, 5)
STEP = st.one_of(
    st.tuples(st.just("make"), SIZE, st.integers(0, 255)),
    st.tuples(st.just("drop"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("hash"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("limit"), st.integers(0, 12), st.just(0)),
)


@given(st.lists(STEP, max_size=60))
def test_nobody_sees_one_change(steps: list[tuple[str, int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copies, "LARGE", 2)
        spares = Spares()
        room = 8
        spares.limit(room)
        held: list[tuple[bytes, bytes]] = []
        for what, number, fill in steps:
            if what == "make":
                expected = bytes([fill]) * number
                held.append((spares.to_bytes(memoryview(bytearray(expected))), expected))
            elif what == "drop" and held:
                del held[number % len(held)]
            elif what == "hash" and held:
                made, expected = held[number % len(held)]
                assert hash(made) == hash(expected)
            elif what == "limit":
                room = number
                spares.limit(room)
            assert len({id(made) for made, _ in held}) == len(held)
            for made, expected in held:
                assert made == expected
                assert hashlib.sha256(made).digest() == hashlib.sha256(expected).digest()
            assert sum(map(len, spares._kept)) <= room
            assert len(spares._kept) <= 2
