"""Fixtures of ``support`` for every test here."""

from __future__ import annotations

from integration.support import launch, plugins, script

__all__ = ["launch", "plugins", "script"]
