"""Hosts that say on the control plane what no honest host says: ended with a named reason, and nobody else notices."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any

import pytest
from helpers import wait_until

from faults.hostile import parties, run, stopped
from logoscore import Core
from logoscore.errors import ChannelClosedError, LogosError, ModuleCrashedError
from logoscore.policy import AccessRequest
from logoscore.session.answer import Answer
from logoscore.session.deadlines import deadline_after
from logoscore.transport.messages import OpenLink

PIPE = """
    import gc, select, struct
    from logoscore.transport.control import ControlPipe
    pipe = next(each for each in gc.get_objects() if type(each) is ControlPipe)
    def pack(message):
        data = m.encode(message)
        return struct.pack("<II", len(data), 0) + data
    def write(data):
        while data:
            try:
                data = data[pipe._socket.send(data):]
            except BlockingIOError:
                select.select([], [pipe._socket], [])
    def aside(work):
        threading.Thread(target=work, daemon=True).start()
    error = m.WireError("TransportError", "made up")
    other = server("bystander").link if [l for l in node.provider._links.values() if l.peer == "bystander"] else 1
"""
#: What is said, and what the reason of its end must name.
VIOLATIONS = {
    "Hello twice": ("pack(m.Hello(1, m.PROTOCOL_VERSION, True))", "may not say Hello"),
    "Ready twice": ("pack(m.Ready())", "may not say Ready"),
    "LoadFailed after Ready": ("pack(m.LoadFailed('a', 'b', 'c'))", "may not say LoadFailed"),
    "Failed unasked": ("pack(m.Failed(1, error))", "may not say Failed"),
    "Attached to a foreign channel": ("pack(m.Attached(FOREIGN))", "not its own"),
    "Attached twice": ("pack(m.Attached(caller('core_manager').link))", "cannot attach the channel"),
    "Attached to no channel": ("pack(m.Attached(1 << 40))", "not its own"),
    "Attached to channel 0": ("pack(m.Attached(0))", "not its own"),
    "LinkFailed of a foreign channel": ("pack(m.LinkFailed(FOREIGN, error))", "not its own"),
    "CancelCall on a foreign channel": ("pack(m.CancelCall(FOREIGN, 1))", "not its own"),
    "CancelCall by the callee": ("pack(m.CancelCall(server('core').link, 1))", "did not make"),
    "Done unasked": ("pack(m.Done(1 << 40))", "was not asked"),
    "garbage": ("b'\\xff' * 100", "announces"),
    "no message": ("struct.pack('<II', 4, 0) + b'abcd'", "cannot be read"),
    "another's message": ("pack(m.Unload(1.0))", "cannot be read"),
    "2 GB announced": ("struct.pack('<II', 1 << 31, 0)", "announces"),
    "descriptors announced": ("struct.pack('<II', 1, 3) + b'x'", "announces"),
    "nesting bomb": ("(lambda d: struct.pack('<II', len(d), 0) + d)(b'\\x91' * 100_000)", "cannot be read"),
    "huge array announced": ("struct.pack('<II', 5, 0) + b'\\xdd\\xff\\xff\\xff\\xff'", "cannot be read"),
}


def foreign_link(core: Core) -> int:
    """The number of a channel between the app and the victim."""
    return int(core.get_client("victim")._connected(deadline_after(10)).link)


def assert_ended(core: Core, evil: Any, reason: str, *others: Any) -> None:
    """The hostile host has ended, for that reason; nobody else has noticed."""
    wait_until(lambda: core.get_plugin_info("evil").state == "crashed", what="the end of evil")
    assert reason in str(core.get_plugin_info("evil").last_exit)
    with pytest.raises(LogosError):
        evil.call("echo", 1)
    for other in others:
        assert other.call("echo", 7) == 7
    core.load_plugin("evil")
    assert evil.call("echo", 8) == 8


def test_what_no_honest_host_says_ends_it(tmp_path: Path) -> None:
    with parties(tmp_path) as (core, evil, victim, bystander):
        for what, (message, reason) in VIOLATIONS.items():
            run(evil, PIPE)
            run(evil, "api.get_client('core_manager').call('getKnownPlugins')")
            pids = [core.get_plugin_info(name).pid for name in ("victim", "bystander")]
            code = f"FOREIGN = {foreign_link(core)}; write({message}); threading.Event().wait()"
            with pytest.raises(ModuleCrashedError, match=reason):
                run(evil, code)
            assert_ended(core, evil, reason, victim, bystander)
            assert pids == [core.get_plugin_info(name).pid for name in ("victim", "bystander")], what


def test_half_a_message_held_back(tmp_path: Path) -> None:
    with parties(tmp_path) as (core, evil, victim, _):
        run(evil, PIPE)
        run(evil, "write(pack(m.Attached(1))[:9])")
        assert victim.call("echo", 1) == 1
        assert evil.call("echo", 2) == 2
        core.unload_plugin("evil")


def flood(evil: Any, message: str) -> None:
    """Says ``message`` without end, ``n`` counting, and reads no answer."""
    run(evil, PIPE)
    run(evil, "api.get_client('core_manager').call('getKnownPlugins'); own = caller('core_manager').link")
    run(evil, "pipe.receive = lambda: threading.Event().wait()")  # for its control thread
    code = f"""
        def flood():
            number = 1 << 20
            while True:
                write(b"".join(pack({message}) for n in range(number, number + 5000)))
                number += 5000
        aside(flood)
        """
    with contextlib.suppress(LogosError):  # it may be ended before it can answer
        run(evil, code, timeout=5.0)


@pytest.mark.parametrize(
    "message",
    [
        "m.Watch(n, 'victim', (f'e{n}',))",
        "m.Watch(n, 'nobody', None)",
        "m.OpenLink(n, 'victim')",
        "m.LinkFailed(own, error)",
        "m.Attached(own)",
        "m.CancelCall(own, n)",
        "m.Authorize(n, 'core', 'victim')",
    ],
)
def test_floods(tmp_path: Path, message: str) -> None:
    """Whoever makes more work than it may waits for it, or is ended. The others are served, and so is the app."""
    with parties(tmp_path, core={"unload_timeout": 0.5}) as (core, evil, victim, bystander):
        pids = [core.get_plugin_info(name).pid for name in ("victim", "bystander")]
        flood(evil, message)
        most = 0
        for number in range(2000):
            assert victim.call("echo", number) == number
            assert bystander.call("echo", number) == number
            most = max(most, threading.active_count())
        assert most < 60
        with victim.subscribe("fired") as events:
            victim.call("fire", 1)
            assert events.get(10)
        assert pids == [core.get_plugin_info(name).pid for name in ("victim", "bystander")]


def test_questions_whose_answers_nobody_reads(tmp_path: Path) -> None:
    with parties(tmp_path) as (core, evil, victim, _):
        flood(evil, "m.Resolve(n, 'nobody')")
        wait_until(lambda: core.get_plugin_info("evil").state == "crashed", 60, "the end of evil")
        assert "does not read its control pipe" in str(core.get_plugin_info("evil").last_exit)
        assert victim.call("echo", 1) == 1


def test_more_policy_questions_than_can_be_answered(tmp_path: Path) -> None:
    """The policy thinks for long. Nobody else waits for what it is asked about one module."""
    go = threading.Event()
    asked = []

    def policy(request: AccessRequest) -> None:
        if request.requester == "evil" and request.target == "victim":
            asked.append(request)
            go.wait()

    with parties(tmp_path, core={"policy": policy}) as (core, evil, victim, bystander):
        try:
            flood(evil, "m.Watch(n, 'victim', None)")
            wait_until(lambda: core.get_plugin_info("evil").state == "crashed", 60, "the end of evil")
            assert "asks faster than it can be answered" in str(core.get_plugin_info("evil").last_exit)
            assert len(asked) == 1
            assert run(bystander, "R = api.get_client('victim').call('echo', 1)") == 1
            assert victim.call("echo", 1) == 1
        finally:
            go.set()


def test_a_stopped_callee_is_not_killed_by_those_who_give_up(tmp_path: Path) -> None:
    """Thousands of cancels fill its control pipe: nobody waits for it, and it lives."""
    with parties(tmp_path) as (core, evil, victim, bystander):
        pid = core.get_plugin_info("victim").pid
        run(evil, "api.get_client('victim').call('echo', 1)")
        with stopped(core, "victim"):
            for number in range(1000):
                victim.submit("echo", number, timeout=60.0).cancel()
            run(
                evil,
                """
                client = api.get_client("victim")
                for number in range(1000):
                    client.submit("echo", number, timeout=60.0).cancel()
                """,
                timeout=60.0,
            )
            assert bystander.call("echo", 1) == 1
        assert victim.call("echo", 2) == 2
        assert core.get_plugin_info("victim").pid == pid
        assert run(evil, "R = api.get_client('victim').call('echo', 3)") == 3


def test_channels_to_a_stopped_callee_opened_over_and_over(tmp_path: Path) -> None:
    """Each closes the one before, which the callee has not even heard of: it does not hear of it then."""
    with parties(tmp_path) as (core, _, victim, _):
        pid = core.get_plugin_info("victim").pid
        node = victim._node
        with stopped(core, "victim"):
            answers = [Answer() for _ in range(3000)]
            for answer in answers:
                node.ask(lambda number: OpenLink(number, "victim"), answer)
            for answer in answers[:-1]:
                assert answer.wait(deadline_after(10))
                assert isinstance(answer.error, ChannelClosedError)
        assert victim.call("echo", 2) == 2
        assert core.get_plugin_info("victim").pid == pid
