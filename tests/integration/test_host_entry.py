"""``logos_host``: found where the seed looks for it, run by whatever is there, and entrusted with no secret in the open."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.support import Launch, add_method
from logoscore import Core
from logoscore.errors import ModuleLoadError

#: Starts a host with this very interpreter, and leaves a trace that it was this one.
HOST_SCRIPT = """#!/bin/sh
echo "$0" >> {trace}
exec {python} -m host_entry "$@"
"""


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    file = tmp_path / "trace"
    file.touch()
    return file


@pytest.fixture
def make_host(trace: Path) -> Callable[[Path], Path]:
    """Makes an executable ``logos_host`` that writes its own path into ``trace``."""

    def make(path: Path) -> Path:
        path.write_text(HOST_SCRIPT.format(trace=shlex.quote(str(trace)), python=shlex.quote(sys.executable)))
        path.chmod(0o755)
        return path

    return make


def works(plugins: Path) -> None:
    with Core(plugins_dir=plugins, entry_points=False) as core:
        worker = core.load_plugin("worker")
        assert worker.call("add", 40, 2) == 42
        assert worker.call("pid") == core.get_plugin_info("worker").pid
        assert list(worker.stream("count", 100)) == list(range(100))
        assert worker.call("echo", b"x" * 300_000) == b"x" * 300_000
        with worker.subscribe("said") as said:
            worker.call("say", "hello")
            assert said.get(timeout=15).data == ("hello",)


def test_variable_names_an_interpreter(plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGOS_HOST_PATH", sys.executable)
    add_method(plugins, "command(self) -> list[str]", "return sys.orig_argv")
    works(plugins)
    with Core(plugins_dir=plugins, entry_points=False) as core:
        assert "host_entry" in core.load_plugin("worker").call("command")


def test_variable_names_a_host(
    plugins: Path, tmp_path: Path, trace: Path, make_host: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    host = make_host(tmp_path / "a host")
    monkeypatch.setenv("LOGOS_HOST_PATH", str(host))
    works(plugins)
    assert trace.read_text().splitlines() == [str(host)] * 2, "the worker and the capability module"


def test_variable_names_the_script_itself(plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import host_entry

    monkeypatch.setenv("LOGOS_HOST_PATH", str(Path(host_entry.__file__).absolute()))
    works(plugins)


@pytest.mark.parametrize("kind", ["missing", "not executable", "empty folder"])
def test_variable_names_nothing_of_use(
    plugins: Path,
    tmp_path: Path,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "host"
    if kind == "not executable":
        path.write_text("#!/bin/sh\nexit 1\n")
    elif kind == "empty folder":
        path.mkdir()
    monkeypatch.setenv("LOGOS_HOST_PATH", str(path))
    with caplog.at_level(logging.WARNING, "logoscore"):
        works(plugins)
    assert any("LOGOS_HOST_PATH" in line and str(path) in line for line in caplog.messages), caplog.text


def test_empty_variable_is_none(
    plugins: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LOGOS_HOST_PATH", "")
    works(plugins)
    assert caplog.messages == []


@pytest.mark.parametrize("words", ["exit 3", "echo 'no such luck' >&2; exit 3", "kill -9 $$"])
def test_host_that_fails(plugins: Path, tmp_path: Path, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    host = tmp_path / "host"
    host.write_text(f"#!/bin/sh\n{words}\n")
    host.chmod(0o755)
    monkeypatch.setenv("LOGOS_HOST_PATH", str(host))
    core = Core(plugins_dir=plugins, entry_points=False)
    with pytest.raises(ModuleLoadError) as caught:
        core.start()
    core.cleanup()
    expected = "SIGKILL" if "kill" in words else "exit code 3"
    assert expected in str(caught.value)
    assert "luck" in str(caught.value) or "luck" not in words


def test_host_that_is_no_program(plugins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = tmp_path / "host"
    host.write_bytes(b"\0\1\2 this is nothing that could be executed")
    host.chmod(0o755)
    monkeypatch.setenv("LOGOS_HOST_PATH", str(host))
    core = Core(plugins_dir=plugins, entry_points=False)
    with pytest.raises(ModuleLoadError, match="host"):
        core.start()
    core.cleanup()


def test_host_that_speaks_another_language(plugins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It writes garbage into the control pipe: its own load fails, in words."""
    host = tmp_path / "host"
    words = "import os, sys\nwhile True: os.write(int(sys.argv[2]), b'HTTP/1.1 400 Bad Request' * 999)\n"
    host.write_text(f"#!{sys.executable}\n{words}")
    host.chmod(0o755)
    monkeypatch.setenv("LOGOS_HOST_PATH", str(host))
    core = Core(plugins_dir=plugins, entry_points=False)
    with pytest.raises(ModuleLoadError, match="control message"):
        core.start()
    core.cleanup()


def test_host_that_never_speaks(plugins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = tmp_path / "host"
    host.write_text("#!/bin/sh\nexec sleep 1000\n")
    host.chmod(0o755)
    monkeypatch.setenv("LOGOS_HOST_PATH", str(host))
    core = Core(plugins_dir=plugins, entry_points=False, load_timeout=1.0)
    with pytest.raises(ModuleLoadError, match=r"did not come up within 1 s \(load_timeout\)"):
        core.start()
    core.cleanup()


@pytest.mark.parametrize("place", ["the app's folder", "beside the plugins", "bin beside the plugins"])
def test_host_that_is_found(
    launch: Launch, plugins: Path, tmp_path: Path, trace: Path, make_host: Callable[[Path], Path], place: str
) -> None:
    app_folder = tmp_path / "application"
    app_folder.mkdir()
    (app_folder / "app.py").write_text(
        "import sys\n"
        "from logoscore import Core\n"
        "with Core(plugins_dir=sys.argv[1], entry_points=False) as core:\n"
        "    print(core.load_plugin('worker').call('add', 40, 2))\n"
    )
    folders = {
        "the app's folder": app_folder,
        "beside the plugins": plugins.parent,
        "bin beside the plugins": plugins.parent / "bin",
    }
    folders[place].mkdir(exist_ok=True)
    host = make_host(folders[place] / "logos_host")
    app = launch([sys.executable, app_folder / "app.py", plugins])
    assert app.finish().splitlines() == ["42"]
    app.assert_quiet()
    assert trace.read_text().splitlines() == [str(host)] * 2


def test_variable_goes_before_the_folders(
    plugins: Path, tmp_path: Path, trace: Path, make_host: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_host(plugins.parent / "logos_host")
    host = make_host(tmp_path / "named_host")
    monkeypatch.setenv("LOGOS_HOST_PATH", str(host))
    works(plugins)
    assert set(trace.read_text().splitlines()) == {str(host)}


def test_help(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "host_entry", "--help"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "usage: logos_host" in run.stdout
    assert "--control-fd" in run.stdout
    assert run.stderr == ""


@pytest.mark.parametrize("arguments", [[], ["--control-fd", "x"], ["--control-fd", "77"], ["--control-fd", "-1"]])
def test_started_by_hand(tmp_path: Path, arguments: list[str]) -> None:
    """A user who tries it is told what it is for; he sees no traceback."""
    command = [sys.executable, "-m", "host_entry", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=40)
    assert run.returncode != 0
    assert "control" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("foreign", [False, True], ids=["spawned", "launched"])
def test_no_secret_in_the_open(plugins: Path, foreign: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can list processes sees no token: neither the modules' own nor any pair's."""
    if foreign:
        monkeypatch.setenv("LOGOS_HOST_PATH", sys.executable)
    else:
        monkeypatch.delenv("LOGOS_HOST_PATH", raising=False)
    other = plugins / "other"
    other.mkdir()
    source = (plugins / "worker" / "worker.py").read_text()
    (other / "other.py").write_text(source)
    (other / "metadata.json").write_text('{"name": "other", "version": "1.0.0", "calls": ["worker"]}')
    add_method(plugins, "shown(self)", "return [sys.argv, sys.orig_argv, dict(os.environ)]")
    with Core(plugins_dir=plugins, entry_points=False) as core:
        worker, second = core.load_plugin("worker"), core.load_plugin("other")
        assert second.call("call", "worker", "add", 40, 2) == 42
        assert worker.call("add", 40, 2) == 42
        tokens = {core.get_token(name) for name in ("worker", "other", "capability_module", "core_manager")}
        tokens |= {core.api.tokens.held("worker"), core.api.tokens.held("other")}
        tokens.discard(None)
        assert len(tokens) == 6
        pids = [core.get_plugin_info(name).pid for name in ("worker", "other", "capability_module")]
        shown = [Path(f"/proc/{pid}/{what}").read_bytes() for pid in pids for what in ("cmdline", "environ", "comm")]
        shown += [repr(worker.call("shown")).encode()]
        shown += [Path(f"/proc/{os.getpid()}/{what}").read_bytes() for what in ("cmdline", "environ")]
    for token in tokens:
        for form in (token, token.replace("-", "")):
            assert not any(form.encode() in text for text in shown)
