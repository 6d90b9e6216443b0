"""How a channel ends, what a kick does, and what a peer that breaks the rules gets."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest
from helpers import wait_until
from transport_support import Pair, Worker, channel_pair, collect, drain, mapped, open_pair, pattern, soon
from transport_support import each_kind as each_kind

from logoscore.errors import (
    ChannelClosedError,
    FrameTooLargeError,
    LogosError,
    ModuleCrashedError,
)
from logoscore.transport import receiver as receiver_module
from logoscore.transport.channel import MAX_MESSAGE, Channel, Receiver, channel_size
from logoscore.transport.ring import ring_size
from logoscore.transport.segment import Semaphore, create_memory, create_semaphores, unlink_semaphore
from logoscore.transport.spin import Spinner

CRASH = ModuleCrashedError("b crashed", module="b", pid=7, exit_code=None, signal_name="SIGSEGV", stderr="x")


def receive(receiver: Receiver, deadline: int | None = None) -> bytes | None:
    with receiver.lock:
        return receiver.receive(deadline)


def same(error: LogosError, expected: LogosError) -> None:
    """A fresh copy: a shared one would gather every waiter's traceback."""
    assert pickle.dumps(error) == pickle.dumps(expected)
    assert error is not expected


class Deaf:
    """A semaphore that no kick gets through."""

    def __init__(self, semaphore: Semaphore) -> None:
        self.acquire, self.try_acquire = semaphore.acquire, semaphore.try_acquire

    def kick(self) -> None: ...


# --- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [CRASH, ChannelClosedError("b was unloaded")], ids=lambda e: type(e).__name__)
def test_close_wakes_a_parked_receiver_with_its_error(error: LogosError) -> None:
    with channel_pair(spin=0) as pair:
        parked = Worker(receive, pair.receiver)
        wait_until(pair.receiver.lock.locked)
        pair.far.close(error)
        with pytest.raises(type(error)) as caught:
            parked.result()
        same(caught.value, error)


@pytest.mark.parametrize("ends", [True, False], ids=["closed", "kicked"])
def test_a_peer_that_takes_the_kick_for_itself_keeps_the_receiver_only_for_a_while(
    ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_module, "_LONGEST_SLEEP", 0.05)
    with channel_pair(spin=0) as pair:
        parked = Worker(receive, pair.receiver)
        wait_until(pair.receiver.lock.locked)
        monkeypatch.setattr(pair.receiver, "data", Deaf(pair.receiver.data))  # the peer is always quicker
        if ends:
            pair.far.close(CRASH)
            with pytest.raises(ModuleCrashedError):
                parked.result()
        else:
            pair.receiver.kick()
            assert parked.result() is None


@pytest.mark.parametrize("pieces", [False, True], ids=["whole", "in pieces"])
def test_whoever_writes_on_after_the_end_is_not_heard_for_ever(pieces: bool) -> None:
    """A child of a dead module may have its memory still; what it writes is nobody's."""
    message = pattern(600 if pieces else 100, 1)
    with channel_pair(1024, 64) as pair:
        pair.sender.send(message, soon())
        pair.far.close(CRASH)
        assert receive(pair.receiver, soon()) == message
        pair.sender.send(message, soon())
        with pytest.raises(ModuleCrashedError):
            receive(pair.receiver, soon())


@pytest.mark.parametrize("error", [CRASH, ChannelClosedError("b was unloaded")], ids=lambda e: type(e).__name__)
def test_close_wakes_a_blocked_sender_with_its_error(error: LogosError) -> None:
    with channel_pair() as pair:
        blocked = Worker(pair.sender.send, pattern(5000, 1), soon())
        wait_until(pair.receiver.ring.waiting_episode)
        pair.near.close(error)
        with pytest.raises(type(error)) as caught:
            blocked.result()
        same(caught.value, error)
        assert pair.receiver.ring.waiting_episode() == 0


def test_close_reaches_senders_that_wait_for_a_sender() -> None:
    with channel_pair() as pair:
        first = Worker(pair.sender.send, pattern(5000, 1), soon())
        wait_until(pair.receiver.ring.waiting_episode)
        others = [Worker(pair.sender.send, b"x", soon()), Worker(pair.sender.send_parts, [b"x", b"y"], soon())]
        pair.near.close(CRASH)
        for worker in (first, *others):
            with pytest.raises(ModuleCrashedError):
                worker.result()


def test_whoever_comes_later_gets_the_error_too_each_his_own() -> None:
    with channel_pair() as pair:
        pair.end(CRASH)
        attempts: list[Callable[[], Any]] = [
            lambda: pair.sender.send(b"x", soon()),
            lambda: pair.sender.send_parts([b"x"], soon()),
            lambda: pair.sender.try_send(b"x"),
            lambda: receive(pair.receiver),
            lambda: receive(pair.receiver, 0),
        ]
        seen = []
        for attempt in [*attempts, *attempts]:
            with pytest.raises(ModuleCrashedError) as caught:
                attempt()
            same(caught.value, CRASH)
            seen.append(caught.value)
        assert len({id(error) for error in seen}) == len(seen)


def test_what_had_arrived_is_still_delivered() -> None:
    with channel_pair() as pair:
        messages = [pattern(size, size) for size in (0, 1, 200, 256, 300)]
        for message in messages:
            pair.sender.send(message, soon())
        pair.near.close(CRASH)
        pair.far.close(CRASH)
        with pair.receiver.lock:
            assert [pair.receiver.receive(None) for _ in messages] == messages
            for _ in range(2):
                with pytest.raises(ModuleCrashedError):
                    pair.receiver.receive(None)


def test_half_a_message_is_not_delivered() -> None:
    with channel_pair() as pair:
        pair.sender.send(b"whole", soon())
        with pytest.raises(TimeoutError):
            pair.sender.send(pattern(5000, 1), 0)
        pair.far.close(CRASH)
        assert receive(pair.receiver) == b"whole"
        with pytest.raises(ModuleCrashedError):
            receive(pair.receiver)


def test_the_first_error_counts() -> None:
    with channel_pair() as pair:
        pair.near.close(CRASH)
        pair.near.close(ChannelClosedError("too late"))
        with pytest.raises(ModuleCrashedError):
            pair.sender.send(b"", soon())


def test_dispose_waits_for_those_inside_and_leaves_nothing() -> None:
    before = mapped()
    pair = open_pair()
    assert len(mapped()) > len(before)
    parked = Worker(receive, pair.receiver)
    blocked = Worker(pair.far.senders[0].send, pattern(5000, 1), soon())  # nobody reads that one
    wait_until(pair.receiver.lock.locked)
    wait_until(pair.near.receivers[0].ring.waiting_episode)
    pair.end(CRASH)
    for worker in (parked, blocked):
        with pytest.raises(ModuleCrashedError):
            worker.result()
    assert mapped() == before
    for channel in pair:
        channel.dispose()
        channel.close(CRASH)
    pair.receiver.kick()
    assert mapped() == before


def test_close_and_dispose_hammered_from_all_sides() -> None:
    """Senders, receivers, kicks and two closers: every thread ends with the error, and nothing stays mapped."""
    before = mapped()
    for number in range(30):
        pair = open_pair((256, 256), spin=20 * (number % 2))
        gate = threading.Barrier(6)
        workers = [Worker(_until_closed, gate, action) for action in _actions(pair)]
        gate.wait()
        closers = [Worker(pair.end, CRASH), Worker(pair.end, CRASH)]
        for worker in (*workers, *closers):
            worker.result()
    assert mapped() == before


def _actions(pair: Pair) -> list[Callable[[], Any]]:
    return [
        lambda: pair.sender.send(b"x" * 300, soon()),
        lambda: pair.sender.try_send(b"y"),
        lambda: receive(pair.receiver),
        lambda: receive(pair.near.receivers[0]),
        lambda: (pair.receiver.kick(), pair.sender.send(b"", soon())),
    ]


def _until_closed(gate: threading.Barrier, action: Callable[[], Any]) -> None:
    gate.wait()
    try:
        while True:
            action()
    except ModuleCrashedError:
        pass  # the only way out


# --- opening ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def names() -> Any:
    made = create_semaphores(2)
    yield made
    for name in made:
        unlink_semaphore(name)


def assert_closed(fd: int) -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_memory_that_is_too_small_is_refused_and_its_descriptor_closed(names: list[str]) -> None:
    fd = create_memory(ring_size(1024) - 1)
    with pytest.raises(ValueError, match="expected"):
        Channel(fd, (1024,), names, (True,), Spinner(0))
    assert_closed(fd)


def test_a_missing_semaphore_is_an_error_that_the_caller_expects(names: list[str]) -> None:
    """``Channel`` promises OSError or ValueError, and a party that opens one catches just these."""
    before = mapped()
    fd = create_memory(channel_size((64,), 0))
    with pytest.raises((OSError, ValueError)):
        Channel(fd, (64,), (names[0], names[0] + ".gone"), (True,), Spinner(0))
    assert_closed(fd)
    assert mapped() == before


@pytest.mark.parametrize("capacity", [0, 65])
def test_an_impossible_capacity_closes_the_descriptor_too(capacity: int, names: list[str]) -> None:
    fd = create_memory(4096)
    try:
        with pytest.raises(ValueError, match="power of two"):
            Channel(fd, (capacity,), names, (True,), Spinner(0))
        assert_closed(fd)
    finally:
        if _is_open(fd):
            os.close(fd)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


@pytest.mark.parametrize(("count", "sends"), [(1, (True,)), (2, ()), (0, ())])
def test_a_wrong_number_of_anything_leaves_nothing_mapped(
    count: int, sends: tuple[bool, ...], names: list[str]
) -> None:
    before = mapped()
    fd = create_memory(ring_size(64))
    with pytest.raises(ValueError, match=r"do not match"):
        Channel(fd, (64,), names[:count], sends, Spinner(0))
    assert_closed(fd)
    assert mapped() == before


# --- deadlines and kicks ----------------------------------------------------------------------------------------------


def test_receive_returns_nothing_at_its_deadline() -> None:
    with channel_pair() as pair:
        assert receive(pair.receiver, 0) is None
        pair.sender.send(b"later", soon())
        assert receive(pair.receiver, soon()) == b"later"


def test_a_kick_ends_a_wait_and_takes_nothing_away() -> None:
    with channel_pair(spin=0) as pair:
        parked = Worker(receive, pair.receiver)
        wait_until(pair.receiver.lock.locked)
        pair.receiver.kick()
        assert parked.result() is None
        pair.sender.send(b"still here", soon())
        assert collect(pair.receiver, 1) == [b"still here"]


def test_a_sender_whose_deadline_passed_does_not_wait_for_another_sender() -> None:
    with channel_pair() as pair:
        blocked = Worker(pair.sender.send, pattern(5000, 1), soon())
        wait_until(pair.receiver.ring.waiting_episode)
        assert pair.sender.try_send(b"x") is False
        for attempt in (lambda: pair.sender.send(b"x", 0), lambda: pair.sender.send_parts([b"x"], 0)):
            with pytest.raises(TimeoutError):
                attempt()
        assert collect(pair.receiver, 1) == [pattern(5000, 1)]
        blocked.result()


def test_a_message_beyond_the_limit_is_refused_by_its_sender() -> None:
    whole = bytes(MAX_MESSAGE + 1)  # pages that nobody touches take no memory
    with channel_pair() as pair:
        with pytest.raises(FrameTooLargeError, match=str(MAX_MESSAGE)):
            pair.sender.send_parts([whole[:1], memoryview(whole)[1:]], 0)
        with pytest.raises(FrameTooLargeError, match=str(MAX_MESSAGE)):
            pair.sender.send(whole, 0)
        assert drain(pair.receiver) == []


def test_a_reader_that_never_waits_owes_a_bounded_number_of_units() -> None:
    """A writer that is always ahead: the ring is never empty. The semaphore would reach its limit after 2**31 records."""
    with channel_pair(1 << 14, 1024) as pair:
        receiver, ending = pair.receiver, threading.Event()

        def write() -> None:
            while not ending.is_set():
                pair.sender.send(b"x", soon())

        writer = Worker(write)
        episode = 0
        with receiver.lock:
            for _ in range(6):
                wait_until(lambda before=episode: receiver.ring.waiting_episode() not in {0, before})
                episode = receiver.ring.waiting_episode()
                for _ in range(600):  # of the 1024 in the ring
                    assert receiver.receive(soon()) is not None
            assert receiver._units < 2000
            ending.set()
        while writer.is_alive():
            drain(receiver)
        writer.result()


def test_a_peer_that_takes_its_cursor_back_keeps_nobody_beyond_his_deadline() -> None:
    with channel_pair() as pair:
        receiver, written = pair.receiver, pair.sender.ring.words

        class Toggled:
            """There is something whenever we look, and nothing when we read."""

            def __getattr__(self, name: str) -> Any:
                return getattr(ring, name)

            def read(self) -> None:
                written[0] = 0
                assert ring.read() is None
                written[0] = 64

        ring = receiver.ring
        receiver.ring = cast("Any", Toggled())
        written[0] = 64
        try:
            assert receive(receiver, 0) is None
        finally:
            receiver.ring = ring
            written[0] = 0
