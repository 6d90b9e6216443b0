"""Each scenario of the benchmarks for real, but quick; a module of the user's; a slow-down that is found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from benchmark_run import ROOT, Run
from capi.support import compiler

from benchmarks.peers import PEERS, create
from benchmarks.peers.running import CALL
from benchmarks.scenarios import SCENARIOS
from benchmarks.scenarios.crash_notice import DEATHS

FEW = ("memcpy", "socketpair", "pipe", "logoscore", "logoscore-modules", "logoscore-result")
OURS = {
    "round-trip": {"logoscore", "logoscore-modules"},
    "busy": {"logoscore", "logoscore-modules"},
    "one-cpu": {"logoscore", "logoscore-modules"},
    "idle": {"logoscore", "logoscore-modules"},
    "pipelined": {"logoscore"},
    "threads": {"logoscore"},
    "events": {"logoscore"},
    "sizes": {"logoscore", "logoscore-result"},
    "start": {"logoscore", "logoscore-warm", "import"},
    "many-modules": {"logoscore"},
    "crash-notice": {"app", "module"},
    "c-library": {"logoscore", "logoscore-c", "logoscore-pair"},
}

WORKER = """\
from pathlib import Path

from logoscore import PluginInterface, invokable


class Worker(PluginInterface):
    def init_logos(self, api):
        super().init_logos(api)
        self._times = int(Path(__file__).with_name("times").read_text())

    @invokable
    def work(self, text: str, number: int) -> str:
        for _ in range(self._times):
            pass
        return text * number
"""


@pytest.fixture
def run() -> Iterator[Run]:
    run = Run()
    yield run
    run.close()


def measured(run: Run, folder: Path, *arguments: str, status: int = 0) -> tuple[Any, str]:
    """The JSON document and the text of a run that has left nothing."""
    file = folder / "results.json"
    process = run.start("--quick", "--json", str(file), *arguments)
    output, errors = process.communicate(timeout=110)
    assert (process.returncode, errors) == (status, ""), output
    run.assert_nothing_left()
    return json.loads(file.read_text(encoding="utf-8")), output


def test_every_scenario_is_tested() -> None:
    assert OURS.keys() == SCENARIOS.keys()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_quick_run(scenario: str, run: Run, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    arguments = ("--scenarios", scenario, "--peers", ",".join(FEW), "--html", str(page))
    document, output = measured(run, tmp_path, *arguments)
    [outcome] = document["scenarios"]
    assert (outcome["scenario"], outcome["failed"]) == (scenario, {})
    without = {"logoscore-c"} if compiler() is None else set()
    assert {row["peer"] for row in outcome["rows"] if row["ours"]} == OURS[scenario] - without
    for row in outcome["rows"]:
        assert row["title"] in output
        assert all(figure > 0 for figure in row["figures_of_rounds"]) or scenario == "idle"
        if row["kind"] == "latency":
            assert 0 < row["p50"] <= row["p90"] <= row["p99"] <= row["p99.9"] <= row["max"]
    if scenario == "crash-notice":
        assert {row["variant"] for row in outcome["rows"]} == set(DEATHS)
    ElementTree.fromstring(page.read_text(encoding="utf-8").removeprefix("<!DOCTYPE html>\n"))


def test_without_a_compiler_a_call_from_python_remains(run: Run, tmp_path: Path) -> None:
    run.environment |= {"PATH": "/nowhere", "CC": "no-such-compiler"}
    document, output = measured(run, tmp_path, "--scenarios", "c-library")
    [outcome] = document["scenarios"]
    assert {row["peer"] for row in outcome["rows"]} == {"logoscore", "logoscore-pair"}
    assert "skipped logoscore-c: there is no C compiler: neither no-such-compiler nor cc, gcc, clang" in output


def test_the_c_library_in_markdown(run: Run, tmp_path: Path) -> None:
    _, output = measured(run, tmp_path, "--scenarios", "c-library", "--markdown")
    assert "| from Python: client.call() | " in output
    assert ("| from C: call_plugin_method_async(), process_events() | " in output) == (compiler() is not None)


@pytest.mark.parametrize("peer", [name for name, entry in PEERS.items() if CALL in entry.offers and name != "ray"])
def test_every_peer_that_is_installed_answers(peer: str, run: Run, tmp_path: Path) -> None:
    document, _ = measured(run, tmp_path, "--scenarios", "round-trip", "--peers", peer)
    [outcome] = document["scenarios"]
    reason = create(peer).unavailable()
    assert outcome["skipped"] == ({peer: reason} if reason else {})
    assert {row["peer"] for row in outcome["rows"]} == (set() if reason else {peer})


def worker(folder: Path, times: int) -> tuple[str, ...]:
    place = folder / "modules" / "worker"
    place.mkdir(parents=True, exist_ok=True)
    (place / "metadata.json").write_text(json.dumps({"name": "worker", "version": "1.0.0"}), encoding="utf-8")
    (place / "worker.py").write_text(WORKER, encoding="utf-8")
    (place / "times").write_text(str(times), encoding="utf-8")
    return "--plugins-dir", str(folder / "modules"), "--module", "worker", "--method", "work", "--args", "x", "3"


def test_a_module_of_the_users_is_measured_and_its_slow_down_found(run: Run, tmp_path: Path) -> None:
    narrow = ("--scenarios", "round-trip", "--peers", "pipe", "--rounds", "7")
    before, output = measured(run, tmp_path, *worker(tmp_path, 0), *narrow)
    [outcome] = before["scenarios"]
    assert {row["title"] for row in outcome["rows"] if row["ours"]} == {"worker.work('x', 3)"}
    assert "worker.work('x', 3)" in output
    old = tmp_path / "old.json"
    old.write_text(json.dumps(before), encoding="utf-8")
    # A hundred times what a call takes, so that no mood of the machine hides it.
    _, output = measured(run, tmp_path, *worker(tmp_path, 200_000), *narrow, "--compare", str(old), status=3)
    assert "SLOWER: round-trip, hot, module, p50: " in output


def test_the_same_run_again_is_not_slower(run: Run, tmp_path: Path) -> None:
    measured(run, tmp_path, "--scenarios", "round-trip", "--peers", "pipe,logoscore", "--rounds", "7")
    file = str(tmp_path / "results.json")
    process = run.start("--from", file, "--compare", file)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert output.endswith("nothing got slower beyond noise\n")


def test_what_a_module_raises_is_a_failure_of_the_run(run: Run, tmp_path: Path) -> None:
    process = run.start(
        "--quick", *worker(tmp_path, 0)[:-1], "no number", "--scenarios", "round-trip", "--peers", "pipe"
    )
    output, _ = process.communicate(timeout=110)
    assert process.returncode == 1
    assert "FAILED module: " in output
    assert "Expected `int`, got `str`" in output
    run.assert_nothing_left()


def test_an_example_of_this_repository(run: Run, tmp_path: Path) -> None:
    modules = str(ROOT / "examples" / "hello" / "modules")
    arguments = ("--plugins-dir", modules, "--module", "greeter", "--method", "greet", "--args", "Ada")
    document, output = measured(run, tmp_path, *arguments)
    assert [each["scenario"] for each in document["scenarios"]] == ["round-trip", "threads"]
    assert "greeter.greet('Ada')" in output
