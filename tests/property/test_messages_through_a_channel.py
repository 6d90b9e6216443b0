"""Messages of any size through a channel of any size: all of them arrive, whole and in order."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transport_support import Worker, channel_pair, collect, drain, pattern, soon

from logoscore.transport.channel import Receiver, Sender

_capacities = st.sampled_from([64, 256, 1024, 8192])
#: Sizes in thousandths of the ring's capacity, so that what is found shrinks alike for all of them.
_sizes = st.lists(st.integers(0, 3000), max_size=30)


def _messages(capacity: int, sizes: list[int], seed: int = 1) -> list[bytes]:
    return [pattern(size * capacity // 1000, seed * 1000 + number) for number, size in enumerate(sizes)]


def _send_all(sender: Sender, messages: list[bytes]) -> None:
    for message in messages:
        sender.send(message, soon())


def _send_without_waiting(sender: Sender, message: bytes, in_parts: bool) -> None:
    if in_parts:
        sender.send_parts([message[:10], memoryview(message)[10:]], 0)
    else:
        sender.send(message, 0)


@given(_capacities, _sizes, st.sampled_from([0, 50]))
@example(64, [0, 0, 0], 0)
@example(64, [3000] * 3, 0)
@example(64, [250, 251, 249, 1000, 1001], 50)
@settings(deadline=None, max_examples=60)
def test_they_arrive_whole_and_in_order(capacity: int, sizes: list[int], spin: int) -> None:
    messages = _messages(capacity, sizes)
    with channel_pair(capacity, 64, spin=spin) as pair:
        writer = Worker(_send_all, pair.sender, messages)
        assert collect(pair.receiver, len(messages)) == messages
        writer.result()
        assert drain(pair.receiver) == []


@given(_capacities, _sizes, _sizes)
@settings(deadline=None, max_examples=30)
def test_both_directions_at_once(capacity: int, there: list[int], back: list[int]) -> None:
    forth, home = _messages(capacity, there, 1), _messages(capacity, back, 2)
    with channel_pair(capacity, capacity) as pair:
        near_reader = Worker(collect, pair.near.receivers[0], len(home))
        far_reader = Worker(collect, pair.receiver, len(forth))
        far_writer = Worker(_send_all, pair.far.senders[0], home)
        _send_all(pair.sender, forth)
        far_writer.result()
        assert far_reader.result() == forth
        assert near_reader.result() == home


@given(_capacities, st.lists(_sizes, min_size=2, max_size=4))
@settings(deadline=None, max_examples=25)
def test_several_senders_do_not_mix_their_messages(capacity: int, sizes: list[list[int]]) -> None:
    lots = [_messages(capacity, each, number + 1) for number, each in enumerate(sizes)]
    # Every message is told apart by its sender's number, so that each one's order can be looked at.
    lots = [[bytes([number]) + message for message in lot] for number, lot in enumerate(lots)]
    with channel_pair(capacity, 64) as pair:
        writers = [Worker(_send_all, pair.sender, lot) for lot in lots]
        arrived = collect(pair.receiver, sum(map(len, lots)))
        for writer in writers:
            writer.result()
    for number, lot in enumerate(lots):
        assert [message for message in arrived if message[0] == number] == lot


@given(_capacities, st.integers(0, 3000), st.lists(st.integers(0, 3000), max_size=5))
@settings(deadline=None, max_examples=40)
def test_parts_arrive_joined(capacity: int, size: int, cuts: list[int]) -> None:
    message = pattern(size * capacity // 1000, 7)
    places = [0, *sorted(min(cut * capacity // 1000, len(message)) for cut in cuts), len(message)]
    parts: list[bytes | memoryview] = [memoryview(message)[start:end] for start, end in pairwise(places)]
    parts[0] = bytes(parts[0])
    with channel_pair(capacity, 64) as pair:
        writer = Worker(pair.sender.send_parts, parts, soon())
        assert collect(pair.receiver, 1) == [message]
        writer.result()


@given(_capacities, st.integers(0, 3), st.integers(1001, 3000), st.integers(0, 3000), st.booleans())
@settings(deadline=None, max_examples=60)
def test_what_was_given_up_in_the_middle_leaves_no_trace(
    capacity: int, before: int, size: int, after: int, in_parts: bool
) -> None:
    """Nobody reads, so the ring fills up, and the message is dropped as a whole."""
    earlier = [bytes([number]) for number in range(before)]
    too_long = pattern(size * capacity // 1000, 3)
    later = pattern(after * capacity // 1000, 4)
    with channel_pair(capacity, 64) as pair:
        _send_all(pair.sender, earlier[: 1 if capacity == 64 else before])
        with pytest.raises(TimeoutError):
            _send_without_waiting(pair.sender, too_long, in_parts)
        writer = Worker(pair.sender.send, later, soon())
        expected = [*earlier[: 1 if capacity == 64 else before], later]
        assert collect(pair.receiver, len(expected)) == expected
        writer.result()
        assert drain(pair.receiver) == []


@given(_capacities, st.lists(st.integers(0, 900), max_size=40))
@settings(deadline=None, max_examples=40)
def test_try_send_never_waits_and_never_sends_half(capacity: int, sizes: list[int]) -> None:
    with channel_pair(capacity, 64) as pair:
        sent = []
        for number, size in enumerate(sizes):
            message = pattern(min(size * capacity // 1000, pair.sender.ring.max_payload), number)
            if pair.sender.try_send(message):
                sent.append(message)
            elif size % 2:
                assert drain(pair.receiver) == sent
                assert pair.sender.try_send(message)
                sent = [message]
        assert drain(pair.receiver) == sent


@given(_capacities, st.lists(st.integers(0, 900), min_size=1, max_size=40))
@settings(deadline=None, max_examples=40)
def test_spurious_posts_are_harmless(capacity: int, posts: list[int]) -> None:
    with channel_pair(capacity, 64) as pair:
        for number, count in enumerate(posts):
            for _ in range(count):
                pair.sender.data.post()
            message = pattern(count % pair.sender.ring.max_payload, number)
            pair.sender.send(message, soon())
            assert drain_until(pair.receiver, 1) == [message]


def drain_until(receiver: Receiver, count: int) -> list[bytes]:
    """Like ``collect``, without a deadline that a kick could be mistaken for."""
    messages: list[bytes] = []
    with receiver.lock:
        while len(messages) < count:
            message = receiver.receive(None)
            if message is not None:
                messages.append(message)
    return messages
