"""What a Core tells of its modules: methods, info, stats, tokens."""

from __future__ import annotations

import os
import uuid
from typing import Any

import pytest

from logoscore import Core, MethodInfo
from logoscore.errors import ModuleNotLoadedError, UnknownModuleError


@pytest.fixture(scope="module")
def methods(shared_core: Core) -> dict[str, MethodInfo]:
    for name in ("test_basic", "variants", "async_timing"):
        shared_core.load_plugin(name)
    return {
        f"{name}.{info.name}": info
        for name in ("test_basic", "variants", "async_timing")
        for info in shared_core.get_plugin_methods(name)
    }


def test_parameters(methods: dict[str, MethodInfo]) -> None:
    info = methods["test_basic.add_ints"]
    shown = [(each.name, each.type, each.required) for each in info.parameters]
    assert shown == [("a", "int", True), ("b", "int", True)]
    assert info.return_type == "int"
    assert info.doc == "Add two integers."
    assert info.is_async is False
    assert methods["test_basic.do_nothing"].parameters == []


def test_defaults(methods: dict[str, MethodInfo]) -> None:
    first, second, third = methods["variants.with_defaults"].parameters
    assert (first.required, first.default) == (True, None)
    assert (second.name, second.type, second.required, second.default) == ("second", "int", False, 2)
    assert (third.name, third.type, third.required, third.default) == ("third", "str", False, "three")
    assert [each.kind for each in methods["variants.with_rest"].parameters] == ["positional", "var_positional"]


def test_coroutines_and_generators(methods: dict[str, MethodInfo]) -> None:
    assert methods["async_timing.add"].is_async is True
    assert methods["async_timing.count_to"].is_stream is True
    assert methods["async_timing.async_count_to"].is_stream is True
    assert methods["async_timing.counters"].is_stream is False


def test_methods_of_what_is_not_there(shared_core: Core) -> None:
    with pytest.raises(UnknownModuleError, match="no_such_module") as caught:
        shared_core.get_plugin_methods("no_such_module")
    assert caught.type is UnknownModuleError
    with pytest.raises(ModuleNotLoadedError, match="d_top"):
        shared_core.get_plugin_methods("d_top")


def test_info_over_a_module_s_life(core: Core) -> None:
    info = core.get_plugin_info("index")
    assert (info.name, info.version, info.pid, info.loaded_at) == ("index", "1.4.0", None, None)
    assert list(info.capabilities) == ["search"]
    assert os.fspath(info.path).rstrip("/").endswith("index")
    unloaded = str(info.state)

    core.load_plugin("index")
    info = core.get_plugin_info("index")
    assert isinstance(info.pid, int)
    assert info.pid != os.getpid()
    assert info.loaded_at is not None
    assert info.restarts == 0
    assert str(info.state) != unloaded

    core.unload_plugin("index")
    info = core.get_plugin_info("index")
    assert info.pid is None
    with pytest.raises(UnknownModuleError, match="no_such_module"):
        core.get_plugin_info("no_such_module")


def test_stats(core: Core) -> None:
    client: Any = core.load_plugin("test_basic")
    core.load_plugin("events").call("emit_n", "tick", 5)
    for _ in range(20):
        client.call("return_int")
    stats = {each["name"]: each for each in core.get_module_stats()}
    assert {"test_basic", "events"} <= set(stats)
    for each in stats.values():
        assert {"cpu_percent", "cpu_time_seconds", "memory_mb", "calls", "events", "uptime_seconds"} <= set(each)
    basic = stats["test_basic"]
    assert basic["memory_mb"] > 1
    assert basic["cpu_time_seconds"] > 0
    assert basic["uptime_seconds"] >= 0
    assert basic["calls"] >= 20
    assert stats["events"]["events"] >= 5


def test_token(core: Core) -> None:
    core.load_plugin("test_basic")
    core.load_plugin("events")
    tokens = {core.get_token("test_basic"), core.get_token("events")}
    assert len(tokens) == 2
    assert {uuid.UUID(token).version for token in tokens} == {4}
    with pytest.raises(ModuleNotLoadedError, match="d_top"):
        core.get_token("d_top")
    with pytest.raises(UnknownModuleError, match="no_such_module"):
        core.get_token("no_such_module")


def test_what_a_module_knows_of_itself(core: Core) -> None:
    api = core.api
    assert api.name == "core"
    assert api.provider is not None
    assert api.get_client("test_basic") is api.get_client("test_basic")
    assert core.load_plugin("test_basic").call("return_string") == "test_basic"


def test_wait_ready(core: Core) -> None:
    client = core.get_client("test_basic")
    core.load_plugin("test_basic")
    client.wait_ready(10.0)
    assert client.call("return_int") == 42
