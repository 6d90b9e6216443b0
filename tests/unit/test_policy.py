"""Who may reach whom by default; one row per rule, and what would have to be denied by each."""

from __future__ import annotations

from typing import Any

import pytest

from logoscore.metadata import Metadata, parse_metadata
from logoscore.policy import AccessRequest, Decision, decide, default_policy


def module(name: str, **keys: Any) -> Metadata:
    return parse_metadata({"name": name, "version": "1.0.0"} | keys, name)


def request(requester: Metadata, target: Metadata, requested: str | None = None) -> AccessRequest:
    return AccessRequest(requester.name, target.name, requester, target, requested or target.name)


BUILT_INS = ["core", "core_manager", "capability_module"]


@pytest.mark.parametrize(
    ("requester", "target", "allowed"),
    [
        (module("a"), module("a"), True),
        (module("a"), module("b"), False),
        (module("a", dependencies=["b>=1"]), module("b"), True),
        (module("a", calls=["b"]), module("b"), True),
        (module("a", dependencies=["b"], calls=["c"]), module("d"), False),
        # It is the requester's list that counts.
        (module("a"), module("b", dependencies=["a"], calls=["a"]), False),
        (module("a", calls=["storage"]), module("b", capabilities=["storage"]), True),
        (module("a", dependencies=["storage"]), module("b", capabilities=["storage"]), True),
        (module("a", calls=["storage"]), module("b", capabilities=["storage2"]), False),
        # Providing is not asking.
        (module("a", capabilities=["b"]), module("b"), False),
        (module("a", capabilities=["storage"]), module("b", capabilities=["storage"]), False),
        (module("a", calls=["*"]), module("b"), False),
        (module("a", dependencies=["b"]), module("bb"), False),
        (module("a", calls=["B"]), module("b"), False),
    ],
)
def test_modules(requester: Metadata, target: Metadata, allowed: bool) -> None:
    assert default_policy(request(requester, target)) is allowed


def test_asking_for_a_capability() -> None:
    target = module("files", capabilities=["storage", "backup"])
    assert default_policy(request(module("a", calls=["storage"]), target, "storage"))
    assert default_policy(request(module("a", calls=["files"]), target, "backup"))
    assert not default_policy(request(module("a", calls=["network"]), target, "storage"))


@pytest.mark.parametrize("built_in", BUILT_INS)
def test_built_ins_reach_and_are_reached(built_in: str) -> None:
    assert default_policy(AccessRequest(built_in, "a", None, module("a"), "a"))
    assert default_policy(AccessRequest("a", built_in, module("a"), None, built_in))
    assert default_policy(AccessRequest("a", built_in))


def test_without_metadata_nothing_is_listed_and_nothing_provided() -> None:
    assert not default_policy(AccessRequest("a", "b"))
    assert not default_policy(AccessRequest("a", "b", None, module("b"), "b"))
    assert not default_policy(AccessRequest("a", "b", module("a", calls=["storage"]), None, "storage"))
    assert default_policy(AccessRequest("a", "a"))
    assert default_policy(AccessRequest("a", "b", module("a", calls=["b"]), None, "b"))


def test_a_star_is_a_name_like_any_other() -> None:
    assert default_policy(request(module("a", calls=["*"]), module("b", capabilities=["*"])))
    assert not default_policy(request(module("a", calls=["*"]), module("b", capabilities=["x"])))


def test_reasons_name_both_sides() -> None:
    denied = decide(request(module("a"), module("files", capabilities=["storage"]), "storage"))
    assert denied == Decision(
        False,
        "a lists neither files (asked for as 'storage') nor a capability of it in its 'dependencies' or 'calls'",
    )
    granted = decide(request(module("a", calls=["storage"]), module("files", capabilities=["storage"])))
    assert granted == Decision(True, "a lists the capability 'storage', which files provides")


def test_a_denial_is_false_in_a_condition() -> None:
    assert not Decision(False, "no")
    assert Decision(True, "yes")
