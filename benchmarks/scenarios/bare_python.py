"""Questions to ``benchmarks/bare.py``, a program of its own that measures what processes cost without us."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["Bare"]


class Bare:
    """It runs within this context manager."""

    def __enter__(self) -> Bare:
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and file
            [sys.executable, str(Path(__file__).parents[1] / "bare.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        return self

    def ask(self, what: str) -> int:
        """See ``bare.py``.

        Raises:
            RuntimeError: it has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(what, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"bare.py has ended with exit code {self._process.wait()}")
        return int(answer)

    def __exit__(self, *_: object) -> None:
        self._process.__exit__(None, None, None)  # closes its input, at which it ends, and waits
