"""The builder: what it makes, and what it says when it cannot."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from integration.support import Launch

from capi.support import CLIENTS, HERE, compile_c, run
from logoscore import functions
from logoscore.capi import build as building

DOCUMENTED = HERE.parents[1] / "logoscore" / "capi" / "logos_core.h"


def test_what_is_made(library: Path) -> None:
    lib = library / "lib"
    assert (lib / "liblogos_module_client.so").samefile(lib / "liblogos_core.so")
    assert os.access(library / "bin" / "logos_host", os.X_OK)
    assert "--control-fd" in run([library / "bin" / "logos_host", "--help"])
    version = run(["pkg-config", "--modversion", "logos_core"], {"PKG_CONFIG_PATH": str(lib / "pkgconfig")})
    assert version.strip() == "0.1.0"


def test_only_what_the_header_declares_is_exported(library: Path) -> None:
    table = run(["nm", "-D", "--defined-only", library / "lib" / "liblogos_core.so"])
    exported = {line.split()[-1] for line in table.splitlines()}
    assert exported == set(
        re.findall(r"\b(logos_(?:core|module_client)_\w+)\(", DOCUMENTED.read_text(encoding="utf-8"))
    )


def test_each_function_calls_one_that_exists() -> None:
    source = DOCUMENTED.with_name("logos_core.c").read_text(encoding="utf-8")
    names = re.findall(r'logos_(?:done|number|text|names)\("(\w+)"', source)
    assert len(names) > 30
    assert [name for name in names if not callable(getattr(functions, name, None))] == []


def test_a_library_with_the_static_python_in_it(
    library: Path, modules: Path, tmp_path: Path, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Many a Python is installed without its static library, or with one that cannot be part of a shared one.
    refusal = None
    try:
        building.build(tmp_path / "static", static=True)
    except building.BuildError as exc:
        refusal = str(exc)
    if refusal is not None:
        assert "--enable-shared" in refusal
        return
    core = tmp_path / "static" / "lib" / "liblogos_core.so"
    assert "libpython" not in run(["ldd", core])
    client = launch([compile_c(CLIENTS / "client.c", library, tmp_path / "client"), core, modules, "few"])
    assert client.finish() == "done\n"


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"CC": "false"}, "the C compiler failed"),
        ({"CC": "no-such-compiler", "PATH": "/nowhere"}, "there is no C compiler: neither no-such-compiler nor"),
    ],
)
def test_what_is_said_when_it_cannot(env: dict[str, str], words: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "logoscore.capi", "--output", tmp_path],
        env={**os.environ, **env}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
