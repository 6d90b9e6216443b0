"""The benchmarks as a whole: they run, they report, and whatever ends them, they leave nothing."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from helpers import wait_until

from benchmarks.__main__ import parse
from benchmarks.caller import Caller, PeerFailedError
from benchmarks.loops import Plan
from benchmarks.peers import PEERS
from benchmarks.peers.zeromq import ZeroMQ
from benchmarks.results import VARIANTS
from benchmarks.scenarios.crash_notice import DEATHS

ROOT = Path(__file__).parents[2]
MARK = "LOGOS_BENCHMARK_TEST"
PLAN = Plan(duration_ns=1_000_000, warmup_ns=1_000_000)
needs_pyzmq = pytest.mark.skipif(importlib.util.find_spec("zmq") is None, reason="pyzmq is not installed")


class Run:
    """``python -m benchmarks`` with a temporary directory of its own, and a mark that all its processes inherit."""

    def __init__(self, folder: Path) -> None:
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.mark = uuid.uuid4().hex
        self.environment = {**os.environ, "TMPDIR": str(self.temporary), MARK: self.mark}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "benchmarks", *arguments],
            cwd=ROOT, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip

    def processes(self) -> list[psutil.Process]:
        """Its own and all below, also those that have lost their parent."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark:
                    found.append(process)
            except psutil.Error:
                continue  # ended, or somebody else's
        return found

    def assert_nothing_left(self) -> None:
        wait_until(lambda: not self.processes(), what="everything has ended")
        assert list(self.temporary.iterdir()) == []


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path)
    yield run
    for process in run.processes():
        process.kill()


@pytest.mark.parametrize("conditions", [(), pytest.param(("--busy", "--pinned"), marks=pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system cannot pin"))])  # fmt: skip
def test_quick_run(run: Run, tmp_path: Path, conditions: tuple[str, ...]) -> None:
    file = tmp_path / "results.json"
    process = run.start("--quick", "--json", str(file), *conditions)
    output, errors = process.communicate(timeout=110)
    assert (process.returncode, errors) == (0, "")
    run.assert_nothing_left()
    scenario, crashes = json.loads(file.read_text(encoding="utf-8"))["scenarios"]
    assert (scenario["failed"], crashes["failed"]) == ({}, {})
    assert {(row["peer"], row["variant"]) for row in crashes["rows"]} == {
        (who, how) for who in ("app", "module") for how in DEATHS
    }
    for row in crashes["rows"]:
        assert row["calls"] == 2
        assert 0 < row["p50"] <= row["max"]
    assert output.count("the design goal of 50 ms") == len(crashes["rows"])
    expected = {(peer, variant) for peer in PEERS if peer not in scenario["skipped"] for variant in VARIANTS}
    assert {(row["peer"], row["variant"]) for row in scenario["rows"]} == expected
    for row in scenario["rows"]:
        assert 0 < row["p50"] <= row["p90"] <= row["p99"] <= row["p99.9"] <= row["max"]
        assert row["calls"] > 0
        assert len(row["rounds"]) == 2
        assert row["title"] in output
    assert "hot, logoscore, p50: " in output
    for condition in conditions:
        assert condition.removeprefix("--") in output


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_ended_run_leaves_nothing(run: Run, way: signal.Signals) -> None:
    process = run.start("--rounds", "1000")
    # The run itself, a caller for each peer, the servers below, two built-in modules for each core.
    wait_until(lambda: len(run.processes()) > 2 * len(PEERS), timeout=60, what="everything has started")
    os.killpg(process.pid, way) if way == signal.SIGINT else process.send_signal(way)
    process.communicate(timeout=60)
    assert process.returncode != 0
    run.assert_nothing_left()


def test_a_server_that_dies_is_a_failure_of_its_peer(capfd: pytest.CaptureFixture[str]) -> None:
    with Caller("pipe") as caller:
        assert caller.measure(PLAN).calls > 0
        for server in _servers(caller):
            server.kill()
            wait_until(lambda server=server: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)
        with pytest.raises(PeerFailedError, match=r"EOFError|ConnectionResetError|BrokenPipeError"):
            caller.measure(PLAN)
    assert "Traceback" in capfd.readouterr().err


# A socketpair's server sees its caller's end in its socket, pyzmq's does not.
@pytest.mark.parametrize("peer", ["socketpair", pytest.param("pyzmq", marks=needs_pyzmq)])
def test_a_caller_that_dies_is_a_failure_of_its_peer(peer: str) -> None:
    with Caller(peer) as caller:
        assert caller.pid is not None
        servers = _servers(caller)
        assert servers
        os.kill(caller.pid, signal.SIGKILL)
        with pytest.raises(PeerFailedError, match="its caller has ended"):
            caller.measure(PLAN)
        for server in servers:
            wait_until(lambda server=server: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)


def _servers(caller: Caller) -> list[psutil.Process]:
    """What the caller has started, but for the standard library's resource tracker."""
    children = psutil.Process(caller.pid).children()
    return [child for child in children if "resource_tracker" not in " ".join(child.cmdline())]


def test_without_pyzmq_there_is_a_word_about_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert "pip install pyzmq" in (ZeroMQ().unavailable() or "")


def test_choices() -> None:
    settings, scenarios, file = parse(["--peers", "logoscore,pipe", "--variants", "hot", "--rounds", "3", "--busy"])
    assert settings.peers == ("pipe", "logoscore")
    assert settings.variants == ("hot",)
    assert (settings.rounds, settings.busy, settings.pinned) == (3, True, False)
    assert (scenarios, file) == (["round-trip", "crash-notice"], None)


def test_quick_can_be_refined() -> None:
    settings, _, file = parse(["--quick", "--rounds", "7", "--interval-ms", "2.5", "--json", "x.json"])
    assert (settings.rounds, settings.interval, file) == (7, 0.0025, Path("x.json"))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--rounds", "0"], "must be above 0"),
        (["--rounds", "x"], "invalid int value"),
        (["--interval-ms", "inf"], "must be above 0"),
        (["--peers", "pipe,tube"], "'tube' is none of socketpair, pipe"),
        (["--scenarios", "nothing"], "'nothing' is none of round-trip, crash-notice"),
    ],
)
def test_what_cannot_be_asked_for(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(arguments)
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err
