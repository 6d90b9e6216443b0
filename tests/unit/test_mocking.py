"""Mock mode: a module's class here, its calls answered by the test, as the real thing would look to it."""

from __future__ import annotations

from typing import Any

import pytest

from logoscore import LogosResult, PluginInterface, invokable
from logoscore.errors import (
    LogosError,
    RemoteError,
    SerializationError,
    StateError,
    UnknownMethodError,
    UnknownModuleError,
)
from logoscore.interface import Event
from logoscore.mocking import MockPlatform
from logoscore.testing import when


class Greeter(PluginInterface):
    def init_logos(self, api: Any) -> None:
        self.api = api
        self.storage = api.get_client("storage")
        self.heard: list[Event] = []
        api.on_event("storage", "changed", self.heard.append)

    @invokable
    def greet(self, key: str) -> str:
        name = self.storage.call("get", key)
        self.api.trigger("greeted", name)
        return f"Hello, {name}"


@pytest.fixture
def platform() -> Any:
    with MockPlatform() as entered:
        yield entered


# --- calls ------------------------------------------------------------------------------------------------------------


def test_a_module_is_tested_without_a_process(platform: MockPlatform) -> None:
    platform.when("storage", "get").then_return("Ada")
    greeter = platform.start(Greeter)
    assert (greeter.api.name, greeter.name) == ("greeter", "greeter")
    assert greeter.greet("name") == "Hello, Ada"
    assert platform.calls == [("storage", "get", ("name",))]
    assert [(each.module, each.name, each.data) for each in platform.events] == [("greeter", "greeted", ("Ada",))]


def test_a_module_has_its_api_before_init_logos(platform: MockPlatform) -> None:
    class Hasty(PluginInterface):
        def init_logos(self, api: Any) -> None:
            self.same = self.api is api

    assert platform.start(Hasty).same


def test_what_was_not_said_is_an_unknown_method(platform: MockPlatform) -> None:
    client = platform.api("app").get_client("storage")
    with pytest.raises(UnknownMethodError, match=r"storage\.put.*when\('storage', 'put'\)") as caught:
        client.call("put", 1)
    assert (caught.value.module, caught.value.method) == ("storage", "put")
    assert platform.calls == [("storage", "put", (1,))]


def test_the_last_word_counts(platform: MockPlatform) -> None:
    call = platform.api("app").get_client("m").call
    stub = platform.when("m", "f")
    assert call("f") is None
    assert stub.then_return(1) is stub
    assert call("f", "any", "arguments") == 1
    platform.when("m", "f").then_raise(KeyError("k")).then_call(lambda a, b: a + b)
    assert call("f", 2, 3) == 5
    assert platform.when("m", "f") is stub
    assert platform.when("m", "g") is not stub
    assert platform.when("n", "f") is not stub


@pytest.mark.parametrize("error", [UnknownModuleError("none", module="m"), StateError("now")], ids=repr)
def test_an_error_of_ours_is_raised_as_it_is(platform: MockPlatform, error: LogosError) -> None:
    platform.when("m", "f").then_raise(error)
    for _ in range(2):
        with pytest.raises(type(error)) as caught:
            platform.api("app").get_client("m").call("f")
        assert caught.value is error


def test_any_other_error_is_the_remote_error_that_a_caller_gets(platform: MockPlatform) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("from the function")

    client = platform.api("app").get_client("m")
    platform.when("m", "raises").then_raise(KeyError("k"))
    platform.when("m", "calls").then_call(fail)
    for method, text in (("raises", "KeyError: 'k'"), ("calls", "ValueError: from the function")):
        with pytest.raises(RemoteError) as caught:
            client.call(method)
        assert str(caught.value) == f"m.{method} raised {text}"
        assert (caught.value.module, caught.value.method) == ("m", method)
        assert text in str(caught.value.remote_traceback)
        assert caught.value.__cause__ is not None


def test_values_travel_as_they_would(platform: MockPlatform) -> None:
    """A copy arrives, tuples and sets stay what they are, and what cannot travel fails here too."""
    sent = {"list": [1, (2, 3)], "set": {4}}
    platform.when("m", "echo").then_call(lambda value: value)
    client = platform.api("app").get_client("m")
    back = client.call("echo", sent)
    assert back == sent
    assert back is not sent
    assert platform.calls[0][2][0] is not sent
    sent["list"].append("later")  # type: ignore[attr-defined]  # a list
    assert platform.calls == [("m", "echo", ({"list": [1, (2, 3)], "set": {4}},))]
    assert client.call("echo", LogosResult.ok(1)) == LogosResult.ok(1)
    for attempt in (lambda: client.call("echo", object()), lambda: client.submit("echo", object()).result()):
        with pytest.raises(SerializationError):
            attempt()
    platform.when("m", "strange").then_return(object())
    with pytest.raises(SerializationError):
        client.call("strange")


def test_submit_gives_a_settled_future(platform: MockPlatform) -> None:
    platform.when("m", "f").then_return(1)
    platform.when("m", "g").then_raise(KeyError("k"))
    client = platform.api("app").get_client("m")
    assert client.submit("f", timeout=1.0).result(0) == 1
    assert isinstance(client.submit("g").exception(0), RemoteError)
    assert isinstance(client.submit("h").exception(0), UnknownMethodError)


def test_submit_can_be_awaited_like_the_real_one(platform: MockPlatform) -> None:
    import asyncio

    platform.when("m", "f").then_return(1)

    async def main() -> Any:
        return await platform.api("app").get_client("m").submit("f")

    assert asyncio.run(main()) == 1


# --- events -----------------------------------------------------------------------------------------------------------


def test_events_reach_those_who_listen_for_them(platform: MockPlatform) -> None:
    greeter = platform.start(Greeter)
    everything: list[Event] = []
    platform.api("app").get_client("storage").on_event(None, everything.append)
    platform.emit("storage", "changed", "a", [1])
    platform.emit("storage", "other")
    platform.emit("elsewhere", "changed")
    assert [(each.name, each.data) for each in greeter.heard] == [("changed", ("a", [1]))]
    assert [each.name for each in everything] == ["changed", "other"]
    assert [(each.module, each.name) for each in platform.events] == [
        ("storage", "changed"), ("storage", "other"), ("elsewhere", "changed"),
    ]  # fmt: skip


def test_event_data_travels(platform: MockPlatform) -> None:
    data = [1]
    platform.api("m").trigger("e", data)
    data.append(2)
    assert platform.events[0].data == ([1],)
    with pytest.raises(SerializationError):
        platform.api("m").trigger("e", object())


def test_each_publisher_counts_its_own_events(platform: MockPlatform) -> None:
    for module in ("a", "b", "a", "a", "b"):
        platform.emit(module, "tick")
    assert [(each.module, each.sequence) for each in platform.events] == [
        ("a", 1),
        ("b", 1),
        ("a", 2),
        ("a", 3),
        ("b", 2),
    ]


@pytest.mark.parametrize("name", ["", None, 5, b"e"])
def test_an_events_name_is_a_text_that_is_not_empty(platform: MockPlatform, name: Any) -> None:
    with pytest.raises(TypeError, match="name"):
        platform.api("m").trigger(name)


def test_listening_can_be_ended(platform: MockPlatform) -> None:
    heard: list[Event] = []
    listening = platform.api("app").on_event("m", "tick", heard.append)
    platform.emit("m", "tick")
    listening.cancel()
    platform.emit("m", "tick")
    assert len(heard) == 1


# --- like the real thing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["name", "metadata", "instance_id", "persistence_path", "include"])
def test_an_api_has_the_attributes_of_the_real_one(platform: MockPlatform, name: str) -> None:
    assert hasattr(platform.api("app"), name)


# --- on and off -------------------------------------------------------------------------------------------------------


def test_when_needs_mock_mode() -> None:
    with pytest.raises(StateError, match="logos_mock"):
        when("m", "f")
    with MockPlatform() as outer:
        when("m", "f").then_return("outer")
        with MockPlatform() as inner:
            assert MockPlatform.active() is inner
            when("m", "f").then_return("inner")
            assert inner.api("app").get_client("m").call("f") == "inner"
        assert MockPlatform.active() is outer
        assert outer.api("app").get_client("m").call("f") == "outer"
    with pytest.raises(StateError):
        MockPlatform.active()


def test_mock_mode_ends_with_an_error_too() -> None:
    with pytest.raises(KeyError), MockPlatform():
        raise KeyError
    with pytest.raises(StateError):
        MockPlatform.active()
