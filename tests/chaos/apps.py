"""Whole apps that are ended from outside, at any moment: their hosts go with them, and so do their names."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

from helpers import wait_until

from chaos.stage import Stage
from logoscore.transport.segment import process_start_time

__all__ = ["Apps"]

_MARK: Final = "LOGOS_CHAOS_MARK"
_SHM: Final = Path("/dev/shm")
_END_SECONDS: Final = 40.0


def _marked(mark: str) -> list[int]:
    """The processes, zombies not counted, that inherited ``mark``."""
    wanted, found = f"{_MARK}={mark}".encode(), []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it ended while we looked, or is not ours
            if wanted in entry.read_bytes().split(b"\0"):
                found.append(int(entry.parent.name))
    return found


class Apps:
    """Starts and ends them; remembers all, so that their names can be looked for at the end."""

    def __init__(self) -> None:
        self._ended: list[str] = []  # what the names in shared memory of each begin with

    def killed_app(self, stage: Stage, rng: Random) -> None:
        """An actor: one app, from its start to an end of any kind."""
        way = rng.choice(("SIGKILL", "SIGTERM", "SIGSEGV", "Ctrl-C", "end of stdin"))
        self._one(stage, rng, way, wait=rng.choice((0.0, rng.uniform(0, 0.5), rng.uniform(0, 3))))

    def sweep(self, stage: Stage, rng: Random) -> None:
        """The next start removes what kills have left; then nothing may be left of any."""
        self._one(stage, rng, "end of stdin", wait=0.0)
        for begin in self._ended:
            for entry in _SHM.glob(f"{begin}*"):
                stage.tally.defect("leftovers", f"{entry} after the next start")

    def _one(self, stage: Stage, rng: Random, way: str, wait: float) -> None:
        mark = uuid.uuid4().hex
        with (stage.folder / "apps.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "chaos.app", str(rng.getrandbits(32))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=Path(__file__).parents[1],
                env={**os.environ, _MARK: mark},
                start_new_session=True,
            )
        begin = f"sem.logos.{process.pid:x}.{process_start_time(process.pid) or 0:x}."
        with process, stage.watcher.watching(f"an app until its end by {way}", _END_SECONDS + 20):
            assert process.stdin is not None
            assert process.stdout is not None
            if rng.random() < 0.8:
                process.stdout.readline()  # else in the middle of its start
            stage.ended.wait(wait)
            _end(process, way)
            process.stdout.close()
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                stage.tally.defect("hanging calls", f"an app did not end after {way}")
                self._show(process, stage.folder)
                process.kill()
        stage.tally.count("apps ended", way)
        self._after(stage, way, mark, begin)

    def _show(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        """The stacks of an app that hangs, among what all apps have said at last."""
        process.send_signal(signal.SIGUSR2)
        with suppress(subprocess.TimeoutExpired):
            process.wait(2.0)
        print((folder / "apps.log").read_text(encoding="utf-8", errors="replace")[-20000:], file=sys.stderr, flush=True)

    def _after(self, stage: Stage, way: str, mark: str, begin: str) -> None:
        try:
            wait_until(lambda: not _marked(mark), 20, f"the end of the hosts of an app, after {way}")
        except AssertionError as error:
            pids = _marked(mark)
            stage.tally.defect("orphans", f"{error}: {pids}")
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        names = list(_SHM.glob(f"{begin}*"))
        stage.tally.count("names of ended apps", "left until the next start", len(names))
        self._ended.append(begin)


def _end(process: subprocess.Popen[bytes], way: str) -> None:
    if way == "end of stdin":
        assert process.stdin is not None
        process.stdin.close()
    elif way == "Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)  # what a terminal does: everybody in the group gets it
    else:
        process.send_signal(signal.Signals[way])
