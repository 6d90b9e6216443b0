"""Whatever a module writes into its rings and semaphores: its own channel ends with a named error, and nobody else notices.

Each attack runs in ``evil``, once as the caller of ``victim`` and once as the callee of the app.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from helpers import wait_until

from faults.hostile import parties, run
from logoscore.errors import (
    CallError,
    CallTimeoutError,
    ChannelClosedError,
    LogosError,
    ProtocolViolationError,
    RemoteError,
)
from logoscore.transport.segment import IN_MEMORY

#: What is done to a sender's ring. ``s``: the sender.
WRITES = {
    "cursor far ahead": "s.ring.words[0] = 1 << 40; s.data.post()",
    "cursor at the end of the world": "s.ring.words[0] = (1 << 64) - 8; s.data.post()",
    "cursor not aligned": "s.ring.words[0] += 3; s.data.post()",
    "cursor behind": "s.ring.words[0] = max(s.ring.words[0] - 64, 0) if s.ring.words[0] else 1 << 50; s.data.post()",
    "record of 2 GB": "s.ring.words[24 + ((s.ring.written & s.ring.mask) >> 3)] = (1 << 31) | 1 << 32; step(16)",
    "record of 4 GB": "s.ring.words[24 + ((s.ring.written & s.ring.mask) >> 3)] = 0xffffffff | 1 << 32; step(16)",
    "unknown flags": "s.ring.words[24 + ((s.ring.written & s.ring.mask) >> 3)] = 8 | 0xff << 32; step(16)",
    "empty pieces": "s.ring.write(b'', 3); s.data.post(); s.ring.write(b'', 2); s.data.post()",
    "frame of one byte": "s.ring.write(b'x', 1); s.data.post()",
    "empty frame": "s.ring.write(b'', 1); s.data.post()",
}
STEP = """
    def step(size):
        s.ring.words[0] = s.ring.written + size
        s.data.post()
"""
#: What does not even end the channel: the next call is answered.
HARMLESS = {
    "a million posts, a few at a time": "for _ in range(50_000): s.data.post()",
    "a message given up half-way": "s.ring.write(b'x' * 100, 3); s.data.post()",
    "the rest of a message without its beginning": "s.ring.write(b'x' * 100, 2); s.data.post()",
    "the writer says that it waits": "s.ring.words[16] = 77",
}


def serves(*clients: Any) -> None:
    for client in clients:
        assert client.call("echo", 11) == 11


def test_by_the_caller(tmp_path: Path) -> None:
    with parties(tmp_path) as (core, evil, victim, bystander):
        pid = core.get_plugin_info("victim").pid
        for what, attack in WRITES.items():
            run(evil, "link = caller('victim'); s = link.sender; api.get_client('victim').call('echo', 1)")
            run(evil, STEP)
            run(evil, attack)
            wait_until(lambda: run(evil, "R = link.error is not None"), what=f"the end of the channel after {what}")
            serves(victim, bystander, evil)
            assert core.get_plugin_info("victim").pid == pid
            # It gets another channel, if it asks.
            assert run(evil, "R = api.get_client('victim').call('echo', 3)") == 3


def test_by_the_callee(tmp_path: Path) -> None:
    with parties(tmp_path) as (core, evil, victim, bystander):
        for attack in WRITES.values():
            run(evil, "s = [l for l in node.provider._links.values() if l.peer == 'core'][-1]._sender")
            run(evil, STEP)
            code = f"with s.lock:\n    {attack}\nend = threading.Event(); end.wait(60)"
            with pytest.raises((ProtocolViolationError, ChannelClosedError)):
                run(evil, code, timeout=50.0)
            run(evil, "end.set()")
            serves(victim, bystander)
            assert core.get_plugin_info("evil").state == "loaded"


def test_what_harms_nobody(tmp_path: Path) -> None:
    with parties(tmp_path) as (_, evil, victim, bystander):
        for what, attack in HARMLESS.items():
            run(evil, "link = caller('victim'); s = link.sender")
            run(evil, attack)
            assert run(evil, "R = api.get_client('victim').call('echo', 3)") == 3, what
            assert run(evil, "R = link.error is None"), what
            serves(victim, bystander)


def test_a_semaphore_posted_without_end(tmp_path: Path) -> None:
    with parties(tmp_path) as (_, evil, victim, bystander):
        run(evil, "s = caller('victim').sender; link = caller('victim')")
        run(evil, "def post():\n    while link.error is None: s.data.post()\nthreading.Thread(target=post).start()")
        wait_until(lambda: run(evil, "R = 'posts the semaphore' in str(link.error)"), what="the end of the channel")
        serves(victim, bystander)


def test_a_semaphore_that_is_drained(tmp_path: Path) -> None:
    """The callee's units are stolen: its caller's call has its deadline, and everybody else is served."""
    with parties(tmp_path) as (_, evil, victim, bystander):
        with contextlib.suppress(CallTimeoutError):  # the first unit that is stolen may be that of this very reply
            run(
                evil,
                """
                s = server("core")._sender
                def drain():
                    while s.error is None:
                        s.data.try_acquire()
                threading.Thread(target=drain, daemon=True).start()
                """,
                timeout=2,
            )
        for _ in range(3):
            try:
                assert evil.call("echo", 1, timeout=0.5) == 1
            except CallTimeoutError:
                continue
        serves(victim, bystander)


#: What a writer may find useful to write over its semaphores, and leaves there. ``s``: the sender.
SPOILT = ("bytes([1, 0, 0, 0] * 16)", "bytes([0] * 4 + [1] * 60)", "b'\\xff' * 64", "os.urandom(64)", "bytes(64)")
SPOIL = """
    def spoil(text):
        for piece in pieces:
            piece[:] = text
    view = link.channel._view
    rings = sum(ring.capacity + 192 for ring in (link.sender.ring, link._receiver.ring))
    pieces = [view[rings + 64 * n : rings + 64 * n + 64] for n in range(4)]
"""


@pytest.mark.skipif(not IN_MEMORY, reason="the system's semaphores, which a hostile peer can spoil: see segment.py")
def test_spoilt_semaphores_stop_nobody_but_the_spoiler(tmp_path: Path) -> None:
    """The C library's could be made to sleep for ever in a post, with the GIL, or to abort the process of whoever posts."""
    with parties(tmp_path) as (core, evil, victim, bystander):
        pid = core.get_plugin_info("victim").pid
        for text in SPOILT:
            run(evil, "link = caller('victim'); s = link.sender; assert link.error is None")
            run(evil, SPOIL)
            for _ in range(20):
                run(evil, f"spoil({text})")
                serves(victim, bystander)
                # Its own calls have their deadline at the worst.
                run(evil, "try: api.get_client('victim').call('echo', 3, timeout=0.2)\nexcept LogosError: pass")
            assert core.get_plugin_info("victim").pid == pid
            run(evil, "node.link_failed(link.link, link.error or LogosError('enough'))")
            wait_until(lambda: run(evil, "R = link.error is not None"), what="another channel")


@pytest.mark.skipif(not IN_MEMORY, reason="as above")
def test_the_app_lives_with_spoilt_semaphores(tmp_path: Path) -> None:
    with parties(tmp_path) as (core, evil, victim, bystander):
        run(evil, "s = server('core')._sender; link = server('core'); link.sender = s")
        run(evil, SPOIL)
        run(evil, "enough = threading.Event()")
        run(evil, "def go_on():\n    while not enough.is_set():\n        spoil(os.urandom(64))")
        run(evil, "threading.Thread(target=go_on, daemon=True).start()")
        for _ in range(20):
            with contextlib.suppress(CallTimeoutError):
                assert evil.call("echo", 1, timeout=0.05) == 1
            serves(victim, bystander)
        core.unload_plugin("evil")
        serves(victim, bystander)
        assert core.load_plugin("evil").call("echo", 2) == 2


def test_what_a_dead_modules_child_writes_on_is_nobodys(tmp_path: Path) -> None:
    """It has the dead one's memory still: neither are its events the module's, nor do they hold up those of the next one."""
    with parties(tmp_path) as (core, evil, _, _), evil.subscribe("fired") as heard:
        evil.call("fire", 1)
        assert heard.get(timeout=20).data == (0, None)
        child = run(
            evil,
            """
            [link] = node.publisher._outlets.values()
            header = fr.HEADER.pack(fr.EVENT, 0, 0, 5, 1 << 40, 0, fr.NO_TOKEN)
            frame = header + b"fired" + SAFE.encode(["false", None])[0]
            s = link.channel.senders[0]
            R = os.fork()
            while not R:
                if s.ring.write(frame, 1):
                    s.data.post()
            """,
        )
        try:
            os.kill(core.get_plugin_info("evil").pid or 0, signal.SIGKILL)
            wait_until(lambda: core.get_plugin_info("evil").state != "loaded", what="the core noticing")
            core.load_plugin("evil").call("fire", 1)
            while heard.get(timeout=20).data != (0, None):
                pass  # what was written before the end, one ring at most
        finally:
            os.kill(child, signal.SIGKILL)


def test_refusals_fill_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with parties(tmp_path) as (_, evil, _, _):
        run(evil, "api.get_client('core_manager').call('getKnownPlugins'); link = caller('core_manager')")
        count = 300
        run(
            evil,
            f"""
            for number in range({count}):
                frame = call("core_manager", b"getKnownPlugins", call_id=number + 1000, token=b"x" * 16)
                assert link.roundtrip(number + 1000, frame, deadline_after(10))
            """,
        )
        said = [record for record in caplog.records if "refused a call" in record.getMessage()]
        assert 1 <= len(said) <= count.bit_length()
        assert "so far" in said[-1].getMessage()


def test_nobody_speaks_for_the_platform(tmp_path: Path) -> None:
    """An error of another module's crash, made by hand, is this module's own, and no longer than ours are."""
    with parties(tmp_path) as (_, evil, victim, _):
        for kind, expected in (
            ("ModuleCrashedError", RemoteError),
            ("ModuleNotLoadedError", RemoteError),
            ("PermissionDeniedError", RemoteError),
            ("StateError", RemoteError),
            ("NoSuchError", RemoteError),
            ("CallError", CallError),
        ):
            run(
                evil,
                f"""
                from logoscore.session import module_proxy, reply_sender
                said = m.WireError("{kind}", "victim died" * 100_000, {{"module": "victim", "pid": 7}})
                reply_sender.to_wire = lambda error: said
                """,
            )
            with pytest.raises(LogosError) as caught:
                evil.call("nothing")
            assert type(caught.value) is expected, kind
            assert caught.value.module == "evil"  # type: ignore[attr-defined]
            assert len(str(caught.value)) < 50_000
        assert victim.call("echo", 1) == 1


def test_memory_cannot_be_truncated(tmp_path: Path) -> None:
    with parties(tmp_path) as (_, evil, victim, bystander):
        run(evil, "link = caller('victim')")
        found = run(
            evil,
            """
            R = []
            for name in os.listdir("/proc/self/map_files"):
                path = f"/proc/self/map_files/{name}"
                try:
                    if "memfd:logoscore" in os.readlink(path):
                        os.truncate(path, 0)
                        R.append("truncated")
                except OSError as error:
                    R.append(type(error).__name__)
            """,
        )
        assert found
        assert "truncated" not in found
        serves(victim, bystander, evil)


REFUSED = {
    "no token": ("token=bytes(16)", b"AuthenticationError"),
    "a wrong token": ("token=b'x' * 16", b"AuthenticationError"),
    "its own token": ("token=node.tokens.held_bytes('capability_module')", b"AuthenticationError"),
    "another target's token": ("token=node.tokens.held_bytes('bystander')", b"AuthenticationError"),
}


def test_nothing_is_looked_at_before_the_token_was_right(tmp_path: Path) -> None:
    with parties(tmp_path) as (core, evil, victim, _):
        pid = core.get_plugin_info("victim").pid
        run(evil, "link = caller('victim'); caller('bystander')")
        for what, (token, expected) in REFUSED.items():
            for kind in ("CALL", "SYSTEM", "STREAM_OPEN", "STREAM_NEXT", "STREAM_CLOSE"):
                reply = run(
                    evil,
                    f"""
                    frame = call("victim", b"echo", 1, kind=fr.{kind}, call_id=7, {token})[:fr.HEADER_SIZE]
                    R = link.roundtrip(7, frame + b"\\xc1" * 50, deadline_after(10))
                    """,
                )
                assert expected in reply, (what, kind)
        assert victim.call("echo", 1) == 1
        assert core.get_plugin_info("victim").pid == pid


def test_a_kind_that_is_none_of_a_caller(tmp_path: Path) -> None:
    with parties(tmp_path) as (_, evil, victim, bystander):
        for kind in (0, 6, 15, 16, 17, 18, 32, 255):
            run(evil, "link = caller('victim')")
            run(evil, f"link.sender.send(call('victim', b'echo', 1, kind={kind}), deadline_after(10))")
            wait_until(lambda: run(evil, "R = link.error is not None"), what=f"the end of the channel after {kind}")
            serves(victim, bystander)


def test_planted_tokens_and_other_names(tmp_path: Path) -> None:
    with parties(tmp_path) as (_, evil, victim, bystander):
        planted = "01234567-89ab-4def-8123-456789abcdef"
        attempts = [
            f"api.get_client('victim').system('informModuleToken', '{planted}', 'evil', '{planted}')",
            f"api.get_client('victim').system('informModuleToken', node.tokens.held('victim'), 'core', '{planted}')",
            "api.get_client('capability_module').call('requestModule', 'core', 'victim')",
            "api.get_client('capability_module').call('requestModule', 'bystander', 'victim')",
            f"api.get_client('capability_module').system('informModuleToken', '{planted}', 'evil', '{planted}')",
        ]
        for attempt in attempts:
            refused = run(evil, f"try:\n    R = {attempt}\nexcept LogosError as error:\n    R = type(error).__name__")
            assert refused in {"AuthenticationError", "PermissionDeniedError"}, attempt
        serves(victim, bystander, evil)
