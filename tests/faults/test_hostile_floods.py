"""Callers that ask without end and read nothing: their callee's threads and memory stay bounded, others are served."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from helpers import wait_until

from faults.hostile import parties, run, threads_of
from logoscore.errors import ChannelClosedError, RemoteError
from logoscore.session import reply_sender, serving

#: Of the channel under attack, of the others with their stand-bys, and what a host has anyway.
BOUND = 2 * serving.THREADS + 100

DEAF = """
    import threading
    def flood(target, make, count):
        link = caller(target)
        def send():
            try:
                for number in range(count):
                    link.sender.send(make(number), deadline_after(60))
            except LogosError as error:
                self.ended = repr(error)
        self.ended = None
        link._receiver.lock.acquire()  # nobody reads the replies
        threading.Thread(target=send, daemon=True).start()
"""
FLOODS = {
    "calls": "call('victim', b'echo', 'x' * 100, call_id=(1 << 30) + n)",
    "async calls": "call('victim', b'aecho', 'x' * 100, call_id=(1 << 30) + n)",
    "unknown methods": "call('victim', b'nothing', call_id=(1 << 30) + n)",
    "streams": "call('victim', b'count', 1 << 40, kind=fr.STREAM_OPEN, call_id=(1 << 30) + n)",
    "wrong tokens": "call('victim', b'echo', 1, call_id=(1 << 30) + n, token=b'0' * 16)",
}


@pytest.mark.parametrize("concurrency", ["single", "multi"])
@pytest.mark.parametrize("flood", FLOODS)
def test_replies_that_nobody_reads(tmp_path: Path, flood: str, concurrency: str) -> None:
    with parties(tmp_path, concurrency=concurrency) as (core, evil, victim, _):
        run(victim, "from logoscore.session import reply_sender; reply_sender.UNREAD_SECONDS = 1.0")
        pid = core.get_plugin_info("victim").pid
        assert pid is not None
        run(evil, DEAF)
        run(evil, f"flood('victim', lambda n: {FLOODS[flood]}, 20_000)")
        most = 0

        def given_up() -> bool:
            nonlocal most
            most = max(most, threads_of(pid))
            assert victim.call("echo", 2) == 2
            return bool(run(evil, "R = self.ended is not None"))

        wait_until(given_up, 60, "the end of the flooded channel")
        assert most < BOUND
        assert "ChannelClosedError" in run(evil, "R = self.ended")
        assert core.get_plugin_info("victim").pid == pid
        # Its caller may try again, on a new channel.
        assert run(evil, "api.get_client('victim')._link = None; R = api.get_client('victim').call('echo', 3)") == 3
        # The threads of the flood leave again: what stays are stand-bys.
        wait_until(lambda: threads_of(pid) < 100, 30, "the end of the flood's threads")


def test_the_app_is_no_easier_prey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The core manager lives in the app's process."""
    monkeypatch.setattr(reply_sender, "UNREAD_SECONDS", 1.0)
    with parties(tmp_path) as (_, evil, victim, _):
        run(evil, DEAF)
        run(evil, "flood('core_manager', lambda n: call('core_manager', b'getKnownPlugins', call_id=n + 9), 20_000)")
        most = 0

        def given_up() -> bool:
            nonlocal most
            most = max(most, threads_of(os.getpid()))
            assert victim.call("echo", 2) == 2
            return bool(run(evil, "R = self.ended is not None"))

        wait_until(given_up, 60, "the end of the flooded channel")
        assert most < BOUND


def test_open_streams_are_bounded_and_the_error_says_so(tmp_path: Path) -> None:
    with parties(tmp_path) as (_, evil, victim, _):
        run(victim, "from logoscore.session import module_proxy; module_proxy.STREAMS = 5")
        run(evil, "self.kept = []; begin = lambda: api.get_client('victim').stream('count', 1 << 40)")
        with pytest.raises(RemoteError, match=r"evil has 5 streams of victim open"):
            run(evil, "for _ in range(6): stream = begin(); next(stream); self.kept.append(stream)")
        assert run(evil, "self.kept.pop().close(); R = list(api.get_client('victim').stream('count', 3))") == [0, 1, 2]


def test_channels_opened_over_and_over_while_the_callee_is_busy(tmp_path: Path) -> None:
    """Each channel's first call waits for its turn; with its channel gone it waits no more."""
    with parties(tmp_path) as (core, evil, victim, _):
        pid = core.get_plugin_info("victim").pid
        assert pid is not None
        busy = victim.submit("hang", timeout=60.0)
        run(
            evil,
            """
            node.authenticate("victim", deadline_after(10))
            for number in range(60):
                link = node.request(lambda n: m.OpenLink(n, "victim"), deadline_after(10))
                link.sender.send(call("victim", b"echo", number), deadline_after(10))
            """,
        )
        wait_until(lambda: threads_of(pid) < 60, 20, "the end of the threads of closed channels")
        core.unload_plugin("victim")
        with pytest.raises(ChannelClosedError):
            busy.result(20)
