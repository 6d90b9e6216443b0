"""The benchmarks' command line, and their processes: whatever ends them, they leave nothing."""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from benchmark_run import Run
from helpers import wait_until

from benchmarks.__main__ import main
from benchmarks.caller import Caller, PeerFailedError
from benchmarks.loops import Plan
from benchmarks.options import parse
from benchmarks.peers import PEERS, Target, create
from benchmarks.peers.running import RoundTrips
from benchmarks.scenarios import SCENARIOS

JOB = RoundTrips(Plan(duration_ns=1_000_000, warmup_ns=1_000_000))


@pytest.fixture
def run() -> Iterator[Run]:
    run = Run()
    yield run
    run.close()


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_ended_run_leaves_nothing(run: Run, way: signal.Signals) -> None:
    peers = [peer for peer in ("socketpair", "semaphore", "pipe", "managers", "pyzmq", "logoscore", "logoscore-modules")
             if create(peer).unavailable() is None]  # fmt: skip
    process = run.start("--rounds", "1000", "--peers", ",".join(peers))
    # The run itself, a caller for each peer, the servers below, two built-in modules for each core.
    wait_until(lambda: len(run.processes()) > 2 * len(peers), timeout=60, what="everything has started")
    os.killpg(process.pid, way) if way == signal.SIGINT else process.send_signal(way)
    process.communicate(timeout=60)
    assert process.returncode != 0
    run.assert_nothing_left()


def test_a_server_that_dies_is_a_failure_of_its_peer(capfd: pytest.CaptureFixture[str]) -> None:
    with Caller("pipe") as caller:
        caller.wait_ready()
        assert caller.measure(JOB).calls > 0
        for server in _servers(caller):
            server.kill()
            wait_until(lambda server=server: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)
        with pytest.raises(PeerFailedError, match=r"EOFError|ConnectionResetError|BrokenPipeError"):
            caller.measure(JOB)
    assert "Traceback" in capfd.readouterr().err


# A socketpair's server sees its caller's end in its socket; one that waits for a semaphore sees nothing there.
@pytest.mark.parametrize("peer", ["socketpair", "semaphore"])
def test_a_caller_that_dies_is_a_failure_of_its_peer(peer: str) -> None:
    with Caller(peer) as caller:
        caller.wait_ready()
        assert caller.pid is not None
        servers = _servers(caller)
        assert servers
        os.kill(caller.pid, signal.SIGKILL)
        with pytest.raises(PeerFailedError, match="its caller has ended"):
            caller.measure(JOB)
        for server in servers:
            wait_until(lambda server=server: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)


def _servers(caller: Caller) -> list[psutil.Process]:
    """What the caller has started, but for the standard library's resource tracker."""
    children = psutil.Process(caller.pid).children()
    return [child for child in children if "resource_tracker" not in " ".join(child.cmdline())]


@pytest.mark.parametrize(
    ("peer", "package"),
    [("pyzmq", "pyzmq"), ("pyro5", "Pyro5"), ("rpyc", "rpyc"), ("grpc", "grpcio"), ("iceoryx2-poll", "iceoryx2"),
     ("iceoryx2-wait", "iceoryx2"), ("ray", "ray"), ("qt", "PySide6-Addons"), ("logoscore-numpy", "numpy")],
)  # fmt: skip
def test_what_is_not_installed_is_skipped_with_a_word(peer: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert f"(pip install {package})" in (create(peer).unavailable() or "")


@pytest.mark.parametrize("peer", PEERS)
def test_every_peer_can_be_made_without_its_library_running(peer: str) -> None:
    made = create(peer)
    assert made.title
    assert made.ours is peer.startswith("logoscore")


def test_choices() -> None:
    options = parse(["--peers", "logoscore,pipe", "--scenarios", "idle,round-trip", "--rounds", "3"])
    assert options.settings.peers == ("pipe", "logoscore")
    assert options.settings.rounds == 3
    assert options.scenarios == ["round-trip", "idle"]


def test_the_default_is_everything() -> None:
    options = parse([])
    assert (options.scenarios, options.settings.peers) == (list(SCENARIOS), tuple(PEERS))


def test_quick_can_be_refined() -> None:
    options = parse(["--quick", "--rounds", "7", "--interval-ms", "2.5", "--json", "x.json"])
    assert (options.settings.rounds, options.settings.interval, options.json) == (7, 0.0025, Path("x.json"))


def test_a_module_of_the_users() -> None:
    words = ["--module", "m", "--method", "f", "--args", "1", "[2, 'x']", "word", "--plugins-dir", "/there"]
    options = parse(words)
    assert options.settings.target == Target("m", "f", (1, [2, "x"], "word"), ("/there",))
    assert options.scenarios == ["round-trip", "threads"]
    assert options.settings.peers == ("socketpair", "pipe", "logoscore")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--rounds", "0"], "must be above 0"),
        (["--rounds", "x"], "invalid int value"),
        (["--interval-ms", "inf"], "must be above 0"),
        (["--peers", "pipe,tube"], "'tube' is none of memcpy, socketpair"),
        (["--scenarios", "nothing"], "'nothing' is none of round-trip, busy"),
        (["--method", "f"], "need --module"),
        (["--module", "m"], "--module needs --method"),
    ],
)
def test_what_cannot_be_asked_for(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(arguments)
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--from", "--compare"])
@pytest.mark.parametrize("content", [None, "no json", '{"format": 1}'])
def test_a_file_that_is_no_report_is_refused_before_anything_is_measured(
    option: str, content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "old.json"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    assert main([option, str(file)]) == 2
    assert "old.json" in capsys.readouterr().err
