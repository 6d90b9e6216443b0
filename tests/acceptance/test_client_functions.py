"""What the C library asks of ``logoscore.functions`` beyond the seed's list, on real modules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import wait_until

from acceptance.support import MODULES, write_module
from logoscore import functions
from logoscore.errors import StateError

KEEPER = """
from pathlib import Path
from logoscore import PluginInterface, invokable

class Keeper(PluginInterface):
    @invokable
    def keep(self, text: str) -> str:
        file = Path(self.api.persistence_path) / "kept"
        file.write_text(text)
        return str(file)
"""


@pytest.fixture(autouse=True)
def _default_core_is_gone_afterwards() -> Iterator[None]:
    yield
    functions.cleanup()


def told(ask: Any) -> tuple[int, str]:
    """What the callback given to ``ask`` is told."""
    seen: list[tuple[int, str]] = []
    ask(lambda *answer: seen.append(answer))

    def pumped() -> bool:
        functions.process_events()
        return bool(seen)

    wait_until(pumped, what="a callback")
    assert len(seen) == 1
    return seen[0]


def call(plugin: str, method: str, params: Any = None) -> tuple[int, str]:
    return told(lambda callback: functions.call_plugin_method_async(plugin, method, params, callback))


def policy(**callers: list[str]) -> str:
    restrictions = {target: {"allowedCallers": names} for target, names in callers.items()}
    return json.dumps({"version": 1, "mode": "enforce", "restrictions": restrictions})


def test_an_access_policy_in_json_is_enforced() -> None:
    functions.initialize(str(MODULES))
    functions.set_access_policy(policy(test_basic=["caller"], events=["core"]))
    functions.start()
    for name in ("test_basic", "events", "coercion"):
        functions.load_plugin(name)
    assert call("test_basic", "return_int") == (0, "Failed to connect to plugin: test_basic")
    assert call("events", "emit", ["tick", 1])[0] == 1
    assert "Failed to connect" not in call("coercion", "no_such_method")[1]
    with pytest.raises(StateError, match="start"):
        functions.set_access_policy(None)


def test_a_policy_that_cannot_be_read_lets_nobody_in_until_it_is_replaced() -> None:
    functions.initialize(str(MODULES))
    with pytest.raises(ValueError, match="access policy"):
        functions.set_access_policy("{")
    functions.start()
    functions.load_plugin("test_basic")
    assert call("test_basic", "return_int") == (0, "Failed to connect to plugin: test_basic")
    functions.cleanup()

    functions.initialize(str(MODULES))
    with pytest.raises(ValueError, match="access policy"):
        functions.set_access_policy("{")
    functions.set_access_policy("")
    functions.start()
    functions.load_plugin("test_basic")
    assert call("test_basic", "return_int") == (1, "Method call successful. Result: 42")


def test_modules_keep_files_below_the_persistence_directory(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    write_module(plugins, "keeper", KEEPER)
    functions.initialize(str(plugins))
    functions.set_persistence_dir(str(tmp_path / "kept"))
    functions.start()
    functions.load_plugin("keeper")
    result, text = call("keeper", "keep", ["words"])
    file = Path(text.partition("Result: ")[2])
    assert result == 1
    assert file.read_text(encoding="utf-8") == "words"
    assert file.is_relative_to(tmp_path / "kept")
    with pytest.raises(StateError, match="start"):
        functions.set_persistence_dir(str(tmp_path))


def test_who_depends_on_whom() -> None:
    functions.initialize(str(MODULES))
    functions.start()
    assert functions.get_plugin_dependencies("d_top") == ["d_left", "d_right"]
    assert functions.get_plugin_dependencies("d_top", True) == ["d_base", "d_left", "d_right"]
    assert functions.get_plugin_dependents("d_base") == ["d_left", "d_right"]
    assert functions.get_plugin_dependents("d_base", True) == ["d_left", "d_right", "d_top"]
    assert functions.get_plugin_dependencies("cycle_a", True) == ["cycle_b"]
    assert functions.get_plugin_dependents("no_such_module", True) == []
    infos = {info["name"]: info for info in functions.get_plugins_info()}
    assert infos["d_base"]["dependents"] == ["d_left", "d_right"]
    assert (infos["d_base"]["loaded"], infos["d_base"]["loaded_at"], infos["core_manager"]["loaded"]) == (
        False,
        0,
        True,
    )
    json.dumps(list(infos.values()))


def test_loading_in_the_background() -> None:
    functions.initialize(str(MODULES))
    functions.start()
    assert told(lambda callback: functions.load_plugin_async("test_basic", callback)) == (
        1,
        "Plugin 'test_basic' loaded successfully",
    )
    assert call("test_basic", "return_int") == (1, "Method call successful. Result: 42")
    result, text = told(lambda callback: functions.load_plugin_async("needs_missing", callback))
    assert result == 0
    assert text.startswith("Failed to load plugin 'needs_missing': ")


def test_cleared_listeners_hear_nothing_more() -> None:
    functions.initialize(str(MODULES))
    functions.start()
    functions.load_plugin("events")
    heard: list[str] = []
    functions.register_event_listener("events", "tick", lambda _, text: heard.append(text))
    assert call("events", "emit", ["tick", "one"])[0] == 1
    wait_until(lambda: (functions.process_events(), heard)[1], what="an event")
    functions.clear_event_listeners()
    assert call("events", "emit", ["tick", "two"])[0] == 1
    assert call("events", "emit", ["tick", "three"])[0] == 1
    assert heard == ['{"event":"tick","data":["one"]}']
