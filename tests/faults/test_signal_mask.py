"""A host's signal mask is its own: an app that blocks signals (to read them from a descriptor, say) does not block its."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance.support import MODULES

from logoscore import Core


@pytest.fixture
def _blocked() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGPIPE, signal.SIGUSR1})
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.mark.usefixtures("_blocked")
def test_a_host_blocks_nothing_that_its_app_blocks() -> None:
    with Core(plugins_dir=MODULES) as core:
        core.load_plugin("test_basic")
        pid = core.get_plugin_info("test_basic").pid
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        (blocked,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigBlk:"))
        assert int(blocked, 16) == 0
