"""Programs in Nim."""

from __future__ import annotations

from pathlib import Path

from integration.support import Launch

from capi.support import CLIENTS, EXAMPLES, nim, run


def compiled(source: Path, program: Path) -> Path:
    command = nim()
    assert command is not None, "install nim, or run scripts/setup_clients.sh"
    cache = program.with_name(f"{program.name}.cache")
    run([command, "c", "--hints:off", f"--path:{EXAMPLES / 'nim'}", f"--nimcache:{cache}", f"-o:{program}", source])
    return program


def test_client(library: Path, modules: Path, tmp_path: Path, launch: Launch) -> None:
    program = compiled(CLIENTS / "client.nim", tmp_path / "client")
    # The published SDK always names a host that is usually absent.
    client = launch(
        [program, library / "lib" / "liblogos_core.so", modules], env={"LOGOS_HOST_PATH": "/nowhere/logos_host"}
    )
    assert client.finish() == "done\n"


def test_example(library: Path, tmp_path: Path, launch: Launch) -> None:
    app = launch([compiled(EXAMPLES / "nim" / "app.nim", tmp_path / "app"), library])
    assert sorted(app.finish().splitlines()) == ["Hello, world!", "heard: world"]
