"""What the app chose, as plain values; see ``Core``."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from logoscore.limits import Limits
    from logoscore.policy import AccessRequest, Decision

__all__ = ["RestartLimits", "Settings", "default_buffer_memory"]


@dataclass(frozen=True)
class RestartLimits:
    """How hard supervision tries: at most ``intensity`` restarts of one module within ``period`` seconds.

    The first comes at once. The pause before the second is ``backoff`` seconds, and doubles, up to ``longest_backoff``.
    """

    intensity: int = 5
    period: float = 60.0
    backoff: float = 0.1
    longest_backoff: float = 10.0

    def pause(self, before: int) -> float:
        """Seconds to wait before a restart that ``before`` others came before, within the period."""
        return min(self.backoff * 2 ** min(before - 1, 30), self.longest_backoff) if before else 0.0


@dataclass
class Settings:
    """Times are in seconds."""

    plugins_dirs: list[Path]
    entry_points: bool
    persistence_dir: Path | None
    policy: Callable[[AccessRequest], bool | Decision | None] | None
    default_timeout: float
    load_timeout: float
    unload_timeout: float
    spin_microseconds: int
    plugins: tuple[object, ...] = ()
    restarts: RestartLimits = field(default_factory=RestartLimits)
    warm_hosts: int = 0
    limits: Mapping[str, Limits] = field(default_factory=dict)
    """By module name, or ``"*"``."""
    buffer_memory: int = 0
    """Bytes that each party may lend."""

    def persistence_path(self, name: str) -> str | None:
        """The folder in which ``name`` may keep files, if there is one for anybody."""
        return None if self.persistence_dir is None else str(self.persistence_dir / name)


def default_buffer_memory() -> int:
    """A quarter of the machine's memory, at most 4 GiB."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):  # a system that does not say
        memory = 4 << 30
    return min(memory // 4, 4 << 30)
