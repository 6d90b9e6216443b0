"""Apps as programs of their own: started like a user starts them, watched from outside until nothing of them is left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pytest
from acceptance.support import write_module
from helpers import wait_until

from logoscore.transport.segment import process_start_time

_MARK = "LOGOS_TEST_MARK"
_PROC = Path("/proc")
_SHM = Path("/dev/shm")
END_SECONDS = 40.0
"""Every bound of an orderly end (grace, SIGTERM, SIGKILL, joins) together is far below this."""

#: What the runtime itself must never write to a user's stderr while it ends.
NOISE = (
    "Traceback (most recent call last)",
    "Exception ignored",
    "Exception in thread",
    "Fatal Python error",
    "resource_tracker",
    "ResourceWarning",
    "never awaited",
    "Task was destroyed",
    "at interpreter shutdown",
)

WORKER = '''
import os, subprocess, sys, threading
from logoscore import PluginInterface, invokable

class Worker(PluginInterface):
    def init_logos(self, api):
        self.api = api
        self.hanging = 0

    @invokable
    def echo(self, value):
        return value

    @invokable
    def add(self, left: int, right: int) -> int:
        return left + right

    @invokable
    def pid(self):
        return os.getpid()

    @invokable
    def hang(self):
        self.hanging += 1
        self.api.trigger("hanging")
        threading.Event().wait()

    @invokable
    def say(self, text: str):
        print(text, flush=True)
        self.api.trigger("said", text)

    @invokable
    def count(self, end: int):
        yield from range(end)

    @invokable
    def flood(self):
        """Triggers for ever, beside whatever is called."""
        def run():
            number = 0
            while True:
                number += 1
                self.api.trigger("flood", number)
        threading.Thread(target=run, daemon=True).start()

    @invokable
    def stay(self):
        """A thread that keeps an interpreter from ending."""
        threading.Thread(target=threading.Event().wait, daemon=False).start()

    @invokable
    def start_program(self, *argv: str) -> int:
        self.program = subprocess.Popen(argv)
        return self.program.pid

    @invokable
    def fork(self) -> int:
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
        if child == 0:
            import signal
            while True:
                signal.pause()
        return child

    @invokable
    def call(self, module: str, method: str, *args):
        return self.api.get_client(module).call(method, *args)

    @invokable
    def die(self):
        os._exit(7)
'''


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """A plugins directory with the module ``worker``; tests add their own with ``write_module``."""
    folder = tmp_path / "modules" / "plugins"
    folder.mkdir(parents=True)
    write_module(folder, "worker", WORKER)
    return folder


def add_method(plugins: Path, head: str, *body: str) -> None:
    """Give the module ``worker`` one method more: ``add_method(plugins, "twice(self, n)", "return 2 * n")``."""
    code = plugins / "worker" / "worker.py"
    lines = ["", "    @invokable", f"    def {head}:", *(f"        {line}" for line in body), ""]
    with code.open("a", encoding="utf-8") as stream:
        stream.write("\n".join(lines))


# --- processes ------------------------------------------------------------------------------------------------------


def processes_with(mark: str) -> list[int]:
    """Whoever has ``mark`` in its environment: the app, its hosts, and all that these started. No zombies."""
    wanted = f"{_MARK}={mark}".encode()
    found = []
    for entry in _PROC.glob("[0-9]*/environ"):
        try:
            if wanted in entry.read_bytes().split(b"\0"):
                found.append(int(entry.parent.name))
        except OSError:
            continue  # it ended while we looked, or is not ours
    return found


def is_running(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


class App:
    """A running program. Its output goes to files, so nobody's open pipe decides when it has ended."""

    def __init__(
        self,
        command: Sequence[str | os.PathLike[str]],
        folder: Path,
        *,
        stdin: IO[Any] | int | None = subprocess.DEVNULL,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.mark = uuid.uuid4().hex
        self._out, self._err = folder / f"{self.mark}.out", folder / f"{self.mark}.err"
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("LOGOS_")}
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=out,
                stderr=err,
                cwd=cwd or folder,
                env={**inherited, **(env or {}), _MARK: self.mark},
                start_new_session=True,
            )
        self.pid = self.process.pid
        self._started = process_start_time(self.pid) or 0

    @property
    def out(self) -> str:
        return self._out.read_text(encoding="utf-8", errors="replace")

    @property
    def err(self) -> str:
        return self._err.read_text(encoding="utf-8", errors="replace")

    def __repr__(self) -> str:
        return f"app {self.pid}, exit code {self.process.poll()}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"

    def expect(self, line: str) -> re.Match[str]:
        """Wait until stdout has a whole line that matches the pattern ``line``."""

        def found() -> re.Match[str] | None:
            match = re.search(rf"^{line}\n", self.out, re.MULTILINE)
            assert match or self.process.poll() is None, f"{line!r} was not said by {self!r}"
            return match

        match = wait_until(found, END_SECONDS, f"{line!r} in the output of {self!r}")
        assert match is not None
        return match

    def signal_group(self, number: signal.Signals) -> None:
        """What a terminal does on Ctrl-C: everybody in the app's process group gets it."""
        os.killpg(self.pid, number)

    def finish(self, code: int | None = 0) -> str:
        """Wait for its end, with that exit code (None: any), and for the end of all it started; returns its stdout."""
        self.wait(code)
        self.assert_gone()
        return self.out

    def wait(self, code: int | None = 0) -> None:
        """Wait for its end, with that exit code (None: any)."""
        try:
            ended = self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end: {self!r}") from None
        assert code is None or ended == code, repr(self)

    def assert_gone(self) -> None:
        """No process and no name in shared memory is left."""
        wait_until(lambda: not processes_with(self.mark), what=f"the end of all processes of {self!r}")
        assert not self.names(), f"left by {self!r}"

    def names(self) -> list[str]:
        """What it has in shared memory under a name. Others' names are there too, as other apps run beside this one."""
        return sorted(entry.name for entry in _SHM.glob(f"*logos.{self.pid:x}.{self._started:x}.*"))

    def assert_quiet(self, *allowed: str) -> None:
        """Nothing on stderr looks like a defect of the runtime; lines with one of ``allowed`` do not count."""
        text = "\n".join(line for line in self.err.splitlines() if not any(word in line for word in allowed))
        assert not [word for word in NOISE if word in text], repr(self)

    def kill(self) -> None:
        """Whatever state it is in: nothing of it stays."""

        def none_left() -> bool:
            pids = processes_with(self.mark)
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue  # it ended meanwhile
            return not pids

        wait_until(none_left, what="the end of killed processes")
        self.process.wait(END_SECONDS)
        for name in self.names():
            (_SHM / name).unlink(missing_ok=True)  # or somebody's leak check would find them


def check_each(apps: Mapping[str, App], check: Callable[[str, App], object]) -> None:
    """Check apps that run side by side; every failure is told, with the name of its app."""
    failures = []
    for name, app in apps.items():
        try:
            check(name, app)
        except AssertionError as error:
            failures.append(f"{name}: {error}")
    assert not failures, "\n\n".join(failures)


Launch = Callable[..., App]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """``launch(command, **options)`` starts an :class:`App`; whatever a failed test leaves of it is killed."""
    apps: list[App] = []

    def start(command: Sequence[str | os.PathLike[str]], **options: Any) -> App:
        apps.append(App(command, tmp_path, **options))
        return apps[-1]

    yield start
    for app in apps:
        app.kill()


@pytest.fixture
def script(launch: Launch, tmp_path: Path) -> Launch:
    """``script(source, *arguments, **options)`` starts an app from its source text, in a folder of its own."""

    def start(source: str, *arguments: str | os.PathLike[str], flags: Sequence[str] = (), **options: Any) -> App:
        folder = tmp_path / f"app{len(list(tmp_path.glob('app*')))}"
        folder.mkdir()
        file = folder / "app.py"
        file.write_text(textwrap.dedent(source), encoding="utf-8")
        return launch([sys.executable, *flags, file, *arguments], **options)

    return start
