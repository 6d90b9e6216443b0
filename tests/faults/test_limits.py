"""Limits of metadata and app are in force; a module that reaches one is stopped, its limit named, and nobody else notices."""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from acceptance.support import write_module
from helpers import wait_until

from faults.greedy import ENOUGH, GREEDY, MIB, RunGreedy
from logoscore import Core, LogosAPIClient
from logoscore.errors import ModuleCrashedError, ModuleLoadError, RemoteError

# --- what is in force -----------------------------------------------------------------------------------------------


def test_what_is_not_limited_is_as_in_the_app(run_greedy: RunGreedy) -> None:
    core, greedy = run_greedy()
    mine = [resource.getrlimit(getattr(resource, f"RLIMIT_{name}")) for name in ("AS", "CPU", "NOFILE", "CORE")]
    assert [tuple(each) for each in greedy.call("limits")] == mine
    assert set(greedy.call("niceness")) == {os.getpriority(os.PRIO_PROCESS, 0)}
    assert core.get_plugin_info("greedy").limits == {}


def test_the_metadatas_limits_are_in_force(run_greedy: RunGreedy) -> None:
    core, greedy = run_greedy(address_space=ENOUGH, cpu_time=100, open_files=50, core_size=0, hang_timeout=60.5)
    assert greedy.call("limits") == [[ENOUGH, ENOUGH], [100, 102], [50, 50], [0, 0]]
    info = core.get_plugin_info("greedy")
    assert info.limits == {
        "address_space": ENOUGH, "cpu_time": 100, "open_files": 50, "core_size": 0, "hang_timeout": 60.5
    }  # fmt: skip
    assert core.get_plugin_info("neighbour").limits == {}
    assert core.get_plugin_info("capability_module").limits == {}


def test_the_apps_limits_go_before_the_metadatas(plugins: Path) -> None:
    write_module(plugins, "greedy", GREEDY, limits={"open_files": 70, "cpu_time": 90, "core_size": 0})
    write_module(plugins, "other", GREEDY)
    limits = {"greedy": {"cpu_time": 10}, "*": {"cpu_time": 20, "open_files": 60}}
    with Core(plugins_dir=plugins, entry_points=False, limits=limits) as core:
        assert core.get_plugin_info("greedy").limits == {"cpu_time": 10, "open_files": 60, "core_size": 0}
        assert core.load_plugin("greedy").call("limits")[1:] == [[10, 12], [60, 60], [0, 0]]
        assert core.load_plugin("other").call("limits")[1:3] == [[20, 22], [60, 60]]
        assert core.get_plugin_info("capability_module").limits == {}


def test_a_class_of_the_app_may_have_limits_too() -> None:
    from logoscore import PluginInterface, invokable

    class Modest(PluginInterface):
        metadata = {"limits": {"cpu_time": 50}}  # noqa: RUF012 - as users write it

        @invokable
        def files(self) -> int:
            import resource

            return resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    with Core(entry_points=False, limits={"modest": {"open_files": 40}}) as core:
        assert core.load_plugin(Modest).call("files") == 40
        assert core.get_plugin_info("modest").limits == {"cpu_time": 50, "open_files": 40}


def test_every_thread_of_the_host_is_nicer(run_greedy: RunGreedy) -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    _core, greedy = run_greedy(nice=3)
    assert set(greedy.call("niceness")) == {before + 3}
    assert greedy.submit("niceness").result(timeout=15) == greedy.call("niceness")


def test_limits_hold_after_a_reload(run_greedy: RunGreedy) -> None:
    core, greedy = run_greedy(open_files=50)
    core.reload_plugin("greedy")
    assert greedy.call("limits")[2] == [50, 50]


# --- CPU time -------------------------------------------------------------------------------------------------------


def test_cpu_time_ends_a_burner_and_is_named(run_greedy: RunGreedy) -> None:
    core, greedy = run_greedy(cpu_time=1)
    with pytest.raises(ModuleCrashedError, match="killed by SIGXCPU: its limit cpu_time of 1 s was reached") as caught:
        greedy.call("burn", timeout=60)
    assert caught.value.signal_name == "SIGXCPU"
    assert "in burn" in str(caught.value.stderr), "its last words say where the time went"
    wait_until(lambda: core.get_plugin_info("greedy").state == "crashed", what="the core noticing")
    assert core.get_plugin_info("greedy").last_exit == "killed by SIGXCPU: its limit cpu_time of 1 s was reached"
    assert core.get_client("neighbour").call("ping") == "neighbour"
    core.load_plugin("greedy")
    assert greedy.call("echo", 1) == 1


def test_a_burner_that_ignores_the_warning_is_killed_and_the_limit_named(plugins: Path) -> None:
    source = GREEDY.replace("self.held = []", "signal.signal(signal.SIGXCPU, signal.SIG_IGN)")
    write_module(plugins, "stubborn", source, limits={"cpu_time": 1})
    with Core(plugins_dir=plugins, entry_points=False) as core:
        stubborn = core.load_plugin("stubborn")
        with pytest.raises(ModuleCrashedError, match="killed by SIGKILL: its limit cpu_time of 1 s was reached"):
            stubborn.call("burn", timeout=60)


def test_a_kill_from_elsewhere_is_not_blamed_on_the_limit(run_greedy: RunGreedy) -> None:
    core, greedy = run_greedy(cpu_time=100)
    pid = core.get_plugin_info("greedy").pid
    assert pid is not None
    os.kill(pid, 9)
    wait_until(lambda: core.get_plugin_info("greedy").state == "crashed", what="the core noticing")
    assert core.get_plugin_info("greedy").last_exit == "killed by SIGKILL"
    assert core.load_plugin("greedy") is greedy


def test_cpu_time_during_the_load_is_named(plugins: Path) -> None:
    write_module(plugins, "slow", "while True:\n    pass\n", limits={"cpu_time": 1})
    with Core(plugins_dir=plugins, entry_points=False, load_timeout=60) as core:
        with pytest.raises(ModuleLoadError, match="killed by SIGXCPU: its limit cpu_time of 1 s was reached"):
            core.load_plugin("slow")
        assert core.get_plugin_info("slow").state == "known"


# --- memory and descriptors, in methods -----------------------------------------------------------------------------

EATERS: list[tuple[str, Callable[[LogosAPIClient, int], Any]]] = [
    ("method", lambda client, size: client.call("eat", size)),
    ("future", lambda client, size: client.submit("eat", size).result(timeout=20)),
    ("coroutine", lambda client, size: client.call("eat_in_a_coroutine", size)),
    ("stream", lambda client, size: list(client.stream("eat_in_a_stream", size))[1]),
]


@pytest.mark.parametrize("eat", [each for _, each in EATERS], ids=[name for name, _ in EATERS])
def test_a_memory_error_names_the_limit(run_greedy: RunGreedy, eat: Callable[[LogosAPIClient, int], Any]) -> None:
    core, greedy = run_greedy(address_space=ENOUGH)
    pid = core.get_plugin_info("greedy").pid
    words = re.escape(f"raised MemoryError (the module's limit address_space is {ENOUGH} bytes)")
    for _ in range(3):
        with pytest.raises(RemoteError, match=words) as caught:
            eat(greedy, 1 << 30)
        assert (caught.value.type_name, caught.value.message) == ("MemoryError", "")
        assert eat(greedy, MIB) == MIB
    assert core.get_plugin_info("greedy").pid == pid


def test_without_a_limit_a_memory_error_is_only_that(run_greedy: RunGreedy) -> None:
    _core, greedy = run_greedy(open_files=50)
    with pytest.raises(RemoteError, match=r"raised MemoryError$"):
        greedy.call("eat", 1 << 62)


def test_too_many_open_files_name_the_limit(run_greedy: RunGreedy) -> None:
    core, greedy = run_greedy(open_files=50)
    pid = core.get_plugin_info("greedy").pid
    for _ in range(3):
        with pytest.raises(
            RemoteError, match=r"Too many open files.*\(the module's limit open_files is 50\)"
        ) as caught:
            greedy.call("open_many", 60)
        assert caught.value.type_name == "OSError"
        assert "limit" not in str(caught.value.message), "this is what was raised"
        assert greedy.call("open_many", 10) == 10
    assert core.get_plugin_info("greedy").pid == pid


def test_native_code_that_dies_may_have_met_the_limit(run_greedy: RunGreedy) -> None:
    _core, greedy = run_greedy(address_space=ENOUGH)
    with pytest.raises(ModuleCrashedError, match=rf"SIGSEGV: .* native code .* limit address_space of {ENOUGH} bytes"):
        greedy.call("dereference_null")


def test_a_crash_with_a_memory_error_as_last_words_names_the_limit(plugins: Path) -> None:
    source = GREEDY + (
        "\n    @invokable\n    def die(self):\n        import sys\n"
        "        sys.stderr.write('MemoryError\\n')\n        sys.stderr.flush()\n        os._exit(9)\n"
    )
    write_module(plugins, "greedy", source, limits={"address_space": ENOUGH})
    with Core(plugins_dir=plugins, entry_points=False) as core:
        greedy = core.load_plugin("greedy")
        with pytest.raises(
            ModuleCrashedError, match=rf"exit code 9: it wrote 'MemoryError', and has .* address_space of {ENOUGH}"
        ):
            greedy.call("die")
