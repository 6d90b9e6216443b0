"""What loaded modules use of the machine."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import psutil

from logoscore.brokerage import Brokerage
from logoscore.registry import ModuleRecord

__all__ = ["module_stats"]

_ANSWER_SECONDS = 1.0


def module_stats(records: Iterable[ModuleRecord], brokerage: Brokerage) -> list[dict[str, Any]]:
    """One dict per module; see ``Core.get_module_stats``. A module that ends meanwhile is left out.

    ``cpu_percent`` is the mean over the process's life; the core manager's figures are the app process's.
    """
    rows = []
    for record in records:
        if record.pid is None:
            continue
        try:
            process = psutil.Process(record.pid)
            with process.oneshot():
                times = process.cpu_times()
                memory = process.memory_info().rss
                age = max(time.time() - process.create_time(), 1e-3)
        except psutil.Error:
            continue
        answer = brokerage.query(record.name, "stats", _ANSWER_SECONDS)
        counted = answer if isinstance(answer, dict) else {}  # a module may say anything
        cpu_time = times.user + times.system
        rows.append(
            {
                "name": record.name,
                "cpu_percent": round(100 * cpu_time / age, 2),
                "cpu_time_seconds": cpu_time,
                "memory_mb": memory / 1e6,
                "calls": counted.get("calls", 0),
                "events": counted.get("events", 0),
                "uptime_seconds": time.time() - (record.loaded_at or time.time()),
            }
        )
    return rows
