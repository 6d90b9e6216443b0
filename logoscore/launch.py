"""How a host process is started, and by which interpreter.

Two ways, one control plane:

* multiprocessing's **spawn** context, told not to run the app's main script again (so no ``__main__`` guard is needed)
  and not to start a resource tracker (hosts share nothing that it would track, and it would outlive the app);
* ``host_entry.py`` (the seed's ``logos_host``), run by another interpreter or as an executable of its own, found through
  the module's metadata, ``LOGOS_HOST_PATH``, the application's directory, or next to the plugins directory.

Neither puts a secret into argv or the environment. Either way a host has, from its first instruction on, a session of its
own (Ctrl-C reaches the app only, which unloads in order) and its own stdin and stderr (see ``_start``).
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Sequence
from multiprocessing import context, popen_spawn_posix, process, reduction, spawn, util
from pathlib import Path
from typing import Any, Final, Protocol

from logoscore.boot import HostProcess, main

__all__ = ["HostCommand", "SpawnPopen", "StartedHost", "find_host", "host_python", "search_path", "start_host"]

_ANSWER_SECONDS: Final = 30.0
_FORK_SECONDS: Final = 1.0


class StartedHost(Protocol):
    """A started host, as its supervisor sees it."""

    pid: int | None

    def poll(self) -> int | None:
        """The exit status if it has ended (negative: the signal that ended it), else None. Reaps it."""


def _start(argv: Sequence[str], fds: Sequence[int], stderr_fd: int) -> int:
    """Start a process that gets ``fds`` and nothing else of ours; returns its pid, which the caller reaps.

    Its stdin is empty: what the app's user types is not for modules. Its stdout is the app's, unless the app was started
    without one: then descriptor 1 may be any file that the app has opened since.
    """
    with _starting:
        child = subprocess.Popen(  # noqa: S603 - the command is the app's own configuration
            argv,
            pass_fds=fds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if sys.__stdout__ is None else None,
            stderr=stderr_fd,
            start_new_session=True,
        )
    child.returncode = 0  # its supervisor reaps it: subprocess must not, nor warn that nobody has
    return child.pid


# --- nobody forks meanwhile -----------------------------------------------------------------------------------------
# Popen learns from the end of a pipe that the program runs. A process that the app forks at that very moment, by os.fork or
# multiprocessing, holds the pipe's other end as long as it lives, and Popen would wait so long; with it each later start.
# So a fork waits until the program runs, which takes milliseconds.

_starting = threading.Lock()
_forking = 0  # the thread that has it in order to fork


def _before_fork() -> None:
    global _forking
    if _starting.acquire(timeout=_FORK_SECONDS):  # else the start hangs already, and no fork is to wait for that
        _forking = threading.get_ident()


def _after_fork_in_parent() -> None:
    global _forking
    if _forking == threading.get_ident():
        _forking = 0
        _starting.release()


def _after_fork_in_child() -> None:
    global _forking, _starting
    _forking, _starting = 0, threading.Lock()  # whoever had it is not here


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)


# --- by multiprocessing ---------------------------------------------------------------------------------------------


class SpawnPopen(popen_spawn_posix.Popen):
    """spawn's Popen without the two things that an embedded host must not have: the app's main, and the tracker."""

    def _launch(self, process_obj: process.BaseProcess) -> None:
        payload = io.BytesIO()
        preparation = _preparation_data(process_obj.name)
        context.set_spawning_popen(self)
        try:
            reduction.dump(preparation, payload)
            reduction.dump(process_obj, payload)
        finally:
            context.set_spawning_popen(None)
        opened: list[int] = []
        try:
            sentinel, child_end = os.pipe()
            opened += [sentinel, child_end]
            child_reads, parent_writes = os.pipe()
            opened += [child_reads, parent_writes]
            command = spawn.get_command_line(pipe_handle=child_reads)
            command[0] = host_python()
            if "dir" not in preparation:  # imports fail in some Pythons (3.13.0) if they look in a folder that is gone
                command.insert(1, "-P")
            self._fds.extend([child_reads, child_end, process_obj.control_fd])  # type: ignore[attr-defined]  # not in typeshed
            self.pid = _start(command, self._fds, process_obj.stderr_fd)  # type: ignore[attr-defined]
            self.sentinel = sentinel
            opened.remove(sentinel)
            self.finalizer = util.Finalize(self, os.close, (sentinel,))
            with open(parent_writes, "wb", closefd=False) as pipe:
                pipe.write(payload.getbuffer())
        finally:
            for fd in opened:
                os.close(fd)


HostProcess.start_by = SpawnPopen


def _preparation_data(name: str) -> dict[str, Any]:
    """What ``multiprocessing.spawn.prepare`` gets in the child: no ``init_main_*``, so the app's main is not run."""
    original: str = process.ORIGINAL_DIR  # type: ignore[attr-defined]  # not in typeshed
    data = {
        "log_to_stderr": False,
        "authkey": process.current_process().authkey,
        "name": name,
        "sys_path": search_path(),
        "sys_argv": ["logos_host"],
        "orig_dir": original,
        "start_method": "spawn",
    }
    with contextlib.suppress(FileNotFoundError):  # somebody has removed the working directory: then the host has it too
        data["dir"] = os.getcwd()  # noqa: PTH109 - spawn wants a str
    return data


def search_path() -> list[str]:
    """``sys.path`` as a host gets it."""
    original: str = process.ORIGINAL_DIR  # type: ignore[attr-defined]  # not in typeshed
    return [original if path == "" else path for path in sys.path]


class _SpawnedHost:
    def __init__(self, host: HostProcess) -> None:
        self._popen = host._popen  # type: ignore[attr-defined]
        self._host = host
        self._status: int | None = None
        self.pid = host.pid

    def poll(self) -> int | None:
        if self._status is None:
            self._status = self._popen.poll()
            if self._status is not None:
                self._host.join()
                self._host.close()
        return self._status


def host_python() -> str:
    """A real Python interpreter of this installation, also where ``sys.executable`` is none (an embedding program)."""
    named = sys.executable and "python" in Path(sys.executable).name.lower() and os.access(sys.executable, os.X_OK)
    if named and _is_of_our_version(sys.executable):
        return sys.executable
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    bindir = sysconfig.get_path("scripts")
    for folder in (bindir, f"{sys.exec_prefix}/bin", f"{sys.base_exec_prefix}/bin"):
        for name in (version, "python3", "python"):
            candidate = Path(folder) / name
            if os.access(candidate, os.X_OK):
                return str(candidate)
    return sys.executable or version


@functools.cache
def _is_of_our_version(executable: str) -> bool:
    """Whether ``executable`` runs the Python that we are.

    Where a program embeds Python, CPython guesses ``sys.executable``: the first ``python3`` on the PATH, of any version.
    """
    with contextlib.suppress(OSError):
        if os.path.samefile("/proc/self/exe", executable):  # noqa: PTH121 - no Path for each host
            return True
    command = [executable, "-I", "-S", "-c", "import sys; print(sys.hexversion, sys.implementation.cache_tag)"]
    try:
        with _starting:
            told = subprocess.run(  # noqa: S603 - what would be run as a host anyway
                command, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=_ANSWER_SECONDS
            ).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    return told.decode(errors="replace").split() == [str(sys.hexversion), sys.implementation.cache_tag]


# --- by host_entry.py -----------------------------------------------------------------------------------------------


class HostCommand:
    """The command line that runs a host other than by multiprocessing; descriptors are appended."""

    def __init__(self, argv: Sequence[str], origin: str) -> None:
        self.argv = list(argv)
        self.origin = origin
        """Where it was found, for messages."""


def find_host(interpreter: str | None, module_dir: Path | None, plugins_dirs: Sequence[Path]) -> HostCommand | None:
    """Which host to use; None: the app's own interpreter, by multiprocessing.

    In this order: ``interpreter`` of the module's metadata (relative to its folder), ``LOGOS_HOST_PATH``, a
    ``logos_host`` in the application's directory, a ``logos_host`` next to a plugins directory.

    Raises:
        FileNotFoundError: the metadata names an interpreter that does not exist.
    """
    if interpreter is not None:
        path = (module_dir or Path()) / Path(interpreter).expanduser()
        command = _command(path, f"metadata 'interpreter': {interpreter}")
        if command is None:
            raise FileNotFoundError(f"the interpreter {path} does not exist or cannot be executed")
        return command
    named = os.environ.get("LOGOS_HOST_PATH")
    if named:
        command = _command(Path(named), "LOGOS_HOST_PATH")
        if command is not None:
            return command
        import logging

        logging.getLogger("logoscore").warning(
            "LOGOS_HOST_PATH=%s does not exist or cannot be executed: ignored", named
        )
    main = getattr(sys.modules.get("__main__"), "__file__", None) or (sys.argv[0] if sys.argv else "")
    folders = [Path(main).resolve().parent] if main and Path(main).is_file() else []
    folders += [parent for path in plugins_dirs for parent in (path.resolve().parent, path.resolve().parent / "bin")]
    for folder in folders:
        command = _command(folder / "logos_host", f"{folder}/logos_host")
        # The script that pip installed beside this very interpreter would be the same host, only slower to start.
        if command is not None and folder != Path(sysconfig.get_path("scripts")).resolve():
            return command
    return None


def _command(path: Path, origin: str) -> HostCommand | None:
    """``path`` may be an interpreter, a virtual environment, an executable host, or a host script."""
    if path.is_dir():
        path = path / "bin" / "python"
    if not path.is_file():
        return None
    if path.suffix == ".py":
        return HostCommand([host_python(), str(path)], origin)
    if not os.access(path, os.X_OK):
        return None
    if path.name.startswith(("python", "pypy")):
        return HostCommand([str(path), "-P", "-m", "host_entry"], origin)  # -P: not the one in some working directory
    return HostCommand([str(path)], origin)


class _ForeignHost:
    def __init__(self, pid: int) -> None:
        self.pid: int | None = pid
        self._status: int | None = None

    def poll(self) -> int | None:
        if self._status is None and self.pid is not None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                return None  # somebody else has reaped it
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status


def start_host(name: str, control_fd: int, stderr_fd: int, command: HostCommand | None) -> StartedHost:
    """Start a host that speaks on ``control_fd`` and writes its stderr to ``stderr_fd``; both stay the caller's.

    Raises:
        OSError: it could not be started.
    """
    if command is not None:
        return _ForeignHost(_start([*command.argv, "--control-fd", str(control_fd)], [control_fd], stderr_fd))
    host = HostProcess(target=main, name=f"logos_host {name}", args=(control_fd,))
    host.control_fd, host.stderr_fd = control_fd, stderr_fd
    host.start()
    # We reap it ourselves. Left there, multiprocessing would join it at exit, also in a forked child that cannot.
    process._children.discard(host)  # type: ignore[attr-defined]
    return _SpawnedHost(host)
