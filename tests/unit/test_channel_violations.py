"""What a peer that breaks the rules gets: a violation, in bounded time and memory, and nothing else."""

from __future__ import annotations

import pytest
from transport_support import Pair, channel_pair, drain, soon

from logoscore.errors import ProtocolViolationError
from logoscore.transport.ring import FIRST, LENT, MORE


def record(pair: Pair, payload: bytes, flags: int) -> None:
    """One record as a peer with code of his own would write it."""
    assert pair.sender.ring.write(payload, flags)
    pair.sender.data.post()


def receive_nothing(pair: Pair, times: int) -> None:
    with pair.receiver.lock:
        for _ in range(times):
            assert pair.receiver.receive(soon()) is None


def send_empty_records(pair: Pair, rings: int) -> None:
    """So many rings full of them, each read before the next."""
    for _ in range(rings):
        while pair.sender.ring.write(b"", MORE):
            pair.sender.data.post()
        assert drain(pair.receiver) == []


def test_a_flood_of_posts_is_a_violation() -> None:
    flood = 250_000
    with channel_pair() as pair:
        for _ in range(flood):
            pair.sender.data.post()
        with pytest.raises(ProtocolViolationError, match="without sending"):
            receive_nothing(pair, flood)


class Restless:
    """A semaphore whose peer wakes us whenever we want to sleep."""

    def acquire(self, timeout: float) -> bool:
        return False

    def kick(self) -> None: ...


def test_whoever_lets_nobody_sleep_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with channel_pair(spin=0) as pair:
        monkeypatch.setattr(pair.receiver, "data", Restless())
        with pytest.raises(ProtocolViolationError, match="without sending"), pair.receiver.lock:
            pair.receiver.receive(None)


def test_records_without_a_beginning_are_passed_over() -> None:
    with channel_pair() as pair:
        record(pair, b"the rest of", MORE)
        record(pair, b"nothing", 0)
        record(pair, b"a message", FIRST)
        assert drain(pair.receiver) == [b"a message"]


def test_a_new_beginning_gives_the_message_before_up() -> None:
    with channel_pair() as pair:
        record(pair, b"given up", FIRST | MORE)
        record(pair, b"given up", MORE)
        record(pair, b"a", FIRST | MORE)
        record(pair, b"b", 0)
        record(pair, b"given up", FIRST | MORE)
        record(pair, b"c", FIRST)
        record(pair, b"no end of anything", 0)
        assert drain(pair.receiver) == [b"ab", b"c"]


@pytest.mark.parametrize("lost", range(4))
def test_a_message_of_which_a_record_was_lost_is_nobodys(lost: int) -> None:
    """Ctrl-C may strike a leader between reading a record and keeping it; whoever leads next reads on."""
    with channel_pair() as pair:
        record(pair, b"given up before", FIRST | MORE)
        assert drain(pair.receiver) == []
        for number, flags in enumerate((FIRST | MORE, MORE, MORE, 0)):
            record(pair, b"piece" * (number + 1), flags)
            if number == lost:
                assert pair.receiver.ring.read() == (b"piece" * (number + 1), flags)
            else:
                assert drain(pair.receiver) == []
        record(pair, b"whole", FIRST)
        record(pair, b"in ", FIRST | MORE)
        record(pair, b"two", 0)
        assert drain(pair.receiver) == [b"whole", b"in two"]


@pytest.mark.parametrize("flags", [4, 6, 8, 9, 2**31, 2**32 - 1])
def test_unknown_flags_are_a_violation(flags: int) -> None:
    with channel_pair() as pair:
        record(pair, b"x", flags)
        with pytest.raises(ProtocolViolationError, match="flags"):
            drain(pair.receiver)


@pytest.mark.parametrize("flags", [FIRST | LENT, FIRST | LENT | MORE])
def test_lent_memory_through_a_channel_without_is_a_violation(flags: int) -> None:
    with channel_pair() as pair:
        record(pair, bytes(24), flags)
        record(pair, b"x", 0)
        with pytest.raises(ProtocolViolationError, match="lends memory"):
            drain(pair.receiver)


@pytest.mark.parametrize("cursor", [1, 7, 1024 + 8, 2**32, 2**63, 2**64 - 8, 2**64 - 1])
def test_an_impossible_writers_cursor_is_a_violation_for_the_receiver_only(cursor: int) -> None:
    with channel_pair() as pair:
        pair.sender.ring.words[0] = cursor
        pair.sender.data.post()
        with pytest.raises(ProtocolViolationError, match=str(cursor)):
            drain(pair.receiver)
        pair.far.senders[0].send(b"the other direction is fine", soon())
        assert drain(pair.near.receivers[0]) == [b"the other direction is fine"]


@pytest.mark.parametrize("cursor", [1, 2048, 2**63, 2**64 - 8])
def test_an_impossible_readers_cursor_is_a_violation_for_the_sender(cursor: int) -> None:
    with channel_pair() as pair:
        while pair.sender.try_send(b"x" * 100):
            pass
        pair.receiver.ring.words[8] = cursor
        for attempt in (pair.sender.send, lambda message, until: pair.sender.send_parts([message], until)):
            with pytest.raises(ProtocolViolationError, match=str(cursor)):
                attempt(b"x" * 100, soon())
        with pytest.raises(ProtocolViolationError, match=str(cursor)):
            pair.sender.try_send(b"x" * 100)


@pytest.mark.parametrize("episode", [1, 2**63, 2**64 - 1])
def test_a_writer_that_lies_about_waiting_gains_nothing(episode: int) -> None:
    with channel_pair() as pair:
        for number in range(50):
            pair.sender.ring.set_waiting(episode - number % 2)
            pair.sender.send(bytes([number]), soon())
            assert drain(pair.receiver) == [bytes([number])]


def test_endless_empty_records_are_a_violation() -> None:
    """They add nothing to the message's size, but each is kept: what a peer makes us hold must be bounded."""
    with channel_pair(8192, 64) as pair:
        record(pair, b"", FIRST | MORE)
        with pytest.raises(ProtocolViolationError):
            send_empty_records(pair, 400)
