"""Tokens: the right one passes, and nothing else does. (In the original anything that was not empty passed.)"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transport_support import Worker

from logoscore.tokens import TokenManager, new_token, token_bytes

TOKEN = "6f1f6e3c-6a55-4c9b-9d2b-0d8f5a1b2c3d"
RAW = uuid.UUID(TOKEN).bytes
OTHER = "6f1f6e3c-6a55-4c9b-9d2b-0d8f5a1b2c3e"
ZERO = str(uuid.UUID(int=0))


@pytest.fixture
def tokens() -> TokenManager:
    manager = TokenManager()
    manager.save("peer", TOKEN)
    return manager


def test_the_right_token_is_valid_in_both_forms(tokens: TokenManager) -> None:
    assert tokens.check_valid("peer", TOKEN) is True
    assert tokens.check_valid("peer", RAW) is True


WRONG: list[Any] = [
    OTHER, "7b7d0ed6-3d3f-4b44-9d8e-0f2a8a0d1c11",
    "x", "token", "0", "true", TOKEN[:-1], TOKEN + "0", " " + TOKEN, TOKEN + "\n", TOKEN[::-1],
    "é" * 36, "\ud800" * 36, "g" * 36, "-" * 36, "１" * 36, TOKEN * 1000,
    RAW[:-1], RAW + b"\0", RAW[::-1], b"x", b"\xff" * 16, TOKEN.encode(), bytes([RAW[0] ^ 1]) + RAW[1:],
]  # fmt: skip
EMPTY: list[Any] = ["", b"", ZERO, bytes(16), bytes(1), "0" * 32, None, 0, False, [], (), {}, 1, True, 1.5, object()]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda value: repr(value)[:40])
def test_a_wrong_token_that_is_not_empty_is_refused(tokens: TokenManager, wrong: Any) -> None:
    assert tokens.check_valid("peer", wrong) is False
    assert tokens.check_valid("stranger", wrong) is False


@pytest.mark.parametrize("empty", EMPTY, ids=lambda value: "object" if type(value) is object else repr(value)[:40])
def test_no_token_is_refused(tokens: TokenManager, empty: Any) -> None:
    assert tokens.check_valid("peer", empty) is False
    assert tokens.check_valid("stranger", empty) is False
    assert TokenManager().check_valid("peer", empty) is False


@given(st.binary(max_size=40) | st.text(max_size=40) | st.uuids().map(str))
@settings(deadline=None)
def test_whatever_is_not_the_token_is_refused(token: str | bytes) -> None:
    manager = TokenManager()
    manager.save("peer", TOKEN)
    assert manager.check_valid("peer", token) is (token in {TOKEN, RAW})


@given(st.integers(0, 127))
def test_a_single_bit_matters(bit: int) -> None:
    manager = TokenManager()
    manager.save("peer", TOKEN)
    flipped = (int.from_bytes(RAW) ^ 1 << bit).to_bytes(16)
    assert manager.check_valid("peer", flipped) is False
    assert manager.check_valid("peer", str(uuid.UUID(bytes=flipped))) is False


@pytest.mark.parametrize("malformed", ["", "x", ZERO, TOKEN[:-1], "z" * 36, None, 5, b"", RAW])
def test_what_is_no_token_is_never_saved_and_voids_what_was(tokens: TokenManager, malformed: Any) -> None:
    tokens.save("peer", malformed)
    tokens.save("other", malformed)
    for presented in (malformed, TOKEN, RAW, "", b"", ZERO, bytes(16)):
        assert tokens.check_valid("peer", presented) is False
        assert tokens.check_valid("other", presented) is False
    assert tokens.peers() == []


def test_a_token_is_one_peers_only(tokens: TokenManager) -> None:
    tokens.save("second", OTHER)
    assert tokens.check_valid("second", OTHER)
    assert not tokens.check_valid("second", TOKEN)
    assert not tokens.check_valid("peer", OTHER)
    assert not tokens.check_valid("Peer", TOKEN)
    assert not tokens.check_valid("", TOKEN)


def test_a_new_token_voids_the_one_before(tokens: TokenManager) -> None:
    tokens.save("peer", OTHER)
    assert tokens.check_valid("peer", OTHER)
    assert not tokens.check_valid("peer", TOKEN)


def test_an_admitted_token_voids_the_one_in_use_when_it_is_presented(tokens: TokenManager) -> None:
    tokens.admit("peer", OTHER)
    assert tokens.check_valid("peer", TOKEN)
    assert tokens.check_valid("peer", OTHER)
    assert not tokens.check_valid("peer", TOKEN)
    assert tokens.check_valid("peer", OTHER)


def test_tokens_that_are_never_presented_do_not_void_the_one_in_use_nor_pile_up(tokens: TokenManager) -> None:
    many = [new_token() for _ in range(100)]
    for token in many:
        tokens.admit("peer", token)
    assert tokens.check_valid("peer", TOKEN)
    assert not tokens.check_valid("peer", many[50])
    assert tokens.check_valid("peer", many[98])
    assert not any(tokens.check_valid("peer", token) for token in (TOKEN, *many[:98]))
    assert tokens.check_valid("peer", many[99])
    assert not tokens.check_valid("peer", many[98])


def test_two_threads_present_an_admitted_token_at_once(tokens: TokenManager) -> None:
    """Both have compared it with the old one before either takes it up."""
    tokens.admit("peer", OTHER)
    assert [tokens._takes_up("peer", token_bytes(OTHER)) for _ in range(2)] == [True, True]
    assert not tokens._takes_up("peer", token_bytes(TOKEN))


@pytest.mark.parametrize("void", [TokenManager.revoke, TokenManager.forget])
def test_nothing_admitted_outlives_a_revocation(
    tokens: TokenManager, void: Callable[[TokenManager, str], None]
) -> None:
    tokens.admit("peer", OTHER)
    void(tokens, "peer")
    assert not tokens.check_valid("peer", OTHER)
    tokens.save("peer", TOKEN)
    assert not tokens.check_valid("peer", OTHER)


def test_what_came_after_a_party_had_gone_is_its_successors_and_stays() -> None:
    manager = TokenManager()
    manager.save("peer", TOKEN)
    manager.hold("peer", TOKEN)
    gone = time.monotonic_ns()
    manager.admit("peer", OTHER)
    third = new_token()
    manager.admit("peer", third)
    manager.forget("peer", gone)
    assert manager.held("peer") is None
    assert not manager.check_valid("peer", TOKEN)
    assert manager.check_valid("peer", OTHER)
    assert manager.check_valid("peer", third)
    manager.hold("peer", OTHER)
    manager.forget("peer", gone)
    assert (manager.held("peer"), manager.check_valid("peer", third)) == (OTHER, True)
    manager.forget("peer", time.monotonic_ns() + 1)
    assert (manager.held("peer"), manager.peers()) == (None, [])


def test_an_admitted_token_in_use_is_as_old_as_its_admission(tokens: TokenManager) -> None:
    tokens.admit("peer", OTHER)
    gone = time.monotonic_ns() + 1
    assert tokens.check_valid("peer", OTHER)  # taken up later, but older all the same
    tokens.forget("peer", gone)
    assert not tokens.check_valid("peer", OTHER)


def test_a_look_that_began_before_the_predecessor_was_forgotten_is_no_refusal(tokens: TokenManager) -> None:
    gone = time.monotonic_ns()
    tokens.admit("peer", OTHER)
    tokens.forget("peer", gone)
    assert tokens._takes_up("peer", token_bytes(OTHER))  # where check_valid goes, having compared with the old one
    assert not tokens._takes_up("peer", token_bytes(TOKEN))
    assert not tokens._takes_up("stranger", b"")


def test_saving_voids_what_was_admitted(tokens: TokenManager) -> None:
    tokens.admit("peer", OTHER)
    tokens.save("peer", TOKEN)
    assert not tokens.check_valid("peer", OTHER)


@pytest.mark.parametrize("malformed", ["", ZERO, "x", TOKEN[:-1]])
def test_what_is_no_token_is_never_admitted_and_voids_nothing(tokens: TokenManager, malformed: str) -> None:
    tokens.admit("peer", malformed)
    tokens.admit("other", malformed)
    assert tokens.check_valid("peer", TOKEN)
    assert not tokens.check_valid("peer", malformed)
    assert tokens.peers() == ["peer"]


def test_the_first_token_that_is_admitted_is_valid() -> None:
    manager = TokenManager()
    manager.admit("peer", TOKEN)
    assert manager.check_valid("peer", TOKEN)
    assert not manager.check_valid("peer", OTHER)


def test_directions_are_separate(tokens: TokenManager) -> None:
    assert tokens.held("peer") is None
    assert tokens.held_bytes("peer") is None
    tokens.hold("target", TOKEN)
    assert not tokens.check_valid("target", TOKEN)
    assert tokens.peers() == ["peer"]
    tokens.hold("peer", OTHER)
    assert tokens.check_valid("peer", TOKEN)
    assert not tokens.check_valid("peer", OTHER)
    assert tokens.held("peer") == OTHER
    assert tokens.held_bytes("peer") == token_bytes(OTHER)


def test_revoke_ends_one_direction_remove_the_other_forget_both() -> None:
    def both() -> TokenManager:
        manager = TokenManager()
        manager.save("peer", TOKEN)
        manager.hold("peer", OTHER)
        return manager

    def state(manager: TokenManager, end: Callable[[str], None]) -> tuple[bool, str | None]:
        end("peer")
        end("peer")  # twice is fine
        end("stranger")
        return manager.check_valid("peer", TOKEN), manager.held("peer")

    manager = both()
    assert state(manager, manager.revoke) == (False, OTHER)
    manager = both()
    assert state(manager, manager.remove) == (True, None)
    manager = both()
    assert state(manager, manager.forget) == (False, None)


def test_tokens_are_random_uuids() -> None:
    made = [new_token() for _ in range(200)]
    assert len(set(made)) == 200
    assert {uuid.UUID(each).version for each in made} == {4}
    assert all(token_bytes(each) == uuid.UUID(each).bytes for each in made)


@pytest.mark.parametrize("malformed", [value for value in [*WRONG, *EMPTY] if value not in (OTHER, WRONG[1])])
def test_the_bytes_of_what_is_no_token_never_match(malformed: Any) -> None:
    raw = token_bytes(malformed)
    assert len(raw) == 16
    manager = TokenManager()
    manager.save("peer", TOKEN)
    assert manager.check_valid("peer", raw) is False


def test_no_repr_shows_a_token(tokens: TokenManager) -> None:
    tokens.hold("target", OTHER)
    shown = f"{tokens!r} {tokens!s} {tokens.peers()}"
    for token in (TOKEN, OTHER):
        raw = token_bytes(token)
        for form in (token, token.replace("-", ""), raw.hex(" "), repr(raw)[2:-1], str(int(raw.hex(), 16)), token[:8]):
            assert form not in shown
    assert "1 peers" in shown


def test_from_many_threads_at_once() -> None:
    """Whatever the others do meanwhile: a wrong token never passes, and a pair's right one is one of its two."""
    manager = TokenManager()
    names = [f"peer{number}" for number in range(4)]
    go = threading.Barrier(6)

    def change(name: str) -> None:
        go.wait()
        for _ in range(400):
            manager.save(name, TOKEN)
            assert manager.check_valid(name, TOKEN)
            manager.hold(name, OTHER)
            assert manager.held(name) == OTHER
            manager.save(name, OTHER)
            assert not manager.check_valid(name, TOKEN)
            manager.forget(name)
            assert not manager.check_valid(name, OTHER)
            assert manager.held_bytes(name) is None

    def attack() -> None:
        go.wait()
        for _ in range(400):
            for name in names:
                assert not manager.check_valid(name, "x" * 36)
                assert not manager.check_valid(name, bytes(16))
                assert manager.held(name) in {None, OTHER}
            assert set(manager.peers()) <= set(names)
            assert TOKEN not in repr(manager)

    workers = [*(Worker(change, name) for name in names), Worker(attack), Worker(attack)]
    for worker in workers:
        worker.result()
    assert manager.peers() == []
