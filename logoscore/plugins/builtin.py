"""The modules that come with logoscore."""

from __future__ import annotations

from pathlib import Path

from logoscore.metadata import parse_metadata
from logoscore.plugins.spec import ModuleSpec

__all__ = ["builtin_spec"]

_MAINS = {
    "capability_module": "logoscore.plugins.capability_module:CapabilityModule",
    "core_manager": "logoscore.plugins.core_manager:CoreManager",
}
_DESCRIPTIONS = {
    "capability_module": "Issues tokens: who may reach whom",
    "core_manager": "Manages the core",
}


def builtin_spec(name: str) -> ModuleSpec:
    """The specification of a built-in module."""
    metadata = parse_metadata(
        {
            "name": name,
            "version": "1.0.0",
            "description": _DESCRIPTIONS[name],
            "author": "logoscore",
            "type": "core",
            "concurrency": "multi",
            "max_workers": 64,
            "restart": "always",  # without the capability module nobody new can be reached
        },
        f"{name} (built in)",
    )
    return ModuleSpec(name=name, metadata=metadata, source="builtin", path=Path(__file__).parent, main=_MAINS[name])
