"""The access policy and the transports, as the C library's apps say them."""

from __future__ import annotations

import pytest

from logoscore import AccessRequest
from logoscore.json_policy import check_transports, parse_policy, refuse_all

POLICY = (
    '{"version": 1, "mode": "enforce", "later": 1, "restrictions": {"vault": {"allowedCallers": ["teller", "core"]}}}'
)


@pytest.mark.parametrize(
    ("requester", "target", "answer"),
    [
        ("teller", "vault", True), ("core", "vault", True), ("stranger", "vault", False), ("vault", "vault", None),
        ("stranger", "open", None), ("core", "open", None),
    ],
)  # fmt: skip
def test_a_restricted_target_lets_in_whom_it_lists(requester: str, target: str, answer: bool | None) -> None:
    decision = parse_policy(POLICY)(AccessRequest(requester, target))
    assert (decision if decision is None else bool(decision)) is answer
    assert answer is not False or requester in decision.reason  # type: ignore[union-attr]


def test_the_app_is_let_in_only_where_it_is_listed() -> None:
    decision = parse_policy('{"mode": "enforce", "restrictions": {"vault": {}}}')(AccessRequest("core", "vault"))
    assert decision is not None
    assert not decision


def test_another_mode_enforces_nothing() -> None:
    assert parse_policy(POLICY.replace("enforce", "observe"))(AccessRequest("stranger", "vault")) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "access policy: is not JSON"),
        ("[]", "the access policy: is a list"),
        ('{"version": 2}', "version: is 2; known is 1"),
        ('{"restrictions": []}', "restrictions: is a list, not an object"),
        ('{"restrictions": {"a": 1}}', r"restrictions\.a: is a number"),
        (
            '{"restrictions": {"a": {"allowedCallers": "b"}}}',
            r"restrictions\.a\.allowedCallers: is a string, not a list",
        ),
        ('{"restrictions": {"a": {"allowedCallers": [1]}}}', r"allowedCallers\[\]: is a number, not a string"),
        pytest.param("\udcff", "is not UTF-8", id="bytes"),
    ],
)
def test_what_is_wrong_is_named(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_policy(text)


def test_without_a_policy_that_can_be_read_nobody_gets_in() -> None:
    assert refuse_all(AccessRequest("a", "core_manager")) is None
    for requester in ("a", "core"):
        decision = refuse_all(AccessRequest(requester, "b"))
        assert decision is not None
        assert not decision


def test_transports() -> None:
    check_transports("calc", "[]")
    check_transports("calc", '[{"protocol": "local"}, {}]')
    with pytest.raises(ValueError, match=r"transports of calc\[1\]: there is no 'tcp'"):
        check_transports("calc", '[{"protocol": "local"}, {"protocol": "tcp", "port": 1}]')
    with pytest.raises(ValueError, match="transports of calc: is an object, not a list"):
        check_transports("calc", "{}")
