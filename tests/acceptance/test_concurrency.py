"""Many threads at once: no cross-talk, and as many calls at a time as the module's metadata says."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from logoscore import Core

THREADS = 16


@pytest.fixture(scope="module")
def modules(shared_core: Core) -> dict[str, Any]:
    names = ("test_basic", "variants", "results", "async_timing", "relay")
    return {name: shared_core.load_plugin(name) for name in names}


def mixed_calls(modules: dict[str, Any], worker: int, rounds: int) -> list[str]:
    """Calls of every sort whose answers only this worker can have asked for; returns what was wrong."""
    wrong: list[str] = []

    def check(what: str, answer: Any, expected: Any) -> None:
        if answer != expected:
            wrong.append(f"worker {worker} {what}: {answer!r} instead of {expected!r}")

    for number in range(rounds):
        mark = f"{worker}-{number}"
        check("echo", modules["test_basic"].call("echo", mark), mark)
        check("add", modules["test_basic"].call("add_ints", worker * 1000, number), worker * 1000 + number)
        blob = mark.encode() * (1 + number * 37 % 400)
        check("bytes", modules["variants"].call("echo", [blob, {mark: worker}]), [blob, {mark: worker}])
        check("result", modules["results"].call("validate_input", mark).value, f"valid: {mark}")
        check("async", modules["async_timing"].call("echo_with_delay", mark, 0.0), mark)
        check("nested", modules["relay"].call("call", "test_basic", "echo", [mark]), mark)
        pending = [modules["variants"].submit("take_2", mark, each) for each in range(4)]
        check("submit", [each.result(timeout=30) for each in pending], [[mark, each] for each in range(4)])
    return wrong


def test_sixteen_threads_get_their_own_answers(modules: dict[str, Any]) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = list(pool.map(lambda worker: mixed_calls(modules, worker, 15), range(THREADS)))
    assert outcomes == [[]] * THREADS


def test_threads_with_errors_among_them(modules: dict[str, Any]) -> None:
    def work(worker: int) -> list[str]:
        kinds = []
        for number in range(10):
            try:
                modules["test_basic"].call(*(("echo", number) if number % 2 else ("no_such_method",)))
                kinds.append("fine")
            except AttributeError:
                kinds.append("unknown")
        return [str(worker), *kinds]

    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = list(pool.map(work, range(THREADS)))
    assert outcomes == [[str(worker)] + ["unknown", "fine"] * 5 for worker in range(THREADS)]


def test_every_thread_may_open_its_own_client(shared_core: Core, modules: dict[str, Any]) -> None:
    assert "variants" in modules
    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(lambda n: shared_core.get_client("variants").call("echo", n), range(100)))
    assert answers == list(range(100))


def test_single_serialises_and_loses_none(core: Core) -> None:
    single = core.load_plugin("single_worker")
    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(lambda ticket: single.call("work", ticket), range(64)))
    assert answers == list(range(64))
    assert single.call("stats") == {"peak": 1, "done": 64}


def test_single_serialises_what_one_thread_submits(core: Core) -> None:
    single = core.load_plugin("single_worker")
    pending = [single.submit("work", ticket) for ticket in range(64)]
    assert [each.result(timeout=30) for each in pending] == list(range(64))
    assert single.call("stats") == {"peak": 1, "done": 64}


def test_multi_reaches_exactly_its_limit(core: Core) -> None:
    multi = core.load_plugin("multi_worker")
    # Each returns only while three others are inside: with fewer than four at a time none would come back.
    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(lambda ticket: multi.call("meet", ticket), range(32)))
    assert answers == list(range(32))
    assert multi.call("stats") == {"peak": 4, "done": 32}


def test_multi_reaches_its_limit_for_one_thread_too(core: Core) -> None:
    multi = core.load_plugin("multi_worker")

    async def scenario() -> list[int]:
        return await asyncio.gather(*(multi.submit("meet", ticket) for ticket in range(32)))

    assert asyncio.run(scenario()) == list(range(32))
    assert multi.call("stats") == {"peak": 4, "done": 32}


def test_loading_from_many_threads_loads_once(core: Core) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        clients = list(pool.map(lambda _: core.load_plugin("d_top"), range(THREADS)))
    assert {client.call("ping") for client in clients} == {"d_top"}
    assert {"d_top", "d_left", "d_right", "d_base"} <= set(core.get_loaded_plugins())
    assert [stats["name"] for stats in core.get_module_stats()].count("d_base") == 1
