"""Loads that fail half-way leave no half state; what a module writes, however much, is told and holds nobody up."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from acceptance.support import metadata_of, write_dist_info, write_module
from integration.support import Launch, add_method

from logoscore import Core
from logoscore.errors import LogosError, ModuleCrashedError, ModuleLoadError
from logoscore.session.subscription import Subscription

HEAD = """
import os, signal, sys, threading
from logoscore import PluginInterface, invokable
print("last words of the module", file=sys.stderr, flush=True)
"""
BODY = """
class Module(PluginInterface):
    @invokable
    def ping(self):
        return self.api.name
"""

#: Code at a module's top level, and what the error says.
DEATHS = {
    "os._exit": ("os._exit(9)", "exit code 9"),
    "os._exit(0)": ("os._exit(0)", "exit code 0"),
    "SIGKILL": ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
    "SIGSEGV": ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    "abort": ("os.abort()", "SIGABRT"),
    "sys.exit": ("sys.exit(5)", "SystemExit"),
    "sys.exit in a thread": ("threading.Thread(target=sys.exit).start(); raise OSError('and so')", "and so"),
    "closed descriptors": ("os.closerange(3, 1024)", "closed the control pipe of its host"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "error without text": ("class Mute(Exception):\n    def __str__(self): raise OSError\nraise Mute", "Mute"),
    "recursion": ("def run(): run()\nrun()", "RecursionError"),
    "memory": ("bytearray(1 << 62)", "MemoryError"),
}


def assert_no_half_state(core: Core, name: str) -> None:
    info = core.get_plugin_info(name)
    assert (info.state, info.pid, info.loaded_at) == ("known", None, None)
    assert name not in core.get_loaded_plugins()
    for use in (lambda: core.get_token(name), lambda: core.get_client(name).call("ping", timeout=10)):
        with pytest.raises(LogosError, match=name):
            use()


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plugins directory with one module per death."""
    folder = tmp_path_factory.mktemp("mortal")
    for death, (code, _) in DEATHS.items():
        write_module(folder, named(death), f"{HEAD}\n{code}\n{BODY}")
    return folder


@pytest.fixture(scope="module")
def shared_core(mortal: Path) -> Iterator[Core]:
    with Core(plugins_dir=mortal, entry_points=False) as core:
        yield core


def named(death: str) -> str:
    return re.sub(r"\W+", "_", death).strip("_").lower()


@pytest.mark.parametrize("death", DEATHS)
def test_death_during_the_import(shared_core: Core, mortal: Path, death: str) -> None:
    core, name = shared_core, named(death)
    with pytest.raises(ModuleLoadError, match=DEATHS[death][1]) as caught:
        core.load_plugin(name)
    assert caught.value.module == name
    assert repr(name) in str(caught.value)
    if death != "closed descriptors":
        assert "last words of the module" in str(caught.value)
    assert_no_half_state(core, name)
    (mortal / name / f"{name}.py").write_text(HEAD + BODY, encoding="utf-8")
    assert core.load_plugin(name).call("ping") == name
    core.unload_plugin(name)


def close_and_ask(core: Core, call: Future[None], closed: Subscription) -> None:
    closed.get(timeout=20)  # unless its control thread was about to look at the pipe just then
    core.get_module_stats()
    call.result(20)


@pytest.mark.parametrize("then", ["", "self.kept = [os.open(os.devnull, os.O_RDONLY) for _ in range(64)]"])
def test_descriptors_closed_later(plugins: Path, then: str) -> None:
    """Its host notices when the core says something next, also where the number is another file's by then."""
    lines = ["os.closerange(3, 1024)", then, "self.api.trigger('closed')", "threading.Event().wait()"]
    method = "\n        ".join(["    @invokable\n    def close(self):", *lines])
    write_module(plugins, "closing", f"{HEAD}{BODY}\n{method}\n")
    with Core(plugins_dir=plugins, entry_points=False) as core:
        closing = core.load_plugin("closing")
        with (
            closing.subscribe("closed") as closed,
            pytest.raises(ModuleCrashedError, match="closed the control pipe of its host"),
        ):
            close_and_ask(core, closing.submit("close"), closed)


def test_modules_that_never_come_up(plugins: Path) -> None:
    wait = "threading.Event().wait()"
    write_module(plugins, "stuck_in_import", HEAD + wait + BODY)
    write_module(plugins, "stuck_in_init", HEAD + BODY + f"    def init_logos(self, api):\n        {wait}\n")
    with Core(plugins_dir=plugins, entry_points=False, load_timeout=5.0) as core, ThreadPoolExecutor(2) as pool:
        loads = {name: pool.submit(core.load_plugin, name) for name in ("stuck_in_import", "stuck_in_init")}
        for name, load in loads.items():
            with pytest.raises(
                ModuleLoadError, match=rf"(?s){name}.*not ready within 5 s \(load_timeout\).*last words"
            ):
                load.result(40)
            assert_no_half_state(core, name)


@pytest.mark.parametrize("wait", ["threading.Event().wait()", "while True: ctypes.PyDLL(None).sleep(1000)"])
def test_where_a_load_hangs_is_in_the_error(plugins: Path, wait: str) -> None:
    """Also where native code keeps the interpreter: the host is asked for its stacks by a signal."""
    methods = f"    def init_logos(self, api):\n        self.find()\n\n    def find(self):\n        {wait}\n"
    code = f"import ctypes{HEAD}{BODY}\n{methods}"
    folder = write_module(plugins, "lost", code)
    line = code.splitlines().index(f"        {wait}") + 1
    with Core(plugins_dir=plugins, entry_points=False, load_timeout=5.0) as core:
        with pytest.raises(
            ModuleLoadError, match=r"not ready within 5 s \(load_timeout\); last lines on its stderr:"
        ) as caught:
            core.load_plugin("lost")
        assert_no_half_state(core, "lost")
    own = [line for line in str(caught.value).splitlines() if str(folder) in line]
    assert own == [
        f'  File "{folder / "lost.py"}", line {line} in find',
        f'  File "{folder / "lost.py"}", line {line - 3} in init_logos',
    ]


def test_what_a_failed_load_had_brought_up_goes_again(plugins: Path) -> None:
    """A chain of four whose last one dies: three are unloaded again, but not what was there before."""
    write_module(plugins, "one")
    write_module(plugins, "two", dependencies=["one"])
    write_module(plugins, "three", dependencies=["two"])
    write_module(plugins, "four", f"{HEAD}\nos._exit(9)\n", dependencies=["three"])
    with Core(plugins_dir=plugins, entry_points=False) as core:
        one = core.load_plugin("one")
        pid = core.get_plugin_info("one").pid
        with pytest.raises(ModuleLoadError, match="exit code 9"):
            core.load_plugin("four")
        assert core.get_loaded_plugins() == ["capability_module", "core_manager", "one"]
        assert (one.call("ping"), core.get_plugin_info("one").pid) == ("one", pid)


def test_events_of_a_module_that_failed(plugins: Path) -> None:
    """Who subscribed before hears what it said before it died, and hears the next one."""
    init = "    def init_logos(self, api):\n        self.api = api\n        api.trigger('up', 1)\n        {}\n"
    source = HEAD + BODY + init
    folder = write_module(plugins, "herald", source.format("os._exit(1)"))
    with Core(plugins_dir=plugins, entry_points=False) as core, core.get_client("herald").subscribe("up") as ups:
        for _ in range(3):
            with pytest.raises(ModuleLoadError):
                core.load_plugin("herald")
        (folder / "herald.py").write_text(source.format("pass"), encoding="utf-8")
        core.load_plugin("herald")
        heard = [ups.get(20)]
        while ups.pending:
            heard.append(ups.get(20))
        assert heard[-1].name == "up"


def test_methods_with_names_of_the_runtimes_own(plugins: Path) -> None:
    """``@invokable def version`` is callable, or the load says why not: it is not lost in silence."""
    names = ("version", "name", "metadata", "api")
    for name in names:
        source = f"{HEAD}\nclass Module(PluginInterface):\n    @invokable\n    def {name}(self):\n        return 42\n"
        write_module(plugins, f"has_{name}", source)
    with Core(plugins_dir=plugins, entry_points=False) as core:
        for name in names:
            try:
                client = core.load_plugin(f"has_{name}")
            except ModuleLoadError as error:
                assert f"{name!r}" in str(error) or f".{name}" in str(error)  # noqa: PT017 - either is right
            else:
                assert client.call(name) == 42


# --- output ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", ["stderr", "stdout"])
def test_flood_of_output(plugins: Path, stream: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Megabytes, in the import and in a call, and not a byte of it is lost on its way to the app's own stream."""
    flood = "for number in range({}): print('{{:>99}}'.format(number), file=sys.{}); sys.{}.flush()"
    early, late = flood.format("20_000", stream, stream), flood.format("20_000, 40_000", stream, stream)
    body = f"{BODY}\n    @invokable\n    def shout(self):\n        {late}\n"
    write_module(plugins, "loud", f"{HEAD}\n{early}\n{body}")
    with Core(plugins_dir=plugins, entry_points=False) as core:
        loud = core.load_plugin("loud")
        loud.call("shout")
        assert loud.call("ping") == "loud"
    captured = capfd.readouterr()
    lines: list[str] = getattr(captured, "out" if stream == "stdout" else "err").splitlines()
    assert [int(line) for line in lines if line.strip().isdigit()] == list(range(40_000))


def test_tail_of_the_output_is_in_the_error(plugins: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The last lines, whole ones, and not all of them; bytes that are no text do no harm."""
    add_method(
        plugins,
        "shout_and_die(self)",
        "for number in range(20_000): os.write(2, f'line {number}\\n'.encode())",
        "os.write(2, bytes(range(256)) + b'\\n' + 'wörter'.encode() + b'\\n')",
        "os._exit(3)",
    )
    with Core(plugins_dir=plugins, entry_points=False) as core:
        with pytest.raises(ModuleCrashedError) as caught:
            core.load_plugin("worker").call("shout_and_die")
        text: Any = caught.value.stderr
        assert "line 19999" in text
        assert "wörter" in text
        assert "line 18000" not in text
        assert len(text) < 20_000
        assert text in str(caught.value)
    capfd.readouterr()


def test_output_that_nobody_reads(script: Launch, plugins: Path, tmp_path: Path) -> None:
    """The app's stderr is a pipe that is full: its modules are slowed down at most, the app itself is not."""
    add_method(plugins, "shout(self)", "threading.Thread(target=self._shout, daemon=True).start()")
    with (plugins / "worker" / "worker.py").open("a", encoding="utf-8") as code:
        code.write("\n    def _shout(self):\n        while True: os.write(2, b'x' * 4096)\n")
    app = script(
        """
        import os, sys
        from logoscore import Core
        unread, full = os.pipe()
        os.dup2(full, 2)
        with Core(plugins_dir=sys.argv[1], entry_points=False) as core:
            worker = core.load_plugin("worker")
            worker.call("shout")
            for number in range(1000):
                assert worker.call("echo", number) == number
            assert core.reload_plugin("worker").call("add", 40, 2) == 42
            print("works", flush=True)
        """,
        plugins,
    )
    assert "works" in app.finish(), repr(app)


def test_module_that_closes_its_streams(plugins: Path) -> None:
    add_method(plugins, "close(self, fd: int)", "os.close(fd)")
    with Core(plugins_dir=plugins, entry_points=False) as core:
        worker = core.load_plugin("worker")
        for descriptor in (0, 1, 2):
            worker.call("close", descriptor)
            assert worker.call("add", 40, 2) == 42
        assert core.reload_plugin("worker").call("add", 40, 2) == 42


#: Code at a module's top level, with the line (the code begins in line 5) and the function that the error names.
PLACES = {
    "import": ("x = 1\nraise OSError('no luck')", "OSError: no luck", 6, ""),
    "without_text": ("raise ValueError", "ValueError:", 5, ""),
    "library": ("import json\ndef read():\n    return json.loads('{')\nread()", "JSONDecodeError: ", 7, ", in read"),
    "chained": (
        "try:\n    1 / 0\nexcept ArithmeticError as exc:\n    raise LookupError('x') from exc",
        "LookupError: x",
        8,
        "",
    ),
    "syntax": ("x = 1\ny = (", "SyntaxError: ", 6, ""),
}


@pytest.mark.parametrize("name", PLACES)
def test_where_the_modules_code_raised_is_in_the_text(plugins: Path, name: str) -> None:
    code, said, line, function = PLACES[name]
    folder = write_module(plugins, name, f"{HEAD}{code}\n")
    with Core(plugins_dir=plugins, entry_points=False) as core, pytest.raises(ModuleLoadError) as caught:
        core.load_plugin(name)
    text = str(caught.value)
    assert text.startswith(f"module {name!r} could not be loaded: {said}")
    assert f" ({folder / name}.py:{line}{function})" in text


def test_where_init_logos_raised_is_in_the_text(plugins: Path) -> None:
    code = f"{HEAD}{BODY}\n    def init_logos(self, api):\n        api.get_client('nobody').call('x')\n"
    folder = write_module(plugins, "hasty", code)
    line = code.splitlines().index("        api.get_client('nobody').call('x')") + 1
    with Core(plugins_dir=plugins, entry_points=False) as core, pytest.raises(ModuleLoadError) as caught:
        core.load_plugin("hasty")
    assert f" ({folder / 'hasty.py'}:{line}, in init_logos)" in str(caught.value)


CONSTRUCTOR = f"{HEAD}{BODY}\n    def __init__(self):\n        raise OSError('no disk')\n"


def test_where_the_constructor_raised_is_in_the_text(plugins: Path) -> None:
    """The innermost line of the module's own: in its class, or in another of its files."""
    folder = write_module(plugins, "straight", CONSTRUCTOR)
    code = CONSTRUCTOR.replace("raise OSError('no disk')", "from .disk import find; find()")
    deep = write_module(plugins, "deep", code)
    (deep / "disk.py").write_text("import os\n\ndef find():\n    os.listdir('/no/such/disk')\n", encoding="utf-8")
    with Core(plugins_dir=plugins, entry_points=False) as core:
        with pytest.raises(ModuleLoadError, match="OSError: no disk") as caught:
            core.load_plugin("straight")
        line = CONSTRUCTOR.splitlines().index("        raise OSError('no disk')") + 1
        assert f" ({folder / 'straight.py'}:{line}, in __init__)" in str(caught.value)
        with pytest.raises(ModuleLoadError, match="FileNotFoundError: ") as caught:
            core.load_plugin("deep")
        assert f" ({deep / 'disk.py'}:4, in find)" in str(caught.value)


def test_where_an_installed_modules_code_raised_is_in_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "lib" / "site-packages"
    package = site / "logos_installed"
    package.mkdir(parents=True)
    (package / "metadata.json").write_text(json.dumps(metadata_of("installed")), encoding="utf-8")
    (package / "module.py").write_text(CONSTRUCTOR, encoding="utf-8")
    write_dist_info(site, "logos-installed", "1.0", {"installed": "logos_installed.module:Module"})
    monkeypatch.syspath_prepend(str(site))
    with Core() as core, pytest.raises(ModuleLoadError, match="OSError: no disk") as caught:
        core.load_plugin("installed")
    line = CONSTRUCTOR.splitlines().index("        raise OSError('no disk')") + 1
    assert f" ({package / 'module.py'}:{line}, in __init__)" in str(caught.value)


def test_a_module_that_took_the_signal_away_was_not_ready_in_time_either(plugins: Path) -> None:
    """The core asks for the stack by SIGQUIT, which then ends the process: no cause, but our question."""
    takes = "signal.signal(signal.SIGQUIT, signal.SIG_DFL)\n        threading.Event().wait()"
    write_module(plugins, "slow", HEAD + BODY + f"    def init_logos(self, api):\n        {takes}\n")
    with Core(plugins_dir=plugins, entry_points=False, load_timeout=2.0) as core:
        with pytest.raises(ModuleLoadError, match=r"not ready within 2 s \(load_timeout\)") as caught:
            core.load_plugin("slow")
        assert "SIGQUIT" not in str(caught.value)
