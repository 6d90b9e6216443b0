"""Work along a graph, without processes."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from logoscore.graph import Work
from logoscore.leaks import wait_until

DIAMOND = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}


def run(
    needs: dict[str, list[str]],
    do: Callable[[str], None],
    call_off: Callable[[str], None] = lambda _: None,
    at_once: int = 8,
) -> None:
    Work(list(needs), needs, do, call_off, at_once).run()


def test_needs_come_first() -> None:
    done: list[str] = []
    run(DIAMOND, done.append)
    assert sorted(done) == ["a", "b", "c", "d"]
    assert done[0] == "a"
    assert done[-1] == "d"


def test_what_is_not_in_the_order_is_met() -> None:
    done: list[str] = []
    run({"x": ["loaded long since"]}, done.append)
    assert done == ["x"]


def test_nothing_to_do() -> None:
    run({}, lambda name: pytest.fail(name))


def test_a_chain_costs_no_thread() -> None:
    threads: set[threading.Thread] = set()
    chain: dict[str, list[str]] = {str(n): [str(n - 1)] if n else [] for n in range(50)}
    run(chain, lambda _: threads.add(threading.current_thread()))
    assert threads == {threading.current_thread()}


@pytest.mark.parametrize("width", [2, 5])
def test_what_is_independent_runs_side_by_side(width: int) -> None:
    together = threading.Barrier(width, timeout=20)
    run({str(n): [] for n in range(3 * width)}, lambda _: together.wait() and None, at_once=width)


def test_the_middle_of_a_diamond_runs_side_by_side() -> None:
    together = threading.Barrier(2, timeout=20)
    run(DIAMOND, lambda name: name in "bc" and together.wait() and None)


def test_no_more_than_allowed_at_once() -> None:
    lock, running, most = threading.Lock(), 0, 0
    together = threading.Barrier(3, timeout=20)

    def do(_: str) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait()
        with lock:
            running -= 1

    run({str(n): [] for n in range(39)}, do, at_once=3)
    assert most == 3


def test_a_failure_calls_off_what_runs_and_begins_nothing_new() -> None:
    begun: list[str] = []
    under_way, called_off = threading.Event(), threading.Event()

    def do(name: str) -> None:
        begun.append(name)
        if name == "slow":
            under_way.set()
            assert called_off.wait(20)
            raise ValueError("it was called off")
        assert under_way.wait(20)
        raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        run(
            {"slow": [], "broken": [], "after": ["broken"]},
            do,
            lambda name: called_off.set() if name == "slow" else None,
        )
    assert sorted(begun) == ["broken", "slow"]


def test_an_interrupt_while_others_work_ends_them_too() -> None:
    """The caller's thread has nothing to do and waits for a helper: Ctrl-C must not wait with it."""
    import _thread

    caller = threading.current_thread()
    called_off = threading.Event()

    def do(_: str) -> None:
        if threading.current_thread() is not caller:
            _thread.interrupt_main()
            assert called_off.wait(20)
        else:
            wait_until(lambda: any(thread.name == "logos-load" for thread in threading.enumerate()))

    with pytest.raises(KeyboardInterrupt):
        run({"a": [], "b": []}, do, lambda _: called_off.set())
    assert not [thread for thread in threading.enumerate() if thread.name == "logos-load"]
