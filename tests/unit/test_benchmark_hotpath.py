"""The count of what a hot call executes: exact, and loud when it grows."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.hotpath import __main__ as hotpath
from benchmarks.hotpath import counting
from benchmarks.hotpath.counting import C_CALLS, CALLS, INSTRUCTIONS, Tally, typical


def work(times: int) -> None:
    for _ in range(times):
        len("x")


def count(times: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, int]]:
    monkeypatch.setattr(counting, "WAITS_AT", f"{__name__}.work")
    tally = Tally()
    tally.start()
    for _ in range(2):
        work(times)
        tally.mark()
    tally.stop()
    return tally.rounds[-1]  # Python 3.13 counts the instructions of what is called for the second time


def test_calls_and_instructions_are_counted_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = (count(times, monkeypatch) for times in (10, 20, 30))
    name = f"{__name__}.work"
    assert [each[CALLS][name] for each in (first, second, third)] == [1, 1, 1]
    assert [each[C_CALLS]["len"] for each in (first, second, third)] == [10, 20, 30]
    ten_more = second[INSTRUCTIONS][name] - first[INSTRUCTIONS][name]
    assert ten_more > 10
    assert third[INSTRUCTIONS][name] - second[INSTRUCTIONS][name] == ten_more


def test_if_nobody_waits_where_one_should_that_is_an_error() -> None:
    tally = Tally()
    tally.start()
    with pytest.raises(RuntimeError, match=r"say in .* where the hot path waits"):
        tally.stop()


def test_the_typical_round_is_the_most_frequent() -> None:
    often, seldom = {CALLS: {"a": 1, "b": 2}}, {CALLS: {"a": 1}}
    assert typical([seldom, often, often]) is often


def sides(instructions: int) -> dict[str, Any]:
    counts = {INSTRUCTIONS: {"module.function": instructions, "other": 500}, CALLS: {"other": 1}, C_CALLS: {"len": 2}}
    return {"caller": counts, "callee": copy.deepcopy(counts)}


def test_what_grew_is_named_with_its_function() -> None:
    now = sides(500)
    now["callee"][INSTRUCTIONS]["module.function"] += 11
    grown, shrunk = hotpath.differences(sides(500), now)
    assert grown == ["callee: instructions for one call: 1000 → 1011 (+1.1%)", "      +11 module.function"]
    assert hotpath.differences(now, sides(500))[1][0] == "callee: instructions for one call: 1011 → 1000 (-1.1%)"
    assert not shrunk


def test_a_hundredth_is_tolerated() -> None:
    assert hotpath.differences(sides(500), sides(510)) == ([], [])


def test_one_more_c_call_is_seen() -> None:
    now = sides(500)
    now["caller"][C_CALLS]["sem_post"] = 1
    grown, _ = hotpath.differences(sides(500), now)
    assert grown == ["caller: C calls for one call: 2 → 3 (+50.0%)", "       +1 sem_post"]


def test_exit_status_and_advice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    budget = tmp_path / "budget.json"
    monkeypatch.setattr(hotpath, "BUDGET", budget)
    monkeypatch.setattr(hotpath, "count", lambda: sides(500))
    assert hotpath.main([]) == 0
    assert "no budget for Python" in capsys.readouterr().out
    assert hotpath.main(["--accept"]) == 0
    assert json.loads(budget.read_text(encoding="utf-8"))[hotpath.version()] == sides(500)
    assert hotpath.main([]) == 0
    monkeypatch.setattr(hotpath, "count", lambda: sides(600))
    assert hotpath.main([]) == 1
    assert "THE HOT PATH GREW" in capsys.readouterr().out
    monkeypatch.setattr(hotpath, "count", lambda: sides(400))
    assert hotpath.main([]) == 0
    assert "make hotpath ARGS=--accept" in capsys.readouterr().out


def test_the_count_of_a_real_call_is_the_same_twice() -> None:
    first = hotpath.count()
    assert hotpath.count() == first
    for side in ("caller", "callee"):
        assert sum(first[side][INSTRUCTIONS].values()) > 100
        assert any(name.startswith("logoscore.transport") for name in first[side][CALLS])
