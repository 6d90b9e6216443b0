"""A host that lies about lent memory: it harms its own channels, its own data or itself, and nobody else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy
import pytest
from helpers import wait_until
from large_support import mapped

from faults.hostile import parties, run
from faults.test_hostile_control import PIPE
from logoscore.errors import LogosError
from logoscore.leaks import descriptors

#: What is said of the channel from the app, whose replies evil writes (back), and what the reason of its end must name.
VIOLATIONS = {
    "a foreign channel": ("m.MakeBuffer(other, True, 0, 1 << 17)", "cannot|not its own"),
    "no channel": ("m.MakeBuffer(1 << 40, True, 0, 1 << 17)", "not its own"),
    "the other's direction": ("m.MakeBuffer(server('core').link, False, 0, 1 << 17)", "where it cannot"),
    "a size that is none": ("m.MakeBuffer(server('core').link, True, 32, (1 << 17) + 1)", "no size"),
    "size 0": ("m.MakeBuffer(server('core').link, True, 32, 0)", "no size"),
    "a negative size": ("m.MakeBuffer(server('core').link, True, 32, -5)", "no size"),
    "a huge size": ("m.MakeBuffer(server('core').link, True, 32, 1 << 60)", "no size"),
    "a negative piece": ("m.MakeBuffer(server('core').link, True, -1, 1 << 17)", "once more"),
    "made what it has not got": ("m.BufferMade(server('core').link, True, 32)", "has not got"),
    "dropped another's": ("m.DropBuffer(server('core').link, False, 32)", "where it cannot"),
    "took what it writes": ("m.BufferTaken(server('core').link, True, 32, True)", "where it cannot"),
}


@pytest.mark.parametrize("what", VIOLATIONS)
def test_what_no_honest_host_says_of_lent_memory_ends_it(tmp_path: Path, what: str) -> None:
    message, reason = VIOLATIONS[what]
    with parties(tmp_path) as (core, evil, victim, bystander):
        code = f"{PIPE}\n    message = {message}\n    aside(lambda: write(pack(message)))\n"
        try:
            run(evil, code)
        except LogosError:
            pass  # it may end before it has answered
        wait_until(lambda: core.get_plugin_info("evil").state == "crashed", what="the end of evil")
        assert_named(core, reason)
        for client in (victim, bystander):
            assert client.call("echo", 1) == 1


def assert_named(core: Any, reason: str) -> None:
    assert re.search(reason, str(core.get_plugin_info("evil").last_exit)) is not None


LENDER = """
    link = server('core')
    lender = link._sender.lender
    lending = node.lending
    import logoscore.session.lending as lending_module
"""


def test_memory_that_is_not_all_there_never_reaches_the_reader(tmp_path: Path) -> None:
    with parties(tmp_path) as (_core, evil, victim, _):
        before = mapped()
        run(
            evil,
            f"""{LENDER}
    lending_module.reserve = lambda fd, size: None
    lending_module.Mapping.populate = lambda mapping, size: None
    """,
        )
        for _ in range(3):
            assert evil.call("echo", bytes(200_000)) == bytes(200_000)
        assert run(evil, f"{LENDER}\n    R = lender.total\n") == 0
        assert mapped() <= before + 1  # what the app lends itself
        assert victim.call("echo", 1) == 1


def test_a_flood_of_pieces_is_bounded(tmp_path: Path) -> None:
    with parties(tmp_path, core={"buffer_memory": 8 << 20}) as (_core, evil, victim, _):
        before = mapped()
        held = descriptors().total()
        answered, usable = run(
            evil,
            f"""{LENDER}
    from logoscore.transport.mapping import Mapping, reserve
    said = []
    lender.memory_came = lambda piece, fd: (reserve(fd, 1 << 17), os.close(fd), node._send(m.BufferMade(*lender.key, piece)))
    lender.ready = lambda piece, usable: said.append(usable)
    for number in range(1, 2000):
        node._send(m.MakeBuffer(*lender.key, number, 1 << 17))
    wait_until(lambda: len(said) == 1999, 60.0, "an answer to each")
    R = (len(said), sum(said))
""",
            timeout=80.0,
        )
        assert answered == 1999
        assert 0 < usable <= 32
        assert mapped() - before <= 32 + 1
        assert descriptors().total() <= held + 40
        assert victim.call("echo", 1) == 1


FORGED = {
    "no such piece": "prefix.pack(31, 1, 100)",
    "far beyond the places": "prefix.pack(1 << 63, 1, 100)",
    "longer than the piece": "prefix.pack(number, generation + 1, 1 << 40)",
    "an old generation": "prefix.pack(number, generation, 100)",
    "a huge generation": "prefix.pack(number, (1 << 64) - 1, 100)",
    "no prefix at all": "b''",
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_message_ends_that_channel_only(tmp_path: Path, what: str) -> None:
    with parties(tmp_path) as (core, evil, victim, _):
        victim_was = core.get_plugin_info("victim").pid
        code = f"""
    link = caller("victim")
    link_client = api.get_client("victim")
    link_client.call("echo", bytes(200_000))
    from logoscore.transport.ring import FIRST, LENT
    import logoscore.transport.buffers as buffers
    prefix = buffers._PREFIX
    place = next(each for each in link.sender.lender._pool.places if each.size)
    number, generation = place.number, place.generation
    with link.sender.lock:
        link.sender.ring.write({FORGED[what]} + b"x", FIRST | LENT)
        link.sender._post()
    R = str(wait_until(lambda: link.error, what="the end of the channel"))
"""
        said = run(evil, code)
        assert "lend" in said or "lent" in said
        assert victim.call("echo", 1) == 1
        assert core.get_plugin_info("victim").pid == victim_was
        assert run(evil, 'R = api.get_client("victim").call("echo", bytes(100_000)) == bytes(100_000)') is True


TABLES = {
    "beyond what was lent": "fr.lent_table([1 << 20])",
    "more than there is of anything": "fr.lent_table([1 << 63] * 2)",
    "more buffers than bytes": "b'\\xff\\xff\\x00\\x00'",
    "without lent memory": "None",
}


@pytest.mark.parametrize("what", TABLES)
def test_a_forged_table_is_that_calls_affair_or_its_channels(tmp_path: Path, what: str) -> None:
    with parties(tmp_path) as (_core, evil, victim, _):
        code = f"""
    link = caller("victim")
    api.get_client("victim").call("echo", bytes(200_000))
    from logoscore.transport.buffers import LentFrame
    head, views = SAFE.encode_arguments((bytes(200_000),))
    token = node.tokens.held_bytes("victim")
    header = fr.HEADER.pack(fr.CALL, 0, fr.BUFFERS | fr.LENT, 4, 1 << 30, fr.FOREVER, token) + b"echo"
    table = {TABLES[what]}
    if table is None:
        link.sender.send(header + fr.lent_table([200_000]) + head, deadline_after(5))
    else:
        loan = link.sender.lender.lend(100_000, 0.0, any_size=True)
        link.sender.send_parts(LentFrame([header, table, head], loan), deadline_after(5))
    R = True
"""
        assert run(evil, code) is True
        assert victim.call("echo", 1) == 1
        again = """
    try:
        R = api.get_client("victim").call("echo", 5)
    except LogosError as error:
        R = str(error)
    """
        wait_until(lambda: run(evil, again) == 5, what="another channel")


def test_scribbled_words_cost_the_scribbler_only(tmp_path: Path) -> None:
    """The reader gives back what it still sees, or never gives back: its own data changes, or it is sent by the ring."""
    with parties(tmp_path) as (_core, evil, victim, _):
        value = numpy.arange(100_000)
        assert (evil.call("echo", value) == value).all()
        run(
            evil,
            """
    link = server("core")
    enough = threading.Event()
    def scribble():
        while not enough.is_set():
            for number in range(32):
                link._receiver.borrower._words[number] = os.getrandom(1)[0]
    scribbler = threading.Thread(target=scribble, daemon=True)
    scribbler.start()
    """,
        )
        for _ in range(100):
            assert (victim.call("echo", value) == value).all()
            evil.call("echo", 1)
        run(evil, "enough.set(); scribbler.join()")
        there = evil.call("echo", value)
        assert there.shape == value.shape


def test_a_descriptor_that_a_host_sends_goes_nowhere(tmp_path: Path) -> None:
    with parties(tmp_path) as (core, evil, victim, _):
        inode = run(
            evil,
            f"""{PIPE}
    import socket, array
    ends = os.pipe()
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", ends))]
    pipe._socket.sendmsg([pack(m.Resolve(1 << 40, "victim"))], rights)
    api.get_client("bystander").call("echo", 1)  # a channel, so that the core has read what came before it asked for one
    R = os.fstat(ends[0]).st_ino
    """,
        )
        assert f"pipe:[{inode}]" not in descriptors()
        assert evil.call("echo", 1) == 1
        assert victim.call("echo", 1) == 1
        assert core.get_plugin_info("evil").state == "loaded"
