"""What discovery hands out: modules that can be loaded, and those that cannot with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from logoscore.errors import MetadataError
from logoscore.metadata import Metadata

__all__ = ["DiscoveryFailure", "ModuleSpec", "Source"]

Source = Literal["directory", "distribution", "builtin", "class"]


@dataclass(frozen=True, slots=True)
class ModuleSpec:
    """Where a module is and what to load of it."""

    name: str
    metadata: Metadata
    source: Source
    path: Path
    """The folder that holds ``metadata.json``, absolute."""
    main: str = ""
    """``"file.py:Class"``, ``"package.module:Class"``, or ``""``: the one PluginInterface subclass of ``<name>.py``."""
    distribution: str | None = None
    """The distribution that installed it, None for other sources."""
    include: tuple[Path, ...] = ()
    """The metadata's ``include``, absolute; each of them exists."""


@dataclass(frozen=True, slots=True)
class DiscoveryFailure:
    """A module that is there but cannot be used, or a distribution or hook that could not be asked."""

    name: str
    path: Path | None
    error: MetadataError
    claims: str = ""
    """The name that its metadata gives, where that is the very reason: another than its own."""
