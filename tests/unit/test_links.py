"""The tables of channels and grants: what is found at a party, and what its leaving leaves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from logoscore.errors import ChannelClosedError, ProtocolViolationError
from logoscore.grants import Grants
from logoscore.links import Link, LinkTable, Party
from logoscore.transport import messages as m

GONE = ChannelClosedError("gone")


def party(name: str) -> Party:
    return Party(name, "", lambda *_: None)


A, B, C = party("a"), party("b"), party("c")


class Table(LinkTable):
    def make(self, caller: Party, callee: Party, purpose: str = m.CALLS) -> Link:
        import os

        link, memory = self.create(caller, callee, purpose, codec="safe", names=None, request=None, on_attached=None)
        os.close(memory)
        return link


@pytest.fixture
def table() -> Iterator[Table]:
    table = Table()
    yield table
    for each in (A, B, C):
        table.take_all(each, GONE)
    assert not any((table._links, table._of, table._between)), "nothing is kept of what has ended"


def test_a_link_is_found_by_its_pair_direction_and_purpose(table: Table) -> None:
    link = table.make(A, B)
    events = table.make(A, B, m.EVENTS)
    assert table.find(A, "b", m.CALLS) is link
    assert table.find(A, "b", m.EVENTS) is events
    assert table.find(B, "a", m.CALLS) is None
    assert table.find(A, "c", m.CALLS) is None


def test_the_oldest_of_a_pair_counts(table: Table) -> None:
    first, second = table.make(A, B), table.make(A, B)
    assert table.find(A, "b", m.CALLS) is first
    assert table.take(first, GONE)
    assert not table.take(first, GONE)
    assert table.find(A, "b", m.CALLS) is second


def test_another_party_of_the_same_name_is_another(table: Table) -> None:
    table.make(A, B)
    assert table.find(party("a"), "b", m.CALLS) is None


def test_whoever_leaves_takes_what_is_his_at_either_end(table: Table) -> None:
    mine = [table.make(A, B), table.make(C, A), table.make(A, A)]
    other = table.make(B, C)
    assert table.take_all(A, GONE) == mine
    assert table.take_all(A, GONE) == []
    assert table.get(other.number, B) is other
    assert table.get(mine[0].number, A) is None
    with pytest.raises(ProtocolViolationError):
        table.get(other.number, A)
    assert all(link.ended for link in mine)


def test_grants_have_a_direction_and_end_with_either_party() -> None:
    grants = Grants()
    for pair in ((A, B), (B, C), (C, A), (A, A)):
        grants.add(*pair)
    assert (A, B) in grants
    assert (B, A) not in grants
    assert grants.leave(A) == {A, B}
    assert [pair for pair in ((A, B), (C, A), (A, A)) if pair in grants] == []
    assert (B, C) in grants
    assert grants.leave(A) == set()
    assert grants.leave(C) == set()
    assert (B, C) not in grants
