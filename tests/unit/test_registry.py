"""The table of a module's life, and the registry of all modules."""

from __future__ import annotations

import difflib
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from logoscore.errors import ModuleNotLoadedError, StateError, UnknownModuleError
from logoscore.metadata import parse_metadata
from logoscore.plugins.spec import ModuleSpec
from logoscore.registry import (
    CRASHED,
    GAVE_UP,
    IDLE,
    KNOWN,
    LOADED,
    LOADING,
    RESTARTING,
    TRANSITIONS,
    UNLOADING,
    ModuleRecord,
    Registry,
)

STATES = (KNOWN, LOADING, LOADED, UNLOADING, CRASHED, RESTARTING, GAVE_UP)
HAPPENINGS = sorted({happening for _, happening in TRANSITIONS})
#: How to get there, from a new record.
WAYS = {
    KNOWN: (),
    LOADING: ("load",),
    LOADED: ("load", "ready"),
    UNLOADING: ("load", "ready", "unload"),
    CRASHED: ("load", "ready", "ended"),
    RESTARTING: ("load", "ready", "ended", "restart"),
    GAVE_UP: ("load", "ready", "ended", "give up"),
}


def spec(name: str, place: str = "here", **keys: Any) -> ModuleSpec:
    metadata = parse_metadata({"name": name, "version": "1.0.0"} | keys, name)
    return ModuleSpec(name, metadata, "directory", Path("/") / place / name)


def bring(record: ModuleRecord, state: str) -> ModuleRecord:
    for happening in WAYS[state]:
        record.advance(happening)
    assert record.state == state
    return record


def registry(**states: str) -> Registry:
    made = Registry()
    for name, state in states.items():
        bring(made.add(spec(name)), state)
    return made


# --- the table --------------------------------------------------------------------------------------------------------


def test_the_table_is_this() -> None:
    """Written out, so that no change of it goes unnoticed."""
    assert dict(TRANSITIONS) == {
        ("known", "load"): "loading",
        ("crashed", "load"): "loading",
        ("loading", "ready"): "loaded",
        ("loading", "failed"): "known",
        ("loaded", "unload"): "unloading",
        ("loaded", "ended"): "crashed",
        ("unloading", "ended"): "known",
        ("unloading", "refused"): "loaded",
        ("crashed", "restart"): "restarting",
        ("known", "restart"): "restarting",
        ("restarting", "load"): "loading",
        ("restarting", "unload"): "known",
        ("crashed", "give up"): "gave_up",
        ("known", "give up"): "gave_up",
        ("restarting", "give up"): "gave_up",
        ("gave_up", "load"): "loading",
        ("gave_up", "unload"): "known",
    }


def test_every_state_can_be_reached_and_left() -> None:
    assert set(TRANSITIONS.values()) == set(STATES)
    assert {state for state, _ in TRANSITIONS} == set(STATES)
    assert {bring(ModuleRecord(spec("m")), state).state for state in STATES} == set(STATES)


@pytest.mark.parametrize(("state", "happening"), list(product(STATES, [*HAPPENINGS, "nonsense", ""])))
def test_what_is_not_in_the_table_cannot_happen(state: str, happening: str) -> None:
    record = bring(ModuleRecord(spec("m")), state)
    expected = TRANSITIONS.get((state, happening))
    if expected is None:
        with pytest.raises(StateError, match=f"^m {record.standing}: "):
            record.advance(happening)
        assert record.state == state
    else:
        record.advance(happening)
        assert record.state == expected
    assert record.settled.is_set() is (record.state not in {LOADING, UNLOADING})


def test_no_repr_shows_the_token() -> None:
    record = ModuleRecord(spec("m"), token="6f1f6e3c-6a55-4c9b-9d2b-0d8f5a1b2c3d", pickled=b"pickled code")
    assert "6f1f6e3c" not in repr(record)
    assert "pickled code" not in repr(record)


# --- adding and finding -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
def test_another_module_of_the_name_replaces_one_without_a_process_only(state: str) -> None:
    modules = registry(m=state)
    record = modules.get("m")
    replacement = spec("m", "elsewhere")
    if state in IDLE:
        assert modules.add(replacement) is record
        assert record.spec is replacement
    else:
        with pytest.raises(StateError, match=r"'m' from /here/m is (being )?(un)?loaded already"):
            modules.add(replacement)
        assert record.spec.path == Path("/here/m")
        assert modules.add(spec("m")) is record  # the very same one
    assert record.state == state


@pytest.mark.parametrize("name", ["", "nobody", None, 5, ["m"], "x" * 10_000])
def test_an_unknown_name_is_an_error_that_says_what_is_known(name: Any) -> None:
    modules = registry(b=KNOWN, a=LOADED)
    for find in (modules.get, modules.loaded, modules.info):
        with pytest.raises(UnknownModuleError, match="known are: a, b") as caught:
            find(name)
        assert type(caught.value) is UnknownModuleError
        assert caught.value.module == (name if isinstance(name, str) else None)
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("chatt", "chat"),
        ("Chat", "chat"),
        ("code-search", "code_search"),
        ("chta", "chat"),
        ("code_serach", "code_search"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_one_that_was_meant(name: str, meant: str) -> None:
    modules = registry(chat=KNOWN, code_search=LOADED, core_manager=LOADED)
    with pytest.raises(UnknownModuleError, match=f"is known; did you mean '{meant}'\\?; known are: chat, "):
        modules.get(name)


@pytest.mark.parametrize("name", ["", "notes", "search", "c", None, 5, "chat" * 40])
def test_nothing_is_guessed_where_nothing_is_near(name: Any) -> None:
    modules = registry(chat=KNOWN, code_search=LOADED)
    with pytest.raises(UnknownModuleError) as caught:
        modules.get(name)
    assert "did you mean" not in str(caught.value)


def test_why_a_module_cannot_be_used_goes_before_a_guess() -> None:
    modules = registry(chat=KNOWN)
    modules.unusable = {"chatt": "its metadata.json is no JSON"}
    with pytest.raises(UnknownModuleError, match=r"cannot be used: its metadata\.json is no JSON; known are: chat;"):
        modules.get("chatt")


LOAD = r'; core\.load_plugin\("m"\) loads it'
WAIT = r"; client\.wait_ready\(\) waits for it"
NOT_LOADED = {
    KNOWN: f"is known, not loaded{LOAD}",
    LOADING: f"is not loaded: it is being loaded{WAIT}",
    UNLOADING: f"is not loaded: it is being unloaded{LOAD}",
    CRASHED: rf"is not loaded: it has crashed \(exit code 3\){LOAD}",
    RESTARTING: rf"is not loaded: it has crashed and waits for its restart \(exit code 3\){WAIT}",
    GAVE_UP: rf"is not loaded: it was given up after too many restarts \(exit code 3\){LOAD}",
}


@pytest.mark.parametrize("state", STATES)
def test_loaded_wants_a_loaded_one(state: str) -> None:
    modules = registry(m=state)
    modules.get("m").last_exit = "exit code 3"
    if state == LOADED:
        assert modules.loaded("m") is modules.get("m")
        return
    with pytest.raises(ModuleNotLoadedError, match=f"^module 'm' {NOT_LOADED[state]}$") as caught:
        modules.loaded("m")
    assert caught.value.module == "m"


def test_a_new_scan_forgets_what_vanished_and_has_no_process() -> None:
    modules = registry(known=KNOWN, kept=KNOWN, crashed=CRASHED, loading=LOADING, loaded=LOADED, unloading=UNLOADING)
    moved = spec("known", "elsewhere"), spec("loaded", "elsewhere")
    modules.replace_known({each.name: each for each in (*moved, spec("new"))}, {"kept"})
    assert modules.names() == ["kept", "known", "loaded", "loading", "new", "unloading"]
    assert modules.get("known").spec.path == Path("/elsewhere/known")
    assert modules.get("loaded").spec.path == Path("/here/loaded")


def test_names_are_sorted_and_selected_by_state() -> None:
    modules = registry(c=LOADED, a=KNOWN, b=LOADED)
    assert modules.names() == ["a", "b", "c"]
    assert modules.names(LOADED) == ["b", "c"]
    assert modules.names(CRASHED, KNOWN) == ["a"]
    assert [record.name for record in modules.records(LOADED)] == ["b", "c"]
    assert sorted(modules.metadata()) == ["a", "b", "c"]


def test_dependents_are_those_with_a_process() -> None:
    modules = Registry()
    modules.add(spec("base"))
    for state in STATES:
        bring(modules.add(spec(f"needs_{state}", dependencies=["base>=1"])), state)
    bring(modules.add(spec("indirect", dependencies=["needs_loaded"])), LOADED)
    assert modules.dependents("base") == ["needs_loaded", "needs_loading"]
    assert modules.dependents("nobody") == []
    assert modules.info("base").dependents == ["needs_loaded", "needs_loading"]
    assert modules.info("indirect").dependencies == ["needs_loaded"]


def test_a_capability_is_provided_by_a_loaded_module_before_others_then_by_name() -> None:
    modules = Registry()
    for name, state in (("b", KNOWN), ("a", CRASHED), ("z", LOADED), ("y", LOADING)):
        bring(modules.add(spec(name, capabilities=["storage"])), state)
    assert modules.provider_of("storage") == "y"
    modules.get("y").advance("failed")
    assert modules.provider_of("storage") == "z"
    modules.get("z").advance("ended")
    assert modules.provider_of("storage") == "a"
    assert modules.provider_of("nothing") is None


def test_info_is_a_picture_of_the_moment() -> None:
    modules = registry(m=LOADED)
    record = modules.get("m")
    record.pid, record.loaded_at, record.restarts = 7, 12.5, 2
    info = modules.info("m")
    record.advance("ended")
    record.pid = None
    assert (info.name, info.version, info.path, info.state) == ("m", "1.0.0", Path("/here/m"), LOADED)
    assert (info.pid, info.loaded_at, info.restarts, info.last_exit) == (7, 12.5, 2, None)
    assert (info.dependencies, info.dependents, info.capabilities) == ([], [], [])


# --- against a model ----------------------------------------------------------------------------------------------------


class RegistryMachine(RuleBasedStateMachine):
    """Modules come, live and vanish in any order; the model is a dict of states and places."""

    modules = Bundle("modules")

    @initialize()
    def make(self) -> None:
        self.registry = Registry()
        self.states: dict[str, str] = {}
        self.places: dict[str, str] = {}

    @rule(target=modules, name=st.sampled_from("abcde"))
    def name(self, name: str) -> str:
        return name

    @rule(name=modules, place=st.sampled_from(["here", "elsewhere"]))
    def add(self, name: str, place: str) -> None:
        if self.states.get(name, KNOWN) in IDLE:
            self.registry.add(spec(name, place))
            self.states.setdefault(name, KNOWN)
            self.places[name] = place
        elif self.places[name] == place:
            self.registry.add(spec(name, place))
        else:
            with pytest.raises(StateError):
                self.registry.add(spec(name, place))

    @rule(name=modules, happening=st.sampled_from(HAPPENINGS))
    def happen(self, name: str, happening: str) -> None:
        if name not in self.states:
            with pytest.raises(UnknownModuleError):
                self.registry.get(name)
            return
        after = TRANSITIONS.get((self.states[name], happening))
        if after is None:
            with pytest.raises(StateError):
                self.registry.get(name).advance(happening)
        else:
            self.registry.get(name).advance(happening)
            self.states[name] = after

    @rule(found=st.sets(st.sampled_from("abcde")), keep=st.sets(st.sampled_from("abcde")))
    def scan(self, found: set[str], keep: set[str]) -> None:
        self.registry.replace_known({name: spec(name, "elsewhere") for name in found}, keep)
        for name, state in list(self.states.items()):
            if name not in found | keep and state in IDLE - {RESTARTING}:
                del self.states[name], self.places[name]
        for name in found:
            if self.states.setdefault(name, KNOWN) in IDLE:
                self.places[name] = "elsewhere"

    @invariant()
    def it_is_as_the_model_says(self) -> None:
        if not hasattr(self, "registry"):
            return
        assert {record.name: record.state for record in self.registry.records()} == self.states
        for name, state in self.states.items():
            record = self.registry.get(name)
            assert record.spec.path == Path("/") / self.places[name] / name
            assert record.settled.is_set() is (state not in {LOADING, UNLOADING})
            assert record.left_restarting.is_set() is (state != RESTARTING)
            assert self.registry.info(name).state == state
        for state in STATES:
            assert self.registry.names(state) == sorted(name for name, each in self.states.items() if each == state)


RegistryMachine.TestCase.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)
TestRegistry = RegistryMachine.TestCase


def test_what_many_strangers_may_ask_for_costs_no_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are strangers' choice, and to compare two long ones takes time."""
    compared: list[tuple[str, list[str]]] = []

    def compare(word: str, known: Any, **_: Any) -> list[str]:
        compared.append((word, list(known)))
        return []

    monkeypatch.setattr(difflib, "get_close_matches", compare)
    registry = Registry()
    for number in range(100):
        registry.add(spec(f"{'ab' * (number % 30)}x{number}"))
    registry.unknown("y" * 20, guess=False)
    assert compared == []
    registry.unknown("ab" * 16)
    registry.unknown("ab" * 17)
    ((_, names),) = compared
    assert len(names) == 20
    assert max(map(len, names)) <= 32
