"""The first steps of a host: what runs in it before anything else of logoscore does.

    spawn's own start ─▶ HostProcess (unpickled) ─▶ main ─▶ import_host ─▶ host.run_host
    host_entry.py ────────────────────────────────────────▶ import_host ─▶ host.run_host

Rules:

* Every load waits for what is imported here, and memory for it is paid once per host. So this file imports nothing that
  multiprocessing has not imported already, and nothing of the app's side of launching.
* Nobody else runs yet: one thread, no code of a module.
"""

from __future__ import annotations

import gc
import importlib
import sys
import threading
from collections.abc import Callable
from multiprocessing import context
from types import ModuleType
from typing import Any, ClassVar

__all__ = ["HostProcess", "import_host", "main"]


class HostProcess(context.SpawnProcess):
    """A host on its way up: the child unpickles it, so it has what a host needs and no more.

    ``control_fd`` keeps its number in the host. ``stderr_fd`` is a number of the app's process, of no meaning to the host.
    """

    control_fd: int
    stderr_fd: int
    start_by: ClassVar[Callable[[Any], Any]]
    """Starts it: the app's side (``launch.py``) puts that here."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802 - multiprocessing's name
        return HostProcess.start_by(process_obj)


def main(control_fd: int) -> None:
    """The target of a host started by multiprocessing."""
    raise SystemExit(import_host()(control_fd))


def import_host() -> Callable[[int], int]:
    """Import what every host needs until it has loaded its module; returns ``run_host``."""
    collects = gc.isenabled()
    gc.disable()  # nothing of what is imported is garbage, and looking for it takes a tenth of the time
    try:
        _import_msgspec()
        from logoscore import loading
        from logoscore.host import run_host
        from logoscore.session import api
    finally:
        if collects:
            gc.enable()
    del api, loading
    return run_host


# --- msgspec --------------------------------------------------------------------------------------------------------

_UNUSED = ("inspect", "json", "toml", "yaml")
"""Parts of msgspec that its ``__init__`` imports and a host needs only if its module does."""


class _Later(ModuleType):
    """Stands for a module until something of it is used; then it is imported."""

    _lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the import system looks at a module that is there; that is no use of it
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        with self._lock:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        module = importlib.import_module(self.__name__)
        self.__dict__.update(module.__dict__)  # for those who hold this one
        return getattr(module, name)


def _import_msgspec() -> None:
    """``import msgspec`` in a third of its time: without its JSON schemas, its inspection, and ``typing_extensions``.

    From the last it takes what Python has of its own since 3.11, but imports all of it where it happens to be installed.
    """
    if "msgspec" in sys.modules:
        return
    for part in _UNUSED:
        sys.modules[f"msgspec.{part}"] = _Later(f"msgspec.{part}")
    absent = "typing_extensions" not in sys.modules
    if absent:
        sys.modules["typing_extensions"] = None  # type: ignore[assignment]  # an import of it fails, and is no error there
    try:
        import msgspec  # noqa: F401
    finally:
        if absent:
            del sys.modules["typing_extensions"]
