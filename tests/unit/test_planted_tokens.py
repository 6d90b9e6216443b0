"""What the core has planted in the capability module stays until the core says Forget."""

from __future__ import annotations

import time
from typing import Any

import pytest

from logoscore.errors import ChannelClosedError
from logoscore.links import LinkTable, Party
from logoscore.session.gate import Gate
from logoscore.session.node import CAPABILITY_MODULE, Node
from logoscore.session.wire_errors import to_wire
from logoscore.tokens import new_token
from logoscore.transport import messages as m
from logoscore.transport.spin import Spinner


@pytest.mark.parametrize(("name", "stays"), [(CAPABILITY_MODULE, True), ("other", False)])
def test_a_channel_that_nobody_waited_for_any_more(name: str, stays: bool) -> None:
    """A caller's deadline was over before its channel to the worker came; the channel is given up."""
    said: list[Any] = []
    node = Node(name, said.append, default_timeout=5.0, spinner=Spinner(0), gate=Gate(1))
    token = new_token()
    node.handle(m.Plant(1, "worker", incoming=token, outgoing=token))
    callee = Party("worker", token, lambda *_: None)
    table = LinkTable()
    caller = Party(name, token, lambda *_: None)
    link, memory = table.create(caller, callee, m.CALLS, codec="safe", names=None, request=99, on_attached=None)
    node.handle(m.Opened(99, link.info(callee)), (memory,))
    assert isinstance(said[-1], m.LinkFailed)
    given_up = ChannelClosedError("given up")
    table.take(link, given_up)
    node.handle(m.CloseLink(link.number, to_wire(given_up)))
    assert (node.tokens.held("worker") == token) == stays
    node.close(ChannelClosedError("the test ends"))


def test_the_end_of_a_channel_spares_the_token_that_was_got_for_the_next() -> None:
    said: list[Any] = []
    node = Node("caller", said.append, default_timeout=5.0, spinner=Spinner(0), gate=Gate(1))
    callee, caller = (Party(name, new_token(), lambda *_: None) for name in ("worker", "caller"))
    table = LinkTable()
    node.tokens.hold("worker", new_token())
    link, memory = table.create(caller, callee, m.CALLS, codec="safe", names=None, request=99, on_attached=None)
    node.handle(m.Opened(99, link.info(callee)), (memory,))
    node.tokens.hold("worker", newer := new_token())
    given_up = ChannelClosedError("given up")
    table.take(link, given_up)
    node.handle(m.CloseLink(link.number, to_wire(given_up)))
    assert node.tokens.held("worker") == newer
    node.close(ChannelClosedError("the test ends"))


def test_what_was_planted_goes_by_a_late_word_all_the_same() -> None:
    """Both wait in the pipe of a party that stands still; its clock says when it has read them."""
    said: list[Any] = []
    node = Node(CAPABILITY_MODULE, said.append, default_timeout=5.0, spinner=Spinner(0), gate=Gate(1))
    token, gone = new_token(), time.monotonic_ns()
    node.handle(m.Plant(1, "worker", incoming=token, outgoing=token))
    node.handle(m.Forget(2, "worker", gone))
    assert (node.tokens.held("worker"), node.tokens.peers()) == (None, [])
    node.close(ChannelClosedError("the test ends"))


def test_a_late_word_that_a_party_is_gone_spares_what_its_successor_has() -> None:
    said: list[Any] = []
    node = Node("callee", said.append, default_timeout=5.0, spinner=Spinner(0), gate=Gate(1))
    old, new = new_token(), new_token()
    node.tokens.admit("caller", old)
    gone = time.monotonic_ns()
    node.tokens.admit("caller", new)
    node.handle(m.Forget(1, "caller", gone))
    assert said == [m.Done(1)]
    assert node.tokens.check_valid("caller", new)
    assert not node.tokens.check_valid("caller", old)
    node.close(ChannelClosedError("the test ends"))
