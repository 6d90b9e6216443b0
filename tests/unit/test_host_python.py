"""Which interpreter hosts are run by, also where ``sys.executable`` is not our own (a program that embeds Python)."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from logoscore.launch import host_python


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_our_own() -> None:
    assert host_python() == sys.executable


@pytest.mark.parametrize(
    "text",
    ["echo 50331888 cpython-31", "exit 1", "kill -9 $$", "printf '\\377'"],
    ids=["older", "fails", "dies", "odd"],
)
def test_a_guess_from_the_path_that_is_another_python_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    monkeypatch.setattr(sys, "executable", script(tmp_path / "python3", text))
    ours = host_python()
    assert Path(ours).parent != tmp_path
    asked = subprocess.run(
        [ours, "-c", "import sys; print(sys.hexversion)"], capture_output=True, check=True, text=True
    )
    assert int(asked.stdout) == sys.hexversion


def test_a_wrapper_that_runs_our_python_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wrapper = script(tmp_path / "python-wrapper", f'exec {shlex.quote(sys.executable)} "$@"')
    monkeypatch.setattr(sys, "executable", wrapper)
    assert host_python() == wrapper


@pytest.mark.parametrize("name", ["", "/no/such/python3", "editor"])
def test_none_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    if name == "editor":
        name = script(tmp_path / name, "exit 0")
    monkeypatch.setattr(sys, "executable", name)
    assert host_python() != name
    assert os.access(host_python(), os.X_OK)
