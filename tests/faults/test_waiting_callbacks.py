"""A done-callback that waits holds up all replies of its channel; and texts of calls that came too late."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from acceptance.support import write_module
from helpers import wait_until

from logoscore import Core
from logoscore.errors import CallTimeoutError

IMPATIENT = """
from logoscore import PluginInterface, invokable
from logoscore.session import reply_sender

reply_sender.UNREAD_SECONDS = 0.5


class Impatient(PluginInterface):
    @invokable
    def hold(self, fifo):
        with open(fifo) as held:
            held.read()

    @invokable
    def text(self, length):
        return "x" * length
"""


def test_the_channel_ends_with_the_reason_and_the_next_call_opens_another(tmp_path: Path) -> None:
    write_module(tmp_path, "impatient", IMPATIENT)
    go_on = threading.Event()
    with Core(plugins_dir=tmp_path, entry_points=False) as core:
        client = core.load_plugin("impatient")
        assert repr(client) == "<LogosAPIClient core → impatient: not connected yet>"
        os.mkfifo(tmp_path / "fifo")
        first = client.submit("hold", str(tmp_path / "fifo"), timeout=60)
        first.add_done_callback(lambda _: go_on.wait(30))
        calls = [client.submit("text", 20_000, timeout=60) for _ in range(20)]
        link: Any = client._link
        (tmp_path / "fifo").write_text("go on", encoding="utf-8")
        try:
            assert core.get_client("core_manager").call("getLoadedPlugins")  # other channels are not concerned
            wait_until(lambda: link.error is not None)
        finally:
            go_on.set()
        errors = [str(error) for call in calls if (error := call.exception(30)) is not None]
        assert errors
        assert all("core did not read its replies for 0.5 s: does a done-callback" in error for error in errors)
        assert client.call("text", 2) == "xx"
        assert "connected>" in repr(client)
        core.unload_plugin("impatient")
        assert repr(client) == "<LogosAPIClient core → impatient: connects again at the next call>"


def test_a_call_that_cannot_be_made_in_time_names_the_time_that_it_was_given(tmp_path: Path) -> None:
    write_module(tmp_path, "impatient", IMPATIENT)
    with Core(plugins_dir=tmp_path, entry_points=False) as core:
        client = core.load_plugin("impatient")
        with client._connecting:
            for late in (lambda: client.call("text", 1, timeout=0.25), lambda: client.submit("text", 1, timeout=0.25)):
                with pytest.raises(
                    CallTimeoutError, match=r"^impatient.text did not reply within 0.25 s: .* another thr"
                ):
                    late()
        write_module(tmp_path, "nobody_yet")
        core.refresh_plugins()
        with pytest.raises(CallTimeoutError, match=r"^nobody_yet was not loaded in time \(0.25 s\): "):
            core.get_client("nobody_yet").wait_ready(0.25)
