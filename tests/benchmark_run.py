"""``python -m benchmarks`` in a process of its own, and all that it starts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import psutil
from helpers import wait_until

ROOT = Path(__file__).parents[1]
MARK = "LOGOS_BENCHMARK_TEST"


class Run:
    """``python -m benchmarks`` with a temporary directory of its own, and a mark that all its processes inherit."""

    def __init__(self) -> None:
        self.temporary = Path(tempfile.mkdtemp(prefix="b-"))  # a short path: names of sockets have at most 107 bytes
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

    def close(self) -> None:
        """Kill what is left."""
        for process in self.processes():
            process.kill()
        shutil.rmtree(self.temporary, ignore_errors=True)
