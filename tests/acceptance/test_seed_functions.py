"""The seed's functions on the default Core, in the order of its C++ example; and its callback pair."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import wait_until

import logoscore
from acceptance.support import MODULES
from logoscore import Core
from logoscore.errors import StateError, UnknownModuleError


@pytest.fixture(autouse=True)
def _default_core_is_gone_afterwards() -> Iterator[None]:
    yield
    logoscore.cleanup()


def run_the_example() -> None:
    logoscore.initialize()
    logoscore.set_plugins_dir(MODULES)
    logoscore.start()
    assert logoscore.get_loaded_plugins() == ["capability_module", "core_manager"]
    assert {"test_basic", "events", "core_manager"} <= set(logoscore.get_known_plugins())

    logoscore.load_plugin("test_basic")
    assert "test_basic" in logoscore.get_loaded_plugins()
    assert uuid.UUID(logoscore.get_token("test_basic")).version == 4

    assert logoscore.LogosAPI("core").get_client("test_basic").call("add_ints", 3, 4) == 7

    seen: list[tuple[Any, ...]] = []
    logoscore.call_plugin_method_async("test_basic", "add_ints", [3, 4], lambda *args: seen.append(args))
    assert seen == [], "called back outside process_events()"
    pump_until(lambda: seen)
    assert "7" in str(seen[0])

    logoscore.unload_plugin("test_basic")
    assert "test_basic" not in logoscore.get_loaded_plugins()
    assert logoscore.process_plugin(MODULES / "d_base") == "d_base"
    logoscore.cleanup()


def pump_until(predicate: Any) -> None:
    def pumped() -> Any:
        logoscore.process_events()
        return predicate()

    wait_until(pumped, what="a callback")


def test_example_and_again_after_cleanup() -> None:
    run_the_example()
    run_the_example()


def test_the_apps_own_api_by_its_name() -> None:
    with pytest.raises(StateError, match="start"):
        logoscore.LogosAPI("core")
    logoscore.initialize()
    with pytest.raises(StateError, match="start"):
        logoscore.LogosAPI("core")
    logoscore.start()
    api = logoscore.LogosAPI("core")
    assert api.name == "core"
    assert api.get_client("core_manager") is logoscore.get_client("core_manager")
    with pytest.raises(StateError, match="init_logos"):
        logoscore.LogosAPI("test_basic")
    logoscore.cleanup()
    with pytest.raises(StateError):
        api.get_client("core_manager").call("getLoadedPlugins")


def test_the_app_may_keep_files_too(tmp_path: Path) -> None:
    with Core(entry_points=False, persistence_dir=tmp_path / "kept") as core:
        folder = core.api.persistence_path
        assert folder is not None
        assert (folder, folder.is_dir()) == (tmp_path / "kept" / "core", True)
    with Core(entry_points=False) as core:
        assert core.api.persistence_path is None


def test_all_that_a_core_does_with_modules_is_a_function_too() -> None:
    logoscore.initialize()
    logoscore.set_plugins_dir(MODULES)
    logoscore.start()
    client = logoscore.load_plugin("test_basic")
    assert logoscore.get_client("test_basic") is client
    assert logoscore.get_plugin_methods("test_basic") == client.methods()
    before = logoscore.get_plugin_info("test_basic").pid
    logoscore.reload_plugin("test_basic")
    assert logoscore.get_plugin_info("test_basic").pid != before
    assert "test_basic" in [stats["name"] for stats in logoscore.get_module_stats()]
    assert "test_basic" in logoscore.refresh_plugins()


def test_functions_need_a_started_core() -> None:
    logoscore.initialize()
    with pytest.raises(StateError, match="start"):
        logoscore.load_plugin("test_basic")
    logoscore.set_plugins_dir(MODULES)
    logoscore.start()
    with pytest.raises(StateError, match="start"):
        logoscore.set_plugins_dir(MODULES)
    with pytest.raises(UnknownModuleError, match="no_such_module"):
        logoscore.load_plugin("no_such_module")


def test_exec_blocks_until_quit() -> None:
    logoscore.initialize()
    logoscore.set_plugins_dir(MODULES)
    logoscore.start()
    logoscore.load_plugin("test_basic")
    threads: list[int] = []

    def callback(*args: Any) -> None:
        assert args
        threads.append(threading.get_ident())
        logoscore.quit()

    logoscore.call_plugin_method_async("test_basic", "return_int", [], callback)
    logoscore.exec()
    assert threads == [threading.get_ident()]


def test_callbacks_run_once_on_the_pumping_thread(core: Core) -> None:
    core.load_plugin("test_basic")
    seen: list[tuple[int, str]] = []

    def remember(number: int) -> Any:
        return lambda *args: seen.append((threading.get_ident(), f"{number} {args}"))

    for number in range(10):
        core.call_plugin_method_async("test_basic", "echo", [f"answer {number}"], remember(number))

    def pumped() -> bool:
        core.process_events()
        return len(seen) == 10

    wait_until(pumped, what="ten callbacks")
    core.get_client("test_basic").call("echo", "one more round")
    core.process_events()
    assert len(seen) == 10
    assert {ident for ident, _ in seen} == {threading.get_ident()}
    for number in range(10):
        assert [text for _, text in seen if text.startswith(f"{number} ") and f"answer {number}" in text] != []


@pytest.mark.parametrize(
    ("plugin", "method", "word"),
    [
        ("no_such_module", "x", "no_such_module"),
        ("d_base", "ping", "d_base"),
        ("test_basic", "no_such_method", "no_such_method"),
        ("test_basic", "helper", "helper"),
    ],
)
def test_failures_are_called_back_too(core: Core, plugin: str, method: str, word: str) -> None:
    core.load_plugin("test_basic")
    seen: list[tuple[Any, ...]] = []
    core.call_plugin_method_async(plugin, method, [], lambda *args: seen.append(args))

    def pumped() -> bool:
        core.process_events()
        return bool(seen)

    wait_until(pumped, what="the callback")
    assert len(seen) == 1
    assert word in " ".join(map(str, seen[0]))


def test_event_listener(core: Core) -> None:
    seen: list[tuple[int, str]] = []
    core.register_event_listener("events", "tick", lambda *args: seen.append((threading.get_ident(), str(args))))
    events = core.load_plugin("events")
    with events.subscribe("tick") as barrier:
        events.call("emit", "tick", "payload one")
        events.call("emit", "other", "payload other")
        events.call("emit", "tick", "payload two")
        assert [next(iter(barrier)).data[0] for _ in range(2)] == ["payload one", "payload two"]
    assert seen == [], "called back outside process_events()"

    def pumped() -> bool:
        core.process_events()
        return len(seen) == 2

    wait_until(pumped, what="two callbacks")
    assert {ident for ident, _ in seen} == {threading.get_ident()}
    assert "payload one" in seen[0][1]
    assert "payload two" in seen[1][1]


def test_process_events_without_anything_to_do(core: Core) -> None:
    core.process_events()
    core.process_events()
    assert core.load_plugin("test_basic").call("return_int") == 42


def test_exec_and_quit_of_a_core(core: Core) -> None:
    events = core.load_plugin("events")
    seen: list[str] = []

    def listener(*args: Any) -> None:
        seen.append(str(args))
        core.quit()

    core.register_event_listener("events", "tick", listener)
    trigger = threading.Thread(target=events.call, args=("emit", "tick", "wake up"))
    trigger.start()
    core.exec()
    trigger.join()
    assert len(seen) == 1
    assert "wake up" in seen[0]
