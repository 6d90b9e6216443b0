"""What is asked and what must come back. Every question has a number of its own, so a wrong or another's answer shows."""

from __future__ import annotations

from random import Random
from typing import Any, Final

__all__ = ["CHAIN", "large", "question", "through_chain"]

CHAIN: Final = ("relay_a", "relay_b", "relay_c")
"""The first calls the second, which calls the third."""


def question(rng: Random) -> Any:
    """A value with a number that no other has."""
    nonce = rng.getrandbits(64)
    shapes = (
        nonce,
        str(nonce),
        [nonce, nonce / 2, None, True],
        (nonce, b"\0" * rng.randrange(300), ("x", nonce)),
        {"nonce": nonce, nonce: [nonce] * rng.randrange(50)},
        {"text": f"{nonce}" * rng.randrange(500)},
    )
    return rng.choice(shapes)


def large(rng: Random) -> bytes:
    """More than a ring holds, often; travels in pieces."""
    return rng.randbytes(64) * rng.choice((10, 1000, 3000, 20000))


def through_chain(value: Any) -> Any:
    """What the first of the chain makes of ``value``."""
    for name in reversed(CHAIN):
        value = (name, value)
    return value
