"""Load and unload order, version ranges, and errors that name the chain."""

from __future__ import annotations

from itertools import pairwise

import pytest

from logoscore.dependencies import load_order, satisfies, unload_order
from logoscore.errors import DependencyError, MetadataError, UnknownModuleError
from logoscore.metadata import Metadata, parse_metadata


def module(name: str, *dependencies: str, version: str = "1.0.0") -> Metadata:
    return parse_metadata({"name": name, "version": version, "dependencies": dependencies}, name)


def known(*modules: Metadata) -> dict[str, Metadata]:
    return {each.name: each for each in modules}


def refused(name: str, modules: dict[str, Metadata], loaded: set[str] | None = None) -> str:
    with pytest.raises(DependencyError) as caught:
        load_order(name, modules, loaded or set())
    assert type(caught.value) is DependencyError
    assert caught.value.module == name
    return str(caught.value)


# --- order ------------------------------------------------------------------------------------------------------------


def test_dependencies_come_first_in_the_order_in_which_they_are_listed() -> None:
    modules = known(module("a", "c", "b"), module("b"), module("c", "d"), module("d"), module("unrelated"))
    assert load_order("a", modules, set()) == ["d", "c", "b", "a"]


def test_a_diamond_is_loaded_once() -> None:
    modules = known(module("top", "left", "right"), module("left", "base"), module("right", "base"), module("base"))
    assert load_order("top", modules, set()) == ["base", "left", "right", "top"]


def test_what_is_loaded_is_left_out_with_what_it_needs() -> None:
    modules = known(module("top", "left", "right"), module("left", "base"), module("right", "base"), module("base"))
    assert load_order("top", modules, {"left", "base"}) == ["right", "top"]
    assert load_order("top", modules, {"left"}) == ["base", "right", "top"]
    assert load_order("top", modules, {"top", "left", "right", "base"}) == []


def test_a_loaded_module_that_vanished_from_the_known_ones_still_serves() -> None:
    assert load_order("a", known(module("a", "gone")), {"gone"}) == ["a"]
    assert refused("a", known(module("a", "gone>=1")), {"gone"}) == (
        "cannot load a: a needs gone>=1; gone is loaded, but its version is not known"
    )


def test_the_built_ins_are_always_there() -> None:
    modules = known(module("a", "core_manager", "capability_module>=1", "core"))
    assert load_order("a", modules, set()) == ["a"]
    assert load_order("core_manager", modules, set()) == []


def test_a_chain_of_5000_does_not_recurse() -> None:
    names = [f"m{index}" for index in range(5000)]
    modules = known(*(module(name, follower) for name, follower in pairwise(names)), module(names[-1]))
    assert load_order("m0", modules, set()) == names[::-1]
    dependents = {follower: [name] for name, follower in pairwise(names)}
    assert unload_order(names[-1], dependents) == names


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_unknown() -> None:
    with pytest.raises(UnknownModuleError) as caught:
        load_order("a", {}, set())
    assert (str(caught.value), caught.value.module) == ("no module named 'a' is known", "a")


def test_a_missing_dependency_names_the_chain() -> None:
    assert refused("a", known(module("a", "x", "b"), module("x"), module("b", "c>=2"))) == (
        "cannot load a: a needs b, which needs c>=2; c is not known: "
        "no plugins directory and no installed distribution has a usable module of that name"
    )


def test_a_missing_dependency_that_is_near_to_a_known_module() -> None:
    assert refused("a", known(module("a", "code_serach"), module("code_search"))).endswith(
        "has a usable module of that name (did you mean 'code_search'?)"
    )


def test_a_dependency_that_was_found_and_refused_says_why() -> None:
    why = MetadataError("b/metadata.json: is not JSON")
    with pytest.raises(DependencyError) as caught:
        load_order("a", known(module("a", "b"), module("bb")), set(), {"b": why}.get)
    assert str(caught.value) == "cannot load a: a needs b; b cannot be used: b/metadata.json: is not JSON"
    assert caught.value.__cause__ is why


def test_a_missing_dependency_at_the_end_of_a_long_chain_names_both_ends() -> None:
    names = [f"m{index}" for index in range(5000)]
    modules = known(*(module(name, follower) for name, follower in pairwise(names)))
    message = refused("m0", modules)
    assert message.startswith("cannot load m0: m0 needs m1, which needs m2")
    assert "which needs (4988 more), which needs m4994" in message
    assert "which needs m4999; m4999 is not known" in message
    assert len(message) < 500


def test_a_cycle_is_named() -> None:
    modules = known(module("a", "b"), module("b", "a"), module("entry", "x", "a"), module("x"))
    hint = " (a module that is only called, not needed first, belongs in 'calls')"
    assert refused("a", modules) == "cannot load a: dependencies form a cycle: a -> b -> a" + hint
    assert refused("entry", modules) == "cannot load entry: dependencies form a cycle: a -> b -> a" + hint


def test_a_module_that_needs_itself() -> None:
    modules = known(module("a", "a"), module("entry", "a"))
    assert refused("a", modules) == "cannot load a: a depends on itself, a cycle: a -> a"
    assert refused("entry", modules) == "cannot load entry: a depends on itself, a cycle: a -> a"


def test_a_version_out_of_range_names_who_needs_what_and_what_is_there() -> None:
    modules = known(module("app", "chat"), module("chat", "index>=1.2,<2"), module("index", version="2.1.0"))
    reason = "cannot load app: app needs chat, which needs index>=1.2,<2; the version of index that is there is 2.1.0"
    assert refused("app", modules) == reason
    assert refused("app", modules, {"index"}) == reason


def test_both_sides_of_a_diamond_have_their_range_checked() -> None:
    modules = known(
        module("top", "left", "right"),
        module("left", "base>=1"),
        module("right", "base>=2"),
        module("base", version="1.5.0"),
    )
    assert refused("top", modules) == (
        "cannot load top: top needs right, which needs base>=2; the version of base that is there is 1.5.0"
    )


def test_in_range() -> None:
    modules = known(module("chat", "index>=1.2,<2"), module("index", version="1.9.3"))
    assert load_order("chat", modules, set()) == ["index", "chat"]


# --- unload -----------------------------------------------------------------------------------------------------------


def test_dependents_are_unloaded_first() -> None:
    dependents = {"base": {"left", "right"}, "left": {"top"}, "right": {"top"}, "other": {"x"}}
    assert unload_order("base", dependents) == ["top", "left", "right", "base"]
    assert unload_order("left", dependents) == ["top", "left"]
    assert unload_order("top", dependents) == ["top"]


def test_unload_order_ends_on_a_cycle() -> None:
    assert unload_order("a", {"a": ["b"], "b": ["a"]}) == ["b", "a"]


# --- versions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "specifier", "expected"),
    [
        ("anything", "", True),
        ("1.2.0", ">=1.2,<2", True),
        ("2.0.0", ">=1.2,<2", False),
        ("1.10.0", ">=1.9", True),
        ("1.0", "==1.0.0", True),
        ("1.4.9", "~=1.4.2", True),
        ("1.5.0", "~=1.4.2", False),
        ("1.3.0-beta.1", ">=1.2", True),
        ("1.2.0-rc.1", ">=1.2", False),
        ("2.0.0-rc.1", "<2", False),
        ("1.0.0+build.5", "==1.0.0", True),
        ("1.0.0+a--b", "==1.0.0", True),
        # In PEP 440 this one is later than 1.0.0, in semver it is earlier; metadata has semantic versions.
        ("1.0.0-1", ">=1.0.0", False),
        ("1.0.0-x.7.z.92", ">=1.0.0", False),
        ("1.0.0-x.7.z.92", ">=0.9", True),
        ("1.0.post1", ">1.0", False),
        ("1.0.post1", ">=1.0", True),
    ],
)
def test_satisfies(version: str, specifier: str, expected: bool) -> None:
    assert satisfies(version, specifier) is expected


@pytest.mark.parametrize(("version", "specifier"), [("latest", ">=1"), ("1.0.0", "^1")])
def test_what_is_no_version_or_range_is_a_value_error(version: str, specifier: str) -> None:
    with pytest.raises(ValueError, match=r"[Ii]nvalid"):
        satisfies(version, specifier)
