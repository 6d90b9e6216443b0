"""The platform itself in a host that has nothing left: what it cannot do is said, and works again once there is room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from acceptance.support import write_module
from helpers import wait_until

from faults.greedy import ENOUGH, MIB, RunGreedy
from logoscore.errors import RemoteError

ASKER = """
from logoscore import PluginInterface, invokable

class Asker(PluginInterface):
    @invokable
    def ask(self, method: str, *args):
        return self.api.get_client("greedy").call(method, *args, timeout=20.0)

    @invokable
    def ask_later(self, method: str, *args):
        return self.api.get_client("greedy").submit(method, *args, timeout=20.0).result(timeout=20)

    @invokable
    def listen(self):
        with self.api.get_client("greedy").subscribe("said") as events:
            return events.get(timeout=20.0).data[0]
"""

TAKERS = [
    ("take_descriptors", {"open_files": 50}, "open_files is 50"),
    ("take_addresses", {"address_space": ENOUGH}, "address_space is"),
]
WAYS = [("ask", ["echo", 1]), ("ask_later", ["echo", 1]), ("listen", [])]


@pytest.mark.parametrize(("way", "args"), WAYS, ids=[way for way, _ in WAYS])
@pytest.mark.parametrize(("take", "limits", "words"), TAKERS, ids=[each[0] for each in TAKERS])
def test_a_caller_whose_channel_cannot_be_opened_is_told_by_what(
    run_greedy: RunGreedy, plugins: Path, take: str, limits: dict[str, int], words: str, way: str, args: list[Any]
) -> None:
    core, greedy = run_greedy(**limits)
    write_module(plugins, "asker", ASKER, calls=["greedy"])
    core.refresh_plugins()
    asker = core.load_plugin("asker")
    pid = core.get_plugin_info("greedy").pid
    greedy.call(take, 0)
    for _ in range(3):
        with pytest.raises(RemoteError, match=words) as caught:
            asker.call(way, *args, timeout=30)
        assert "greedy" in str(caught.value)
    assert greedy.call("echo", 2) == 2, "who has a channel goes on"
    greedy.call("give_back")
    pending = asker.submit(way, *args)
    wait_until(lambda: greedy.call("say", 1) or pending.done(), what="the answer")
    assert pending.result(timeout=15) == 1
    assert core.get_plugin_info("greedy").pid == pid


@pytest.mark.parametrize("way", ["ask", "ask_later", "listen", "coroutine"])
def test_a_module_without_descriptors_is_told_what_it_lacks(run_greedy: RunGreedy, way: str) -> None:
    core, greedy = run_greedy(open_files=50)
    pid = core.get_plugin_info("greedy").pid
    before = greedy.call("descriptors"), greedy.call("mappings")
    greedy.call("take_descriptors", 0)
    for _ in range(3):
        with pytest.raises(RemoteError, match="open_files is 50"):
            greedy.call(way, timeout=30)
    greedy.call("give_back")
    assert (greedy.call("descriptors"), greedy.call("mappings")) == before, "what failed has left nothing"
    assert greedy.call(way) == "neighbour"
    assert core.get_plugin_info("greedy").pid == pid


ROOM = 4 * MIB
"""Enough for channels and objects, too little for the stack of a thread."""


@pytest.mark.parametrize("way", ["ask_later", "listen", "call_back", "coroutine"])
def test_a_thread_that_cannot_be_started_is_named(run_greedy: RunGreedy, way: str) -> None:
    core, greedy = run_greedy(address_space=ENOUGH)
    pid = core.get_plugin_info("greedy").pid
    if way == "ask_later":
        assert greedy.call("ask") == "neighbour"
    mappings = greedy.call("mappings")
    greedy.call("take_addresses", ROOM)
    for _ in range(3):
        with pytest.raises(RemoteError, match=r"can't start new thread.*limit address_space is"):
            greedy.call(way, timeout=30)
    assert greedy.call("mappings") == mappings
    greedy.call("give_back")
    assert greedy.call(way) == "neighbour"
    assert core.get_plugin_info("greedy").pid == pid


def test_a_caller_for_whom_no_thread_can_be_started_is_told(run_greedy: RunGreedy, plugins: Path) -> None:
    core, greedy = run_greedy(address_space=ENOUGH)
    write_module(plugins, "asker", ASKER, calls=["greedy"])
    core.refresh_plugins()
    asker = core.load_plugin("asker")
    mappings = greedy.call("mappings")
    greedy.call("take_addresses", ROOM)
    for _ in range(3):
        with pytest.raises(RemoteError, match=r"greedy.*can't start new thread.*limit address_space is"):
            asker.call("ask", "echo", 1, timeout=30)
    assert greedy.call("mappings") == mappings
    greedy.call("give_back")
    assert asker.call("ask", "echo", 1) == 1


def test_calls_wait_where_there_is_no_thread_to_run_them_beside_others(run_greedy: RunGreedy, tmp_path: Path) -> None:
    _core, greedy = run_greedy(address_space=ENOUGH)
    greedy.call("take_addresses", ROOM)
    calls = [greedy.submit("wait_for", str(tmp_path / "go")) for _ in range(6)]
    (tmp_path / "go").touch()
    assert [each.result(timeout=20) for each in calls] == ["there"] * 6
    greedy.call("give_back")
    later = [greedy.submit("wait_for", str(tmp_path / "again")) for _ in range(3)]
    assert greedy.call("echo", 1) == 1, "three wait, and there is a fourth turn"
    (tmp_path / "again").touch()
    assert [each.result(timeout=20) for each in later] == ["there"] * 3


@pytest.mark.parametrize(("take", "limits", "words"), TAKERS, ids=[each[0] for each in TAKERS])
def test_a_module_that_has_used_up_everything_is_unloaded_in_order(
    run_greedy: RunGreedy, take: str, limits: dict[str, int], words: str
) -> None:
    core, greedy = run_greedy(**limits)
    assert greedy.call("ask") == "neighbour"
    greedy.call(take, 0)
    core.unload_plugin("greedy")
    assert core.get_plugin_info("greedy").last_exit == "exit code 0"
