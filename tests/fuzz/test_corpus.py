"""The corpus, replayed: what once went wrong does not any more, and what is known to reach far goes on reaching it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Hashable

import pytest

from fuzz import corpus, features
from fuzz.subjects import TARGETS
from fuzz.target import Target, peak_of

_EACH = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@_EACH
def test_every_seed_is_accepted(target: Target) -> None:
    """A subject that refuses everything at its door would never fail."""
    assert [seed for seed in target.seeds() if not target.check(seed)] == []


@_EACH
def test_every_input_of_the_corpus_keeps_the_property_and_the_bound_of_memory(target: Target) -> None:
    inputs = [*target.seeds(), *corpus.load(target.name)]
    for data in inputs:
        target.check(data)
        peak_of(target, data)


@_EACH
def test_the_corpus_reaches_more_than_the_seeds_do(target: Target) -> None:
    def reached(inputs: list[bytes]) -> set[Hashable]:
        return {feature for data in inputs for feature in features.features(target.check, data)}

    assert reached(corpus.load(target.name)) - reached(target.seeds())


_PLANTED: list[tuple[str, str, Exception]] = [
    ("frame", "logoscore.transport.frame.split_payload", IndexError("planted")),
    ("codec", "logoscore.transport.codec._both", struct.error("planted")),
    ("codec_tree", "logoscore.transport.codec.writer.Writer.items", KeyError("planted")),
    ("ring", "logoscore.transport.ring.PureRingReader.read", IndexError("planted")),
    ("ring_twins", "logoscore.transport.ring.PureRingWriter.write", IndexError("planted")),
    ("channel", "logoscore.transport.channel.Receiver._assemble", MemoryError("planted")),
    ("control", "logoscore.transport.control.Parser.feed", struct.error("planted")),
    ("control_tree", "logoscore.transport.messages._decode", TypeError("planted")),
    ("wire_errors", "logoscore.errors.LogosError.__init__", TypeError("planted")),
    ("bounded_json", "logoscore.bounded_json._unique", RecursionError("planted")),
    ("metadata", "logoscore.metadata._dependency", ValueError("planted")),
]


@pytest.mark.parametrize(("name", "place", "error"), _PLANTED, ids=[name for name, _, _ in _PLANTED])
def test_an_error_that_nobody_promised_is_a_finding(
    name: str, place: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planted(*_args: object, **_kwargs: object) -> None:
        raise error

    target = TARGETS[name]
    seeds = [*target.seeds(), *corpus.load(name)]
    monkeypatch.setattr(place, planted)
    assert any(_is_finding(target.check, data) for data in seeds)


def _is_finding(check: Callable[[bytes], bool], data: bytes) -> bool:
    try:
        check(data)
    except Exception:  # noqa: BLE001 - whatever comes out of a check is a finding
        return True
    return False
