"""Programs in JavaScript, over koffi."""

from __future__ import annotations

from pathlib import Path

from integration.support import Launch

from capi.support import CLIENTS, EXAMPLES, node_modules


def env() -> dict[str, str]:
    folder = node_modules()
    assert folder is not None, "install node, and run scripts/setup_clients.sh"
    return {"NODE_PATH": str(folder)}


def test_client_in_the_manner_of_the_published_sdk(library: Path, modules: Path, launch: Launch) -> None:
    assert launch(["node", CLIENTS / "client.js", library, modules], env=env()).finish() == "done\n"


def test_example(library: Path, launch: Launch) -> None:
    app = launch(["node", EXAMPLES / "electron-like" / "main.js", library], env=env())
    assert app.finish() == "Hello, world!\nheard: world\n"
