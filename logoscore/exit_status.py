"""How a host's process ended, or failed to come up, and what those who depended on it are told."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from logoscore.errors import ModuleCrashedError, ModuleLoadError, with_last_lines
from logoscore.limits import NO_LIMITS, Limits
from logoscore.transport.messages import LoadFailed

__all__ = ["ExitStatus", "module_raised", "not_loaded"]


@dataclass(frozen=True)
class ExitStatus:
    """How a host's process ended."""

    pid: int | None
    exit_code: int | None
    signal_name: str | None
    stderr: str
    reason: str | None = None
    """Why, if the core ended it of its own accord (the watchdog), or if one of the module's limits did."""

    @classmethod
    def of(
        cls,
        pid: int | None,
        status: int | None,
        stderr: str,
        reason: str | None = None,
        limits: Limits = NO_LIMITS,
        cpu: float | None = None,
    ) -> ExitStatus:
        """From the status that ``poll`` gave (negative: a signal); ``cpu``: seconds that it used, if known."""
        if status is None or status >= 0:
            reason = reason or (limits.blame(None, cpu, stderr) or None if status else None)
            return cls(pid, status, None, stderr, reason)
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        return cls(pid, None, name, stderr, reason or limits.blame(name, cpu, stderr) or None)

    def __str__(self) -> str:
        if self.reason and self.exit_code == 0:
            return self.reason  # the core's: asked to end, it did so in order, and its code would tell of no fault
        how = f"killed by {self.signal_name}" if self.signal_name else f"exit code {self.exit_code}"
        return f"{how}: {self.reason}" if self.reason else how

    def crash(self, module: str) -> ModuleCrashedError:
        """The error for everybody who depended on ``module``."""
        return ModuleCrashedError(
            with_last_lines(f"module {module!r} (pid {self.pid}) ended: {self}", self.stderr),
            module=module,
            pid=self.pid,
            exit_code=self.exit_code,
            signal_name=self.signal_name,
            stderr=self.stderr,
        )


def not_loaded(module: str, why: str, stderr: str, **fields: str) -> ModuleLoadError:
    """The error for who wanted to load ``module``; ``fields`` of the error that ``why`` says in words."""
    text = f"module {module!r} could not be loaded: {why}"
    return ModuleLoadError(with_last_lines(text, stderr), module=module, stderr=stderr, **fields)


def module_raised(module: str, failure: LoadFailed, stderr: str) -> ModuleLoadError:
    """Likewise, where it was the module's own code that raised."""
    ours = failure.type_name == ModuleLoadError.__name__  # what it says is all said of the load
    why = failure.message if ours else f"{failure.type_name}: {failure.message}"
    return not_loaded(module, why, stderr, type_name=failure.type_name, remote_traceback=failure.traceback)
