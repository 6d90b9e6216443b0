"""Calls between modules: from every place that code can be at, in chains and in circles."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import wait_until

from acceptance.support import raises_remotely
from logoscore import Core

CHAIN = ["chain_a", "chain_b", "chain_c", "chain_d", "chain_e"]


@pytest.fixture(scope="module")
def caller(shared_core: Core) -> Any:
    return shared_core.load_plugin("caller")


@pytest.mark.parametrize(
    ("method", "args", "expected"),
    [
        ("do_nothing", [], None),
        ("do_nothing_with_args", [1, 2, 3], None),
        ("return_true", [], True),
        ("return_false", [], False),
        ("is_positive", [5], True),
        ("is_positive", [0], False),
        ("is_positive", [-3], False),
        ("return_int", [], 42),
        ("add_ints", [3, 4], 7),
        ("add_ints", [-5, 10], 5),
        ("string_length", ["hello"], 5),
        ("return_string", [], "test_basic"),
        ("echo", [{"k": (1, b"\0")}], {"k": (1, b"\0")}),
        ("concat", ["a", "b"], "ab"),
        ("caller_name", [], "caller"),
    ],
)
def test_every_basic_method_through_a_module(caller: Any, method: str, args: list[Any], expected: Any) -> None:
    assert caller.call("call_basic", method, args) == expected


def test_wrong_call_inside_a_module(caller: Any) -> None:
    with raises_remotely("InvalidArgumentsError") as caught:
        caller.call("call_basic", "string_length", [])
    assert "string_length" in str(caught.value)
    with raises_remotely("UnknownMethodError"):
        caller.call("call_basic", "no_such_method", [])
    assert caller.call("call_basic", "return_int", []) == 42


def test_from_init_logos(caller: Any) -> None:
    assert caller.call("from_init") == [7, ["chain_d", "chain_e"]]


def test_from_a_thread_that_init_logos_started(caller: Any) -> None:
    assert caller.call("from_own_thread") == ["from a thread"]


def test_from_threads_inside_a_call(caller: Any) -> None:
    assert caller.call("from_threads", 12) == [2 * number for number in range(12)]


def test_from_inside_an_event_callback(shared_core: Core, caller: Any) -> None:
    events = shared_core.load_plugin("events")
    before = len(caller.call("from_callback"))
    events.call("emit_n", "tick", 5)
    wait_until(lambda: len(caller.call("from_callback")) == before + 5, what="five callbacks")
    assert caller.call("from_callback")[before:] == [100, 101, 102, 103, 104]


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_module_calls_itself(caller: Any, depth: int) -> None:
    assert caller.call("call_myself", depth) == ["core"] + ["caller"] * depth


@pytest.mark.parametrize("start", [0, 3])
def test_chain(shared_core: Core, start: int) -> None:
    links = CHAIN[start:]
    first = shared_core.load_plugin(links[0])
    assert first.call("walk", links[1:]) == links
    assert set(links) <= set(shared_core.get_loaded_plugins())


def test_chain_breaks_at_a_link_that_is_not_allowed(shared_core: Core) -> None:
    first = shared_core.load_plugin("chain_a")
    with raises_remotely("PermissionDeniedError") as caught:
        first.call("walk", ["chain_c"])
    assert "chain_a" in str(caught.value)
    assert "chain_c" in str(caught.value)


def test_error_at_the_end_of_a_chain_names_the_way(shared_core: Core) -> None:
    first = shared_core.load_plugin("chain_a")
    with raises_remotely("RemoteError") as caught:
        first.call("walk", ["chain_b", "chain_c", "chain_a"])
    assert "PermissionDeniedError" in str(caught.value)
    assert caught.value.module == "chain_a"


@pytest.mark.parametrize("times", [1, 2, 7])
def test_there_and_back_between_two_modules(shared_core: Core, times: int) -> None:
    ping = shared_core.load_plugin("ping")
    shared_core.load_plugin("pong")
    assert ping.call("bounce", times) == [("ping", "pong")[number % 2] for number in range(times + 1)]


def test_there_and_back_from_both_ends_at_once(shared_core: Core) -> None:
    ping, pong = shared_core.load_plugin("ping"), shared_core.load_plugin("pong")
    pending = [client.submit("bounce", 4) for _ in range(10) for client in (ping, pong)]
    for number, each in enumerate(pending):
        names = ("ping", "pong") if number % 2 == 0 else ("pong", "ping")
        assert each.result(timeout=20) == [names[hop % 2] for hop in range(5)]


def test_module_calls_what_is_not_loaded(core: Core) -> None:
    ping = core.load_plugin("ping")
    with raises_remotely("ModuleNotLoadedError") as caught:
        ping.call("bounce", 1)
    assert "pong" in str(caught.value)
    core.load_plugin("pong")
    assert ping.call("bounce", 1) == ["ping", "pong"]
