"""What an app's standard streams are, closed, piped or a terminal, is no concern of its modules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from integration.support import App, Launch, add_method, check_each

LOADS_WORKER = """
import sys
from pathlib import Path
from logoscore import Core

with Core(plugins_dir=sys.argv[1], entry_points=False) as core:
    assert core.load_plugin("worker").call("add", 40, 2) == 42
Path(sys.argv[2]).write_text("works")
"""

#: Has hosts started by ``host_entry.py`` rather than by multiprocessing.
LAUNCHED = {"LOGOS_HOST_PATH": sys.executable}
#: How a shell closes a stream, and the number of its descriptor.
STREAMS = {"stdout": (">&-", 1), "stderr": ("2>&-", 2)}

#: What a user types. Blocks end with an empty line.
SESSION = """
from logoscore import Core, PluginInterface, invokable
core = Core(entry_points=False)
core.start()
offset = 5
def shift(number):
    return number + offset

class Shifter(PluginInterface):
    @invokable
    def shift(self, number: int) -> int:
        return shift(number)

client = core.load_plugin(Shifter)
print("shifted", client.call("shift", 37))
offset = 6
print("known", core.reload_plugin("shifter").call("shift", 37))
core.unload_plugin("shifter")
print("changed", core.load_plugin(Shifter).call("shift", 37))
"""


def closing(streams: str) -> list[str]:
    """The beginning of a command line that closes ``streams`` and runs the rest."""
    return ["/bin/sh", "-c", f'exec "$@" {streams}', "sh"]


def test_closed_streams(launch: Launch, plugins: Path, tmp_path: Path) -> None:
    """Daemons start like this: the first descriptors that are opened then have the numbers 0, 1 and 2."""
    file = tmp_path / "app.py"
    file.write_text(LOADS_WORKER, encoding="utf-8")

    def check(way: str, app: App) -> None:
        app.finish()
        assert (tmp_path / way).read_text(encoding="utf-8") == "works"

    apps = {}
    for kind, closed in (
        ("spawned", "<&-"),
        ("spawned", "2>&-"),
        ("spawned", ">&- 2>&-"),
        ("spawned", "<&- >&- 2>&-"),
        ("launched", "<&- >&- 2>&-"),
    ):
        way = f"{kind} {closed}"
        command = [*closing(closed), sys.executable, file, plugins, tmp_path / way]
        apps[way] = launch(command, env=LAUNCHED if kind == "launched" else {})
    check_each(apps, check)


def test_output_of_a_module_never_goes_into_the_apps_files(launch: Launch, plugins: Path, tmp_path: Path) -> None:
    """Where a stream is closed, its descriptor is soon a file of the app's own: a database, say."""
    add_method(plugins, "complain(self, fd: int)", "os.write(fd, b'words of the module')")
    add_method(plugins, "run(self)", "subprocess.run(['sh', '-c', 'echo words of its program; echo and more >&2'])")
    file = tmp_path / "app.py"
    file.write_text(
        "import os, sys\n"
        "number = int(sys.argv[3])\n"
        "files = [open(sys.argv[2], 'a') for _ in range(3)]\n"
        "assert files[0].fileno() == number, files\n"
        "from logoscore import Core\n"
        "with Core(plugins_dir=sys.argv[1], entry_points=False) as core:\n"
        "    worker = core.load_plugin('worker')\n"
        "    worker.call('complain', number)\n"
        "    worker.call('run')\n"
        "os._exit(42)\n",
        encoding="utf-8",
    )

    def check(stream: str, app: App) -> None:
        app.finish(42)
        assert (tmp_path / stream).read_text(encoding="utf-8") == ""

    apps = {}
    for stream, (closed, number) in STREAMS.items():
        for kind, env in (("spawned", {}), ("launched", LAUNCHED)):
            data = tmp_path / f"{kind} {stream}"
            command = [*closing(closed), sys.executable, file, plugins, data, str(number)]
            apps[f"{kind} {stream}"] = launch(command, env=env)
    check_each(apps, check)


def test_stdin_stays_the_apps(launch: Launch, plugins: Path, tmp_path: Path) -> None:
    """What a module's subprocess reads from its stdin is nothing, not what the app's user types."""
    file = tmp_path / "app.py"
    file.write_text(
        "import sys\n"
        "from logoscore import Core\n"
        "with Core(plugins_dir=sys.argv[1], entry_points=False) as core:\n"
        "    print('module got', core.load_plugin('worker').call('swallow'))\n"
        "print('app got', sys.stdin.read())\n",
        encoding="utf-8",
    )
    add_method(plugins, "swallow(self) -> bytes", "return subprocess.check_output(['cat'])")
    typed = tmp_path / "typed"
    typed.write_text("typed by the user", encoding="utf-8")

    def check(_: str, app: App) -> None:
        assert app.finish().splitlines() == ["module got b''", "app got typed by the user"]

    apps = {}
    for kind, env in (("spawned", {}), ("launched", LAUNCHED)):
        with typed.open("rb") as stdin:
            apps[kind] = launch([sys.executable, file, plugins], stdin=stdin, env=env)
    check_each(apps, check)


def assert_session(output: str) -> None:
    assert "shifted 42" in output, output
    assert "known 42" in output, output  # a reload is of what was loaded
    assert "changed 43" in output, output  # loading the class again is of what it is now
    assert "Traceback" not in output, output


def test_repl_on_a_pipe(launch: Launch) -> None:
    app = launch([sys.executable, "-i", "-q"], stdin=subprocess.PIPE)
    assert app.process.stdin is not None
    with app.process.stdin as stdin:
        stdin.write(SESSION.encode())
    app.finish()
    assert_session(app.out + app.err)


def test_repl_on_a_terminal(launch: Launch) -> None:
    """The hosts are in sessions of their own, so it is the app alone that has the terminal."""
    user, terminal = os.openpty()
    try:
        app = launch([sys.executable, "-i", "-q"], stdin=terminal, env={"TERM": "dumb", "PYTHON_BASIC_REPL": "1"})
        os.close(terminal)
        os.write(user, SESSION.encode())
        app.expect("changed .*")
        os.write(user, b"exit()\n")
        app.finish()
    finally:
        os.close(user)
    assert_session(app.out + app.err)
