"""A module in a virtual environment of its own: two modules of one app each see their own version of one package."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from acceptance.support import write_module

import logoscore
from logoscore import Core
from logoscore.errors import ModuleLoadError

VERSIONED = """
import sys
import fake_dependency
from logoscore import PluginInterface, invokable

class Module(PluginInterface):
    @invokable
    def found(self) -> str:
        return fake_dependency.VERSION

    @invokable
    def prefix(self) -> str:
        return sys.prefix

    @invokable
    def found_by(self, module: str) -> str:
        return self.api.get_client(module).call("found")
"""

RUNTIME = ("logoscore", "host_entry", "cloudpickle", "msgspec", "packaging", "pluggy", "posix_ipc", "psutil")


def make_environment(folder: Path, version: str | None = None, *, with_logoscore: bool = True) -> Path:
    """A virtual environment, as ``python -m venv`` makes it, with ``fake_dependency`` of that version installed."""
    command = [sys.executable, "-m", "venv", "--without-pip", folder]
    subprocess.run(command, check=True, capture_output=True)
    version_dir = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = folder / "lib" / version_dir / "site-packages"
    if with_logoscore:
        modules = map(importlib.import_module, RUNTIME)
        files = [Path(str(module.__file__)) for module in modules]
        roots = {str(file.parents[file.name == "__init__.py"]) for file in files}
        (site / "shared.pth").write_text("\n".join(sorted(roots)) + "\n", encoding="utf-8")
    if version is not None:
        package = site / "fake_dependency"
        package.mkdir()
        (package / "__init__.py").write_text(f"VERSION = {version!r}\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("environments")
    return {
        "one": make_environment(root / "one", "1.4.0"),
        "two": make_environment(root / "two", "2.0.1"),
        "bare": make_environment(root / "bare", "3.0.0", with_logoscore=False),
    }


def test_conflicting_dependencies_in_one_app(plugins: Path, environments: dict[str, Path]) -> None:
    """One is named by its interpreter, the other by its folder; the app itself has neither."""
    one, two = environments["one"], environments["two"]
    write_module(plugins, "old", VERSIONED, interpreter=str(one / "bin" / "python"), calls=["new"])
    write_module(plugins, "new", VERSIONED, interpreter=str(two))
    with pytest.raises(ImportError):
        __import__("fake_dependency")
    with Core(plugins_dir=plugins, entry_points=False) as core:
        old, new, worker = (core.load_plugin(name) for name in ("old", "new", "worker"))
        assert (old.call("found"), new.call("found")) == ("1.4.0", "2.0.1")
        assert (old.call("prefix"), new.call("prefix")) == (str(one), str(two))
        assert old.call("found_by", "new") == "2.0.1"
        assert core.reload_plugin("old").call("found") == "1.4.0"
        assert worker.call("add", 40, 2) == 42


def test_environment_inside_the_module(plugins: Path) -> None:
    """The path is relative to the module's folder, so the folder can be moved about as a whole."""
    folder = write_module(plugins, "contained", VERSIONED, interpreter=".venv/bin/python")
    make_environment(folder / ".venv", "7.7.7")
    with Core(plugins_dir=plugins, entry_points=False) as core:
        assert core.load_plugin("contained").call("found") == "7.7.7"


def test_home_folder(plugins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    make_environment(tmp_path / "envs" / "mine", "8.0.0")
    write_module(plugins, "homely", VERSIONED, interpreter="~/envs/mine")
    with Core(plugins_dir=plugins, entry_points=False) as core:
        assert core.load_plugin("homely").call("found") == "8.0.0"


def test_metadata_goes_before_the_variable(
    plugins: Path, environments: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGOS_HOST_PATH", str(environments["one"] / "bin" / "python"))
    write_module(plugins, "named", VERSIONED, interpreter=str(environments["two"]))
    write_module(plugins, "unnamed", VERSIONED)
    with Core(plugins_dir=plugins, entry_points=False) as core:
        assert core.load_plugin("named").call("found") == "2.0.1"
        assert core.load_plugin("unnamed").call("found") == "1.4.0"


@pytest.mark.parametrize("interpreter", ["/nowhere/python", "nothing/here", "metadata.json", "."])
def test_interpreter_that_is_none(plugins: Path, interpreter: str) -> None:
    write_module(plugins, "homeless", interpreter=interpreter)
    with Core(plugins_dir=plugins, entry_points=False) as core:
        with pytest.raises(ModuleLoadError, match=f"homeless.*{interpreter}"):
            core.load_plugin("homeless")
        assert core.get_plugin_info("homeless").state == "known"
        assert core.load_plugin("worker").call("add", 40, 2) == 42


def test_environment_without_the_runtime(
    plugins: Path, environments: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commonest mistake: the message says what is missing, and where."""
    monkeypatch.chdir(tmp_path)  # this project's own folder has a host_entry.py, found by any interpreter
    python = environments["bare"] / "bin" / "python"
    write_module(plugins, "bare", interpreter=str(python))
    with Core(plugins_dir=plugins, entry_points=False) as core:
        with pytest.raises(ModuleLoadError) as caught:
            core.load_plugin("bare")
        message = str(caught.value)
        assert "'bare'" in message
        assert str(python) in message
        assert "logoscore" in message.replace(str(python), ""), message
        assert core.load_plugin("worker").call("add", 40, 2) == 42


def test_neighbours_of_the_app_do_not_get_into_a_host(
    plugins: Path, environments: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The app's working directory may hold anything, a file named like a module of the standard library too."""
    folder = tmp_path / "work"
    folder.mkdir()
    for name in ("argparse.py", "fake_dependency.py", "host_entry.py", "logoscore.py"):
        (folder / name).write_text("raise RuntimeError('a stranger was imported')\n", encoding="utf-8")
    monkeypatch.chdir(folder)
    write_module(plugins, "old", VERSIONED, interpreter=str(environments["one"]))
    with Core(plugins_dir=plugins, entry_points=False) as core:
        assert core.load_plugin("old").call("found") == "1.4.0"


def test_interpreter_of_a_module_that_crashes(plugins: Path, environments: dict[str, Path]) -> None:
    source = VERSIONED + "\n    @invokable\n    def die(self):\n        import os; os._exit(9)\n"
    folder = write_module(plugins, "fragile", source, interpreter=str(environments["one"]))
    with Core(plugins_dir=plugins, entry_points=False) as core:
        client = core.load_plugin("fragile")
        with pytest.raises(logoscore.ModuleCrashedError, match="exit code 9"):
            client.call("die")
        assert core.load_plugin("fragile").call("found") == "1.4.0"
        metadata = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
        metadata["interpreter"] = str(environments["two"])
        (folder / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
        core.unload_plugin("fragile")
        core.refresh_plugins()
        assert core.load_plugin("fragile").call("found") == "2.0.1"


def test_environment_that_was_removed_meanwhile(plugins: Path, tmp_path: Path) -> None:
    environment = make_environment(tmp_path / "gone", "1.0.0")
    write_module(plugins, "uprooted", VERSIONED, interpreter=str(environment))
    with Core(plugins_dir=plugins, entry_points=False) as core:
        client = core.load_plugin("uprooted")
        assert client.call("found") == "1.0.0"
        shutil.rmtree(environment)
        assert client.call("found") == "1.0.0"
        with pytest.raises(ModuleLoadError, match=environment.name):
            core.reload_plugin("uprooted")
        assert core.get_plugin_info("uprooted").state == "known"
