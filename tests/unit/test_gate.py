"""The gate: whose turn it is, and whose it is while somebody waits."""

from __future__ import annotations

import random
import threading
import time

import pytest
from gate_support import as_call, idle, running, waiting
from helpers import wait_until
from transport_support import Worker, soon

from logoscore.errors import StateError
from logoscore.session.deadlines import deadline_after, seconds_left
from logoscore.session.execution import Caller, current_call, current_caller, yield_turn
from logoscore.session.gate import Gate
from logoscore.transport.frame import FOREVER


@pytest.fixture
def turns() -> list[str]:
    return []


# --- order ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_as_many_as_the_limit_are_let_in_at_once(limit: int) -> None:
    gate = Gate(limit)
    assert idle(gate)
    assert [gate.enter(0) for _ in range(limit)] == [True] * limit
    assert gate.enter(0) is False
    assert not idle(gate)
    for _ in range(limit):
        gate.leave()
    assert idle(gate)


def test_first_come_first_served_whether_they_wait_or_not(turns: list[str]) -> None:
    gate = Gate(1)
    assert gate.enter()

    def wait(name: str) -> None:
        assert gate.enter(soon())
        turns.append(name)

    workers = []
    for number in range(6):
        if number % 2:
            assert gate.enter_soon(lambda number=number: turns.append(str(number))) is False
        else:
            workers.append(Worker(wait, str(number)))
        wait_until(lambda expected=number + 1: waiting(gate) == expected)
    for number in range(6):
        gate.leave()
        wait_until(lambda expected=number + 1: len(turns) == expected)
    assert turns == list("012345")
    for worker in workers:
        worker.result()
    gate.leave()
    assert idle(gate)


def test_whoever_comes_while_others_wait_does_not_pass_them(turns: list[str]) -> None:
    gate = Gate(2)
    assert gate.enter()
    assert gate.enter()
    for name in "ab":
        assert gate.enter_soon(lambda name=name: turns.append(name)) is False
    gate.leave()
    assert turns == ["a"]
    assert gate.enter(0) is False
    gate.leave()
    assert turns == ["a", "b"]
    assert gate.enter_soon(lambda: turns.append("never")) is False
    gate.leave()
    assert turns == ["a", "b", "never"]


def test_enter_soon_takes_a_free_turn_without_a_call(turns: list[str]) -> None:
    gate = Gate(1)
    assert gate.enter_soon(lambda: turns.append("called")) is True
    assert turns == []
    gate.leave()
    assert idle(gate)


# --- deadlines --------------------------------------------------------------------------------------------------------


def test_a_deadline_that_passed_withdraws_from_the_queue(turns: list[str]) -> None:
    gate = Gate(1)
    assert gate.enter()
    assert gate.enter_soon(lambda: turns.append("before")) is False
    assert gate.enter(time.monotonic_ns() - 1) is False
    assert gate.enter(deadline_after(0.01)) is False
    assert gate.enter_soon(lambda: turns.append("after")) is False
    gate.leave()
    gate.leave()
    assert turns == ["before", "after"]
    gate.leave()
    assert idle(gate)
    assert gate.enter(0) is True


def test_everybody_gave_up_and_the_turn_is_free_again() -> None:
    gate = Gate(1)
    assert gate.enter()
    for _ in range(5):
        assert gate.enter(0) is False
    gate.leave()
    assert idle(gate)


@pytest.mark.parametrize("limit", [1, 3])
def test_a_turn_handed_over_at_the_moment_of_giving_up_is_not_lost(limit: int) -> None:
    """Deadlines about as long as a turn, so that both come at the same moment again and again."""
    gate = Gate(limit)
    inside: list[int] = []
    most: list[int] = []
    go = threading.Barrier(6)

    def work(seed: int) -> int:
        chance = random.Random(seed)
        taken = 0
        go.wait()
        for _ in range(400):
            if gate.enter(time.monotonic_ns() + chance.randrange(60_000)):
                inside.append(seed)
                most.append(len(inside))
                inside.remove(seed)
                gate.leave()
                taken += 1
        return taken

    workers = [Worker(work, seed) for seed in range(6)]
    assert sum(worker.result() for worker in workers) > 0
    assert max(most) <= limit
    assert idle(gate)
    assert [gate.enter(0) for _ in range(limit + 1)] == [True] * limit + [False]


def test_deadlines_and_seconds() -> None:
    assert deadline_after(float("inf")) == FOREVER
    assert deadline_after(1e30) == FOREVER
    assert seconds_left(FOREVER) == float("inf")
    assert seconds_left(0) == 0
    assert seconds_left(deadline_after(0)) == 0
    assert 0 < seconds_left(deadline_after(100)) <= 100


# --- giving a turn away -----------------------------------------------------------------------------------------------


def test_outside_of_a_call_there_is_nothing_to_give_away() -> None:
    with yield_turn():
        assert current_call.get() is None


def test_a_call_without_a_gate_is_told_before_it_waits(turns: list[str]) -> None:
    with as_call(running(None, turns)), yield_turn():
        assert turns == ["before"]


def test_while_one_waits_the_next_has_his_turn_and_then_it_comes_back(turns: list[str]) -> None:
    gate = Gate(1)
    assert gate.enter()
    assert gate.enter_soon(lambda: turns.append("next")) is False
    done = threading.Event()

    def outer() -> None:
        with as_call(running(gate, turns)):
            with yield_turn():
                turns.append("waits")
            turns.append("back")
            done.set()

    worker = Worker(outer)
    wait_until(lambda: waiting(gate) == 1 and "waits" in turns)
    assert turns == ["before", "next", "waits"]
    assert not done.is_set()
    gate.leave()  # the next one has finished
    worker.result()
    assert turns == ["before", "next", "waits", "back"]
    gate.leave()
    assert idle(gate)


def test_the_turn_comes_back_also_when_waiting_failed() -> None:
    gate = Gate(1)
    assert gate.enter()

    def wait_in_vain() -> None:
        with yield_turn():
            assert idle(gate)
            raise KeyError

    with as_call(running(gate)), pytest.raises(KeyError):
        wait_in_vain()
    assert not idle(gate)
    gate.leave()
    assert idle(gate)


def test_a_thread_of_the_modules_own_gives_nothing_away() -> None:
    gate = Gate(1)
    assert gate.enter()

    def inside() -> bool:
        with yield_turn():
            return idle(gate)

    with as_call(running(gate)):
        assert Worker(inside).result() is False
    gate.leave()


def test_the_caller_is_known_inside_a_call_only() -> None:
    with pytest.raises(StateError, match="inside a call"):
        current_caller()
    call = running(None)
    with as_call(call):
        caller = current_caller()
    assert isinstance(caller, Caller)
    assert (caller.name, caller.remaining, caller.cancelled) == ("peer", float("inf"), False)
    assert "peer" in repr(caller)
    told: list[bool] = []
    call.on_cancel = lambda: told.append(caller.cancelled)
    call.cancel()
    assert told == [True]


def test_a_gate_can_be_widened(turns: list[str]) -> None:
    gate = Gate(1)
    assert gate.enter()
    for name in "abc":
        assert gate.enter_soon(lambda name=name: turns.append(name)) is False
    gate.widen(3)
    assert (gate.limit, turns) == (3, ["a", "b"])
    for _ in range(4):
        gate.leave()
    assert turns == ["a", "b", "c"]
    assert idle(gate)
    assert [gate.enter(0) for _ in range(4)] == [True, True, True, False]


def test_a_call_gives_its_turn_once_and_ends_once() -> None:
    gate = Gate(1)
    assert gate.enter()
    call = running(gate)
    assert call.give_turn() is True
    assert call.give_turn() is False
    call.take_turn()
    call.take_turn()
    assert gate.enter(0) is False
    assert call.give_turn() is True
    assert gate.enter(0) is True, "somebody else has it now"
    call.end()
    assert gate.enter(0) is False, "the end of a call that has no turn gives none back"
    gate.leave()
    call.take_turn()
    call.end()
    assert gate.enter(0) is True
    assert gate.enter(0) is False
