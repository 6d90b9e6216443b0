"""Builds the library and its clients, and says where their tools are."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
CLIENTS = HERE / "clients"
EXAMPLES = HERE.parents[1] / "examples"
TOOLS = Path(sys.prefix) / "clients"
"""Where ``scripts/setup_clients.sh`` puts what a machine has not."""


def required() -> bool:
    """Whether a tool that is not there is an error, as in CI, and not a reason to leave its tests out."""
    return os.environ.get("LOGOS_CLIENTS") == "required"


def compiler() -> str | None:
    return shutil.which(os.environ.get("CC", "cc"))


def nim() -> str | None:
    own = TOOLS / "nim" / "bin" / "nim"
    return str(own) if own.is_file() else shutil.which("nim")


def node_modules() -> Path | None:
    """Where koffi is; None if it, or node, is not there."""
    folder = TOOLS / "node_modules"
    return folder if (folder / "koffi").is_dir() and shutil.which("node") else None


def run(command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> str:
    """Run a tool; returns what it wrote."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, f"{shlex.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def build_library(output: Path, env: Mapping[str, str] | None = None) -> Path:
    """The library below ``output``; no warning is let pass."""
    cflags = f"-Werror {(env or {}).get('CFLAGS', '')}"
    made = run([sys.executable, "-m", "logoscore.capi", "--output", output], {**(env or {}), "CFLAGS": cflags})
    assert "warning" not in made
    return output


def compile_c(source: Path, library: Path, program: Path, *flags: str) -> Path:
    """A program in C that opens the library by itself."""
    cc = compiler()
    assert cc is not None, "install a C compiler"
    strict = ("-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread")
    run([cc, *strict, f"-I{library / 'include'}", source, "-o", program, "-ldl", *flags])
    return program
