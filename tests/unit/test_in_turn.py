"""The module's code that runs otherwise than in a call: in the turn of a callback, for as long as that runs."""

from __future__ import annotations

import contextvars

from logoscore.session.execution import InTurn, RunningCall, running_call, yield_turn
from logoscore.session.gate import Gate


def test_it_has_its_turn_and_gives_it_back() -> None:
    gate = Gate(1)
    running: dict[int, RunningCall] = {}
    with InTurn("chat", gate, running, 7, waits=True):
        call = running_call()
        assert call is not None
        assert (call.peer, call.has_turn, call.runs_in_a_thread) == ("chat", True, True)
        assert running == {7: call}
        assert not gate.try_enter()
    assert gate.try_enter()
    assert running == {}
    assert running_call() is None


def test_it_gives_its_turn_away_while_it_waits() -> None:
    gate = Gate(1)
    with InTurn("chat", gate, {}, 1, waits=True):
        with yield_turn():
            assert gate.try_enter()
            gate.leave()
        assert not gate.try_enter()
    assert gate.try_enter()


def test_what_outlives_it_takes_no_turn() -> None:
    """A thread that the callback started in its own context, say."""
    gate = Gate(1)
    with InTurn("chat", gate, {}, 1, waits=True):
        later = contextvars.copy_context()

    def outlive() -> None:
        assert running_call() is None
        with yield_turn():
            pass

    later.run(outlive)
    assert gate.try_enter()
    assert not gate.try_enter()  # one turn, not two


def test_a_turn_that_is_somebody_elses_is_left_alone() -> None:
    gate = Gate(1)
    assert gate.try_enter()
    with InTurn("chat", gate, {}, 1):
        assert not gate.try_enter()
    assert not gate.try_enter()


def test_without_a_gate_it_has_none() -> None:
    with InTurn("chat", None, {}, 1), yield_turn():
        call = running_call()
        assert call is not None
        assert call.gate is None
