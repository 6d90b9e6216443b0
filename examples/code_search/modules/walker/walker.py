"""The module ``walker``: from the files of a source tree to batches of symbols for ``index``.

    files ─▶ ast ─▶ symbols ─▶ index.add(batch)      while the index stores one batch, the next is parsed
                └─▶ event "progress"(done, total)    for whoever cares

This folder is all there is to it, and nothing is installed: the module is named ``walker``, so ``walker.py`` is loaded.
"""

from __future__ import annotations

import sysconfig
import time
from pathlib import Path

from logos_code_search.member import Member
from logos_code_search.model import Answer, Symbol, Unreadable, WalkReport

from logoscore import Call, invokable

from .symbols import UNREADABLE, source_files, symbols_of

_BATCH = 500  # symbols per call


class Walker(Member):
    """Finds what there is to index."""

    @invokable
    def walk(self, source: str | None = None, limit: int | None = None, tests: bool = False) -> WalkReport:
        """Index all Python files below ``source``; returns what was done.

        Args:
            source: a directory; None: the standard library of the interpreter that runs this module.
            limit: how many files at most.
            tests: whether to read tests too, where ``source`` has any.
        """
        began = time.perf_counter()
        root = Path(source or sysconfig.get_paths()["stdlib"])
        report = WalkReport(str(root))
        sender = Sender(self)
        files = source_files(root, tests=tests)[:limit]
        for done, file in enumerate(files, start=1):
            try:
                found = symbols_of(file, root)
            except UNREADABLE as exc:
                trouble = Unreadable(str(file.relative_to(root)), f"{type(exc).__name__}: {exc}")
                report.unreadable.append(trouble)
                self.api.trigger("unreadable", trouble.file, trouble.reason)
            else:
                sender.send(found)
                report.symbols += len(found)
            report.files = done
            if done % 10 == 0 or done == len(files):
                self.api.trigger("progress", done, len(files))
        sender.finish()
        report.seconds = time.perf_counter() - began
        return report

    @invokable
    def trespass(self, text: str) -> Answer:
        """Ask ``query``, which our metadata.json lists nowhere: the core does not let this through."""
        answer: Answer = self.api.get_client("query").call("search", text)
        return answer


class Sender:
    """Collects symbols and sends them in batches, one of which may be under way."""

    def __init__(self, walker: Walker) -> None:
        self._index = walker.api.get_client("index")
        self._waiting: list[Symbol] = []
        self._under_way: Call | None = None

    def send(self, symbols: list[Symbol]) -> None:
        """Send ``symbols``, now or with later ones."""
        self._waiting += symbols
        if len(self._waiting) >= _BATCH:
            self._send_waiting()

    def finish(self) -> None:
        """Send the rest, and wait until all of it has been stored."""
        self._send_waiting()
        self._wait()

    def _send_waiting(self) -> None:
        self._wait()
        batch, self._waiting = self._waiting, []
        if batch:
            self._under_way = self._index.submit("add", batch)  # a Future: returns at once

    def _wait(self) -> None:
        if self._under_way is not None:
            self._under_way.result()  # raises here what went wrong there
            self._under_way = None
