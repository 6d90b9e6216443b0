"""A Core from its start to its end, and what is left then: nothing."""

from __future__ import annotations

import tempfile
import threading
from concurrent.futures import CancelledError
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from helpers import Holdings, descendants, wait_until

from acceptance.support import MODULES, PING, write_module
from logoscore import Core, PluginInterface, invokable
from logoscore.errors import (
    ChannelClosedError,
    LogosError,
    ModuleCrashedError,
    ModuleLoadError,
    ModuleNotLoadedError,
    StateError,
)

BUILTINS = ["capability_module", "core_manager"]
INIT_RAISES = """
import sys
from logoscore import PluginInterface, invokable

class Module(PluginInterface):
    def init_logos(self, api):
        print("on its way up", file=sys.stderr, flush=True)
        raise RuntimeError("init exploded")

    @invokable
    def ping(self):
        return "never"
"""


def temporary_files() -> set[str]:
    return {entry.name for entry in Path(tempfile.gettempdir()).iterdir() if "logos" in entry.name}


def test_nothing_happens_before_the_start() -> None:
    before = Holdings.now()
    core = Core(plugins_dir=MODULES)
    assert before.left_behind() == []
    for use in (
        lambda: core.load_plugin("test_basic"),
        lambda: core.unload_plugin("test_basic"),
        lambda: core.reload_plugin("test_basic"),
        lambda: core.get_token("test_basic"),
        lambda: core.get_client("test_basic").call("return_int"),
    ):
        with pytest.raises(StateError, match="start"):
            use()
    core.cleanup()
    assert before.left_behind() == []


def test_nothing_is_left_after_cleanup() -> None:
    files = temporary_files()
    before = Holdings.now()
    core = Core(plugins_dir=MODULES)
    core.start()
    basic, events = core.load_plugin("test_basic"), core.load_plugin("events")
    core.load_plugin("d_top")
    subscription = events.subscribe()
    events.on_event("tick", print)
    assert basic.call("echo", b"x" * 5_000_000) == b"x" * 5_000_000
    pending = [basic.submit("echo", number) for number in range(10)]
    assert [each.result(timeout=15) for each in pending] == list(range(10))
    with pytest.raises(ModuleCrashedError):
        core.load_plugin("crash").call("crash_on_demand", "sigkill")
    core.cleanup()
    with suppress(ChannelClosedError):
        assert list(subscription) == []
    before.assert_nothing_left()
    assert temporary_files() <= files


def test_cleanup_while_calls_wait() -> None:
    before = Holdings.now()
    with Core(plugins_dir=MODULES, entry_points=False) as core:
        timing = core.load_plugin("async_timing")
        pending = [timing.submit("wait_for_ever", timeout=60) for _ in range(4)]
        wait_until(lambda: timing.call("counters").get("started") == 4, what="four waiting calls")
    for each in pending:
        with pytest.raises((LogosError, CancelledError)):
            each.result(timeout=15)
    before.assert_nothing_left()


def test_start_and_cleanup_may_be_repeated() -> None:
    core = Core(plugins_dir=MODULES, entry_points=False)
    core.start()
    core.start()
    assert core.load_plugin("test_basic").call("return_int") == 42
    core.start()
    assert core.get_loaded_plugins() == [*BUILTINS, "test_basic"]
    core.cleanup()
    core.cleanup()
    with pytest.raises(StateError):
        core.load_plugin("test_basic")


def test_client_of_a_core_that_is_gone() -> None:
    with Core(plugins_dir=MODULES, entry_points=False) as core:
        basic = core.load_plugin("test_basic")
    with pytest.raises(StateError):
        basic.call("return_int")


def test_two_cores_know_nothing_of_each_other(plugins: Path) -> None:
    write_module(plugins, "only_here")
    with Core(plugins_dir=plugins, entry_points=False) as one, Core(plugins_dir=MODULES, entry_points=False) as two:
        assert one.load_plugin("only_here").call("ping") == "only_here"
        assert two.load_plugin("test_basic").call("return_int") == 42
        assert "only_here" not in two.get_known_plugins()
        assert "test_basic" not in one.get_known_plugins()
        one.cleanup()
        assert two.get_client("test_basic").call("return_int") == 42


def test_lists_are_sorted_and_have_the_builtins(core: Core) -> None:
    assert core.get_loaded_plugins() == BUILTINS
    known = core.get_known_plugins()
    assert known == sorted(known)
    assert {*BUILTINS, "test_basic", "events", "results", "native", "needs_missing"} <= set(known)
    core.load_plugin("results")
    core.load_plugin("events")
    assert core.get_loaded_plugins() == [*BUILTINS, "events", "results"]


def test_load_returns_when_init_has_finished(core: Core) -> None:
    assert core.load_plugin("caller").call("from_init")[0] == 7


API_OF_ONES_OWN = """
from logoscore import PluginInterface, invokable

class Own(PluginInterface):
    def init_logos(self, api):
        self.kept = api

    @invokable
    def api(self):
        return self.kept.name

    ping = api
"""


def test_init_logos_need_not_keep_the_api(plugins: Path) -> None:
    write_module(
        plugins, "plain", PING.replace("    @invokable", "    def init_logos(self, _):\n        pass\n\n    @invokable")
    )
    write_module(plugins, "own", API_OF_ONES_OWN)
    with Core(plugins_dir=plugins, entry_points=False) as core:
        assert core.load_plugin("plain").call("ping") == "plain"
        own = core.load_plugin("own")  # its class has an api already, which is left alone
        assert [own.call("api"), own.call("ping")] == ["own", "own"]


def test_failed_init_is_reported_and_leaves_nothing(plugins: Path) -> None:
    write_module(plugins, "exploding", INIT_RAISES)
    write_module(plugins, "fine")
    with Core(plugins_dir=plugins, entry_points=False) as core:
        core.load_plugin("fine")
        before = len(descendants())
        with pytest.raises(ModuleLoadError) as caught:
            core.load_plugin("exploding")
        for word in ("exploding", "RuntimeError", "init exploded", "on its way up"):
            assert word in str(caught.value)
        assert caught.value.module == "exploding"
        assert caught.value.type_name == "RuntimeError"
        assert "init_logos" in str(caught.value.remote_traceback)
        assert "on its way up" in str(caught.value.stderr)
        assert core.get_loaded_plugins() == [*BUILTINS, "fine"]
        assert "exploding" in core.get_known_plugins()
        wait_until(lambda: len(descendants()) <= before, what="the end of its host")
        with pytest.raises(StateError, match="exploding"):
            core.get_client("exploding").call("ping")
        assert core.get_client("fine").call("ping") == "fine"


def test_mended_module_loads_after_a_failure(plugins: Path) -> None:
    folder = write_module(plugins, "mended", INIT_RAISES)
    with Core(plugins_dir=plugins, entry_points=False) as core:
        with pytest.raises(ModuleLoadError, match="init exploded"):
            core.load_plugin("mended")
        source = INIT_RAISES.replace('raise RuntimeError("init exploded")', "self.api = api")
        (folder / "mended.py").write_text(source, encoding="utf-8")
        assert core.load_plugin("mended").call("ping") == "never"


def test_reload_keeps_clients_and_runs_new_code(plugins: Path) -> None:
    source = INIT_RAISES.replace('raise RuntimeError("init exploded")', "self.api = api")
    folder = write_module(plugins, "edited", source)
    with Core(plugins_dir=plugins, entry_points=False) as core:
        client = core.load_plugin("edited")
        assert client.call("ping") == "never"
        (folder / "edited.py").write_text(source.replace('"never"', '"after the edit"'), encoding="utf-8")
        core.reload_plugin("edited")
        assert client.call("ping") == "after the edit"


def test_class_of_the_app_is_a_module(core: Core) -> None:
    factor = 3

    class WordCounter(PluginInterface):
        version = "2.1.0"

        @invokable
        def count(self, text: str) -> int:
            return factor * len(text.split())

        @invokable
        def host(self) -> int:
            import os

            return os.getpid()

    client = core.load_plugin(WordCounter)
    assert client.name == "word_counter"
    assert client.call("count", "a b c") == 9
    assert client.call("host") == core.get_plugin_info("word_counter").pid
    assert core.get_plugin_info("word_counter").version == "2.1.0"
    assert "word_counter" in core.get_loaded_plugins()
    core.unload_plugin("word_counter")
    assert "word_counter" not in core.get_loaded_plugins()


@pytest.mark.parametrize("wrong", [dict, object(), 5, None])
def test_what_is_no_module_cannot_be_loaded(core: Core, wrong: Any) -> None:
    with pytest.raises(TypeError):
        core.load_plugin(wrong)
    assert core.get_loaded_plugins() == BUILTINS


def test_core_works_from_any_thread(core: Core) -> None:
    answers: list[Any] = []

    def work() -> None:
        answers.append(core.load_plugin("test_basic").call("add_ints", 3, 4))
        core.unload_plugin("test_basic")
        answers.append(core.get_loaded_plugins())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [7, BUILTINS]


def test_after_a_reload_that_failed_calls_say_why(plugins: Path) -> None:
    folder = write_module(plugins, "ping")
    source = folder / "ping.py"
    good = source.read_text(encoding="utf-8")
    with Core(plugins_dir=plugins, entry_points=False) as core:
        client = core.load_plugin("ping")
        source.write_text("def broken(:", encoding="utf-8")
        with pytest.raises(ModuleLoadError):
            core.reload_plugin("ping")
        with pytest.raises(ModuleNotLoadedError, match=r"its last load failed: ModuleLoadError: .*SyntaxError"):
            client.call("ping")
        source.write_text(good, encoding="utf-8")
        core.load_plugin("ping")
        assert client.call("ping") == "ping"
        core.unload_plugin("ping")
        with pytest.raises(ModuleNotLoadedError) as caught:
            client.call("ping")
        assert "failed" not in str(caught.value)
