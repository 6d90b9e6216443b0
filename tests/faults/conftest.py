"""Fixtures of ``support`` and ``greedy`` for every test here."""

from __future__ import annotations

from integration.support import launch, plugins, script

from faults.greedy import run_greedy

__all__ = ["launch", "plugins", "run_greedy", "script"]
