"""The chaos: threads of the app that kill, stop, hang, spoil, unload and load whoever comes next."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Final

from chaos.load import LOST, SPOILT
from chaos.party import DEATHS
from chaos.stage import LIFECYCLE_SECONDS, NAMES, Actor, Stage
from logoscore.errors import DependencyError, LogosError, ModuleLoadError, StateError

__all__ = ["MISCHIEF", "UNWATCHED"]

UNWATCHED: Final = ("relay_a", "listener")
"""Modules without ``hang_timeout``."""
_SIGNALS: Final = (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM, signal.SIGBUS, signal.SIGHUP)
_LIFECYCLE: Final = (*LOST, DependencyError, ModuleLoadError, StateError)
"""What loading and unloading may raise while others load, unload and kill."""


@contextmanager
def process_of(stage: Stage, name: str) -> Iterator[int | None]:
    """A pidfd of the module's host, which is ours for certain; None if there is none now."""
    pid = stage.core.get_plugin_info(name).pid
    descriptor = None
    try:
        if pid is not None and pid != os.getpid():
            with suppress(OSError):
                descriptor = os.pidfd_open(pid)
                if _parent(pid) != os.getpid():  # it ended, and another process has its number
                    os.close(descriptor)
                    descriptor = None
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _parent(pid: int) -> int:
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    return int(stat.rpartition(")")[2].split()[1])


def _send(descriptor: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(descriptor, number)


def killer(stage: Stage, rng: Random) -> None:
    """One of them ends, from outside or from inside."""
    stage.ended.wait(rng.uniform(0.1, 1.2))
    name = rng.choice((*NAMES, "capability_module"))
    if rng.random() < 0.5 or name == "capability_module":
        number = rng.choice(_SIGNALS)
        with process_of(stage, name) as descriptor:
            if descriptor is not None:
                _send(descriptor, number)
                stage.tally.count("kills", f"{number.name} of {_kind(name)}")
        return
    how = rng.choice(list(DEATHS))
    with stage.watcher.watching(f"{name}.die({how})", 5.0):
        try:
            stage.core.get_client(name).call("die", how, timeout=5.0)
        except Exception as error:  # noqa: BLE001 - the tally judges it
            stage.tally.failed("deaths in a call", f"{name}.die({how})", error, SPOILT if name == "vandal" else LOST)
        else:
            if how != "os._exit in a thread":
                stage.tally.defect("wrong answers", f"{name}.die({how}) returned")
    stage.tally.count("kills", f"{how} in a method")


def _kind(name: str) -> str:
    return name if name == "capability_module" else "a module"


def stopper(stage: Stage, rng: Random) -> None:
    """One of them stands still for a moment."""
    stage.ended.wait(rng.uniform(0.5, 2.0))
    name = rng.choice((*NAMES, "capability_module"))
    with process_of(stage, name) as descriptor:
        if descriptor is not None:
            _send(descriptor, signal.SIGSTOP)
            try:
                stage.ended.wait(rng.uniform(0.01, 1.5))
            finally:
                _send(descriptor, signal.SIGCONT)
            stage.tally.count("kills", f"SIGSTOP, SIGCONT of {_kind(name)}")


def hanger(stage: Stage, rng: Random) -> None:
    """A method never returns: its caller has a deadline."""
    stage.ended.wait(rng.uniform(1.0, 5.0))
    name, seconds = rng.choice(NAMES), rng.uniform(0.1, 3.0)
    with stage.watcher.watching(f"{name}.hang", seconds):
        try:
            stage.core.get_client(name).call("hang", timeout=seconds)
        except Exception as error:  # noqa: BLE001 - the tally judges it
            stage.tally.failed("hanging methods", f"{name}.hang", error, SPOILT if name == "vandal" else LOST)
        else:
            stage.tally.defect("wrong answers", f"{name}.hang returned")
    stage.tally.count("kills", "hanging method")
    if name in UNWATCHED:
        _lifecycle(stage, "reload", name)  # as its user would; the watchdog ends the others


def spoiler(stage: Stage, rng: Random) -> None:
    """A module writes garbage into its rings."""
    stage.ended.wait(rng.uniform(0.2, 1.5))
    with stage.watcher.watching("vandal.spoil", 3.0):
        try:
            stage.core.get_client("vandal").call("spoil", rng.getrandbits(32), timeout=3.0)
        except Exception as error:  # noqa: BLE001 - the tally judges it
            stage.tally.failed("spoilings", "vandal.spoil", error, SPOILT)
        else:
            stage.tally.count("spoilings", "done")
    stage.tally.count("kills", "garbage in a ring")


def _lifecycle(stage: Stage, what: str, name: str) -> None:
    with stage.watcher.watching(f"{what} of {name}", LIFECYCLE_SECONDS):
        try:
            getattr(stage.core, f"{what}_plugin")(name)
        except LogosError as error:
            stage.tally.failed(f"{what}s", f"{what} of {name}", error, _LIFECYCLE)
        else:
            stage.tally.count(f"{what}s", "done")


def loader(stage: Stage, rng: Random) -> None:
    """Unloads, reloads and loads, while others do so too."""
    stage.ended.wait(rng.uniform(0.2, 3.0))
    _lifecycle(stage, rng.choice(("unload", "reload", "reload", "load")), rng.choice(NAMES))


def keeper(stage: Stage, rng: Random) -> None:
    """Loads who is not there, as an app would."""
    stage.ended.wait(rng.uniform(0.05, 0.3))
    missing = sorted(set(NAMES) - set(stage.core.get_loaded_plugins()))
    if missing:
        _lifecycle(stage, "load", rng.choice(missing))


MISCHIEF: Final[tuple[Actor, ...]] = (killer, stopper, hanger, spoiler, loader, loader, keeper, keeper)
"""One thread each."""
