"""More calls than threads: every one of them gets its reply, and the callee's threads and memory stay bounded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers import wait_until

from faults.hostile import parties, run, threads_of
from logoscore import Core
from logoscore.errors import ChannelClosedError, ModuleCrashedError, SerializationError
from logoscore.session import serving

CALLS, CALLERS = 10_000, 64


def type_name(error: str) -> str:
    return error.partition("(")[0]


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * 4096 / 1e6


@pytest.mark.parametrize(
    ("concurrency", "method"), [("single", "echo"), ("multi", "echo"), ("single", "aecho"), ("multi", "aecho")]
)
def test_ten_thousand_outstanding(tmp_path: Path, concurrency: str, method: str) -> None:
    with parties(tmp_path, concurrency=concurrency) as (core, _, victim, _):
        pid = core.get_plugin_info("victim").pid
        assert pid is not None
        before = resident_mb(pid)
        payload = "x" * 1000
        most = 0

        def submit(first: int) -> list[object]:
            nonlocal most
            calls = [victim.submit(method, [number, payload], timeout=300.0) for number in range(first, CALLS, CALLERS)]
            most = max(most, threads_of(pid))
            return [call.result(300.0)[0] for call in calls]

        with ThreadPoolExecutor(CALLERS) as pool:
            answers = list(pool.map(submit, range(CALLERS)))
        assert answers == [list(range(first, CALLS, CALLERS)) for first in range(CALLERS)]
        assert most < 2 * serving.THREADS  # one runs at a time, or eight; the others wait to send their replies
        assert resident_mb(pid) - before < 100


@pytest.mark.parametrize("method", ["bounce", "abounce"])
def test_calls_that_wait_for_each_other_go_on_beyond_the_bound(tmp_path: Path, method: str) -> None:
    """All threads (or coroutines) of a channel wait for calls that come back through that very channel."""
    few = "from logoscore.session import serving; serving.THREADS = serving.CALLS = 8"
    with parties(tmp_path) as (_, evil, victim, _):
        run(evil, few)
        run(victim, few)
        calls = [evil.submit(method, "victim", "evil", 4, timeout=120.0) for _ in range(8)]
        assert [call.result(120.0) for call in calls] == [4] * 8


def calls_of(core: Core, name: str) -> int:
    """How many calls that module says it has had; 0: it did not answer."""
    return next(int(row["calls"]) for row in core.get_module_stats() if row["name"] == name)


def test_cancel_reaches_a_call_that_was_not_read_yet(tmp_path: Path) -> None:
    """The channel is not read while its one thread runs a call; cancels do not come that way."""
    go = tmp_path / "go"
    with parties(tmp_path) as (core, _, victim, _):
        run(victim, "self.ran = 0")
        running = victim.submit("run", f"wait_until(lambda: os.path.exists({str(go)!r}), 60.0)", timeout=60.0)
        waiting = [victim.submit("run", "self.ran += 1", timeout=60.0) for _ in range(500)]
        assert all(call.cancel() for call in waiting)
        # It has taken in what was said to it by the control pipe, once it answers what it is asked there.
        wait_until(lambda: calls_of(core, "victim") > 0, what="an answer of the victim")
        go.touch()
        running.result(60.0)
        assert run(victim, "R = self.ran") == 0


def test_no_thread_is_to_be_had(tmp_path: Path) -> None:
    """Whoever is free reads on."""
    with parties(tmp_path, concurrency="multi", max_workers=16) as (_, _, victim, _):
        run(
            victim,
            """
            link = server("core")
            def refuse(work, name):
                raise RuntimeError("can't start new thread")
            node.threads.start, self.start = refuse, node.threads.start
            R = len(link.running)
            """,
        )
        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(lambda number: victim.call("echo", number, timeout=30.0), range(400))) == list(
                range(400)
            )
        run(victim, "node.threads.start = self.start")
        assert victim.call("echo", 1) == 1


WICKED = """
    errors = {"exit": SystemExit(3), "ctrl-c": KeyboardInterrupt()}
    def checked(value):  # what converts and encodes a result touches the user's objects
        if value in errors:
            raise errors[value]
        return value
    node.proxy._methods[b"echo"].result = checked
"""


@pytest.mark.parametrize("what", ["exit", "ctrl-c"])
def test_a_result_that_raises_while_it_is_encoded(tmp_path: Path, what: str) -> None:
    with parties(tmp_path) as (core, _, victim, _):
        pid = core.get_plugin_info("victim").pid
        run(victim, WICKED)
        for _ in range(3):
            with pytest.raises(SerializationError, match=r"victim\.echo"):
                victim.call("echo", what)
            assert victim.call("echo", 5) == 5
        assert core.get_plugin_info("victim").pid == pid


@pytest.mark.parametrize("error", ["SystemExit(5)", "KeyboardInterrupt()", "GeneratorExit()"])
def test_a_defect_in_a_serving_thread_closes_the_channel(tmp_path: Path, error: str) -> None:
    with parties(tmp_path, concurrency="multi") as (core, _, victim, _):
        pid = core.get_plugin_info("victim").pid
        run(
            victim,
            f"""
            def fail(data, link):
                raise {error}
            broken = {{"module": "victim", "handle": staticmethod(fail), "limits": node.proxy.limits}}
            server("core")._proxy = type("Broken", (), broken)()
            """,
        )
        calls = [victim.submit("echo", number) for number in range(3)]  # (a thread may have the former proxy in hand)
        with pytest.raises(ChannelClosedError, match=type_name(error)):
            calls[-1].result(20)
        assert victim.call("echo", 2) == 2
        assert core.get_plugin_info("victim").pid == pid


def test_a_background_task_that_raises_system_exit_ends_the_host(tmp_path: Path) -> None:
    with parties(tmp_path) as (core, _, victim, _):
        assert victim.call("aecho", 1) == 1
        with pytest.raises(ModuleCrashedError) as caught:
            run(victim, "node.proxy._runner.loop.call_soon_threadsafe(lambda: exit(7)); threading.Event().wait()")
        assert caught.value.exit_code == 7
        core.load_plugin("victim")
        assert victim.call("aecho", 2) == 2


def test_a_background_task_that_raises_does_not_end_the_loop(tmp_path: Path) -> None:
    with parties(tmp_path) as (_, _, victim, _):
        assert victim.call("aecho", 1) == 1
        run(
            victim,
            """
            def interrupt(): raise KeyboardInterrupt
            node.proxy._runner.loop.call_soon_threadsafe(interrupt)
            """,
        )
        assert victim.call("aecho", 2) == 2
