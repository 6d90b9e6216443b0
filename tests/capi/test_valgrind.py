"""The client under valgrind: nothing of ours is read before it is written, after it is freed, or lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from integration.support import Launch

from capi.support import CLIENTS, compile_c


@pytest.mark.timeout(400)  # some 15 s; many times that on a busy machine
def test_client_under_valgrind(library: Path, modules: Path, tmp_path: Path, launch: Launch) -> None:
    program = compile_c(CLIENTS / "client.c", library, tmp_path / "client")
    strict = (
        "--quiet",
        "--errors-for-leak-kinds=definite",
        "--error-exitcode=9",
        "--leak-check=full",
        "--show-leak-kinds=definite",
    )
    # Its lock is taken by who comes first: a thread that pumps in a loop would keep it.
    client = launch(
        ["valgrind", *strict, "--fair-sched=yes", program, library / "lib" / "liblogos_core.so", modules, "once"]
    )
    client.process.wait(300)
    assert client.finish() == "done\n"
    assert "== " not in client.err.replace("=== ", ""), client.err
