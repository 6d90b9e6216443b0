"""What a module may use of the machine: its limits, and what one of them did. Who sets them: ``limit_rules.py``.

    metadata "limits" ──┐
    app's "*"         ──┼─▶ effective_limits ─▶ Bootstrap ─▶ Limits.apply, in the host, before its second thread
    app's "<module>"  ──┘                                 └▶ Limits.note and Limits.blame: their names in errors

Rules:

1. A limit that the system refuses, or under which the host could not even work, fails the load by its name.
2. Whatever runs into a limit says so: ``note`` for an exception, ``blame`` for the end of a process.
3. Only :meth:`Limits.apply` and :func:`cpu_seconds` touch the system; what macOS does differently stays in ``apply``.

``address_space`` counts all that is mapped, used or not: the interpreter, libraries, the stack of each thread (8 MiB as a
rule), channels. A host alone takes about 60 MiB on Linux, and one thread with its stack for each peer.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from typing import Final

import msgspec

from logoscore.errors import ModuleLoadError

__all__ = ["NO_LIMITS", "Limits", "cpu_seconds"]

_UNITS: Final = {"address_space": " bytes", "cpu_time": " s", "core_size": " bytes", "hang_timeout": " s"}

_CPU_GRACE: Final = 2  # seconds between SIGXCPU, which a module may ignore, and SIGKILL
_SPARE_BYTES: Final = 16 << 20
_SPARE_THREADS: Final = 4  # control, the core, the capability module, and one more peer
_SPARE_FILES: Final = 8  # those that pass through while channels are opened, and a file of the module's to be imported
_DEFAULT_STACK: Final = 8 << 20

#: What the interpreter, libc and C++ write when they die for want of memory or descriptors.
_WORDS: Final = {
    "address_space": ("MemoryError", "Cannot allocate memory", "can't start new thread", "std::bad_alloc"),
    "open_files": ("Too many open files",),
}
_NATIVE_DEATHS: Final = frozenset({"SIGSEGV", "SIGABRT", "SIGBUS"})  # of code that does not look what malloc gave
_MAX_CHAIN: Final = 16  # exceptions behind an exception that are looked at


class Limits(msgspec.Struct, frozen=True):
    """The limits of one module; None: no limit of ours.

    Attributes:
        address_space: bytes of all that is mapped.
        cpu_time: seconds of CPU time of the whole process, its start included. Then SIGXCPU, 2 s later SIGKILL.
        open_files: descriptors, those of the platform included.
        core_size: bytes of a core dump; 0: none.
        nice: by how much to change the niceness.
        hang_timeout: seconds.
    """

    address_space: int | None = None
    cpu_time: int | None = None
    open_files: int | None = None
    core_size: int | None = None
    nice: int | None = None
    hang_timeout: float | None = None

    def to_dict(self) -> dict[str, int | float]:
        """The limits that there are, by key."""
        return {key: value for key in self.__struct_fields__ if (value := getattr(self, key)) is not None}

    def describe(self, key: str) -> str:
        """``"cpu_time of 10 s"``."""
        return f"{key} of {getattr(self, key)}{_UNITS.get(key, '')}"

    # --- what a limit did -------------------------------------------------------------------------------------------

    def note(self, exc: BaseException) -> str:
        """What to add to the message of ``exc``: ``" (the module's limit …)"``, or ``""`` if no limit has to do with it.

        Runs no code of the exception's class.
        """
        for each in _chain(exc):
            key = _limit_behind(each)
            if key is not None and getattr(self, key) is not None:
                return f" (the module's limit {key} is {getattr(self, key)}{_UNITS.get(key, '')})"
        return ""

    def blame(self, signal_name: str | None, cpu: float | None, stderr: str) -> str:
        """What one of these limits had to do with the end of the process, or ``""``.

        Args:
            signal_name: of the signal that ended it, if one did.
            cpu: seconds of CPU time that it used; None: not known.
            stderr: its last lines.
        """
        if self.cpu_time is not None:
            if signal_name == "SIGXCPU" or (signal_name == "SIGKILL" and cpu is not None and cpu >= self.cpu_time):
                return f"its limit {self.describe('cpu_time')} was reached"
            if signal_name == "SIGKILL" and cpu is None:
                return f"its limit {self.describe('cpu_time')} may have been reached"
        for key, words in _WORDS.items():
            said = next((word for word in words if word in stderr), None)
            if said is not None and getattr(self, key) is not None:
                return f"it wrote {said!r}, and has the limit {self.describe(key)}"
        if self.address_space is not None and signal_name in _NATIVE_DEATHS:
            return f"perhaps native code that got no memory under the limit {self.describe('address_space')}"
        return ""

    # --- in the host ------------------------------------------------------------------------------------------------

    def apply(self, module: str) -> None:
        """Put this process under these limits, for good. Before its second thread: niceness is a thread's on Linux.

        Raises:
            ModuleLoadError: the system refuses one, or the host could not work under it.
        """
        if not self.to_dict():
            return
        import resource

        if self.nice is not None:
            try:
                os.nice(self.nice)
            except OSError as exc:
                raise self._refused(module, "nice", exc) from exc
        if self.core_size is not None:
            self._set(module, "core_size", resource.RLIMIT_CORE, self.core_size)
        if self.cpu_time is not None:
            self._limit_cpu(module)
        if self.open_files is not None or self.address_space is not None:
            _load_unwinder()
        if self.open_files is not None:
            self._require(module, "open_files", self.open_files, _files_needed())
            self._set(module, "open_files", resource.RLIMIT_NOFILE, self.open_files)
        if self.address_space is not None:
            self._limit_memory(module)

    def _limit_cpu(self, module: str) -> None:
        import faulthandler
        import resource
        import signal

        assert self.cpu_time is not None
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        kill = self.cpu_time + _CPU_GRACE
        self._set(
            module, "cpu_time", resource.RLIMIT_CPU, self.cpu_time, hard if self.cpu_time <= hard < kill else kill
        )
        # The last lines on its stderr say where the time went.
        faulthandler.register(signal.SIGXCPU, file=2, all_threads=True, chain=True)

    def _limit_memory(self, module: str) -> None:
        import resource

        if sys.platform == "darwin":
            # It counts what all processes share, hundreds of gigabytes, and refuses any sensible value.
            print(f"{module}: limit address_space is not enforced on macOS", file=sys.stderr, flush=True)
            return
        assert self.address_space is not None
        _one_heap()
        self._require(module, "address_space", self.address_space, _memory_needed())
        self._set(module, "address_space", resource.RLIMIT_AS, self.address_space)

    def _set(self, module: str, key: str, which: int, soft: int, hard: int | None = None) -> None:
        import resource

        try:
            resource.setrlimit(which, (soft, soft if hard is None else hard))
        except (OSError, ValueError, OverflowError) as exc:
            raise self._refused(module, key, exc) from exc

    def _refused(self, module: str, key: str, exc: Exception) -> ModuleLoadError:
        return ModuleLoadError(f"{module}: the system refuses the limit {self.describe(key)}: {exc}", module=module)

    def _require(self, module: str, key: str, limit: int, needed: int | None) -> None:
        """The platform itself must be able to work."""
        if needed is not None and limit < needed:
            raise ModuleLoadError(
                f"{module}: the limit {self.describe(key)} is too low: its host needs {needed} before any of the "
                f"module's code runs",
                module=module,
            )


NO_LIMITS: Final = Limits()


# --- exceptions -----------------------------------------------------------------------------------------------------


def _chain(exc: BaseException) -> list[BaseException]:
    """``exc`` and what it was raised from or while handling."""
    found: list[BaseException] = []
    each: BaseException | None = exc
    while each is not None and len(found) < _MAX_CHAIN:
        found.append(each)
        # The plain slots: a module's exception may have properties of these names, which may raise.
        attributes = vars(BaseException)
        each = attributes["__cause__"].__get__(each) or attributes["__context__"].__get__(each)
    return found


def _limit_behind(exc: BaseException) -> str | None:
    cls = type(exc)
    if issubclass(cls, MemoryError):
        return "address_space"
    if issubclass(cls, OSError):
        number = vars(OSError)["errno"].__get__(exc)
        return {errno.ENOMEM: "address_space", errno.EMFILE: "open_files"}.get(number) if type(number) is int else None
    if issubclass(cls, (RuntimeError, ImportError)):
        args = vars(BaseException)["args"].__get__(exc)
        text = args[0] if args and type(args[0]) is str else ""
        if "can't start new thread" in text or "failed to map segment" in text or "Cannot allocate memory" in text:
            return "address_space"
        if "Too many open files" in text:
            return "open_files"
    return None


# --- the system -----------------------------------------------------------------------------------------------------


def cpu_seconds(pid: int | None) -> float | None:
    """CPU time that the process has used so far, also of one that has ended and was not reaped; None: not known."""
    if pid is None or not sys.platform.startswith("linux"):
        return None
    try:
        stat = _read(f"/proc/{pid}/stat")
    except OSError:
        return None  # it is gone
    user, system = stat[stat.rindex(b")") + 2 :].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _read(path: str) -> bytes:
    with open(path, "rb") as stream:  # noqa: PTH123 - no pathlib in a host's start
        return stream.read()


def _files_needed() -> int | None:
    """The lowest limit with ``_SPARE_FILES`` free numbers below it; None: not known here."""
    try:
        numbers = {int(name) for name in os.listdir("/dev/fd")}  # noqa: PTH208 - a Path would be one more
    except OSError:
        return None
    needed = spare = 0
    while spare < _SPARE_FILES:
        spare += needed not in numbers
        needed += 1
    return needed


def _memory_needed() -> int | None:
    """What is mapped, and what the platform's first threads and channels will be; None: not known here."""
    import resource

    try:
        pages = int(_read("/proc/self/statm").split()[0])
    except OSError:
        return None
    stack = threading.stack_size() or resource.getrlimit(resource.RLIMIT_STACK)[0]
    if stack == resource.RLIM_INFINITY:
        stack = _DEFAULT_STACK
    return pages * resource.getpagesize() + _SPARE_THREADS * stack + _SPARE_BYTES


def _load_unwinder() -> None:
    """glibc loads libgcc when the first thread is made to exit, and aborts the process if it cannot: have it now."""
    import ctypes

    backtrace = getattr(ctypes.CDLL(None), "backtrace", None)  # it loads the same
    if backtrace is not None:
        backtrace(ctypes.create_string_buffer(ctypes.sizeof(ctypes.c_void_p)), 1)


def _one_heap() -> None:
    """glibc reserves 64 MiB of addresses for a heap of each thread's own. Few threads allocate at once under the GIL."""
    import ctypes

    m_arena_max = -8
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's
    if mallopt is not None:
        mallopt(m_arena_max, 1)
