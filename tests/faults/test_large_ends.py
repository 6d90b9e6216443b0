"""Lent memory, and whatever ends: processes, channels, calls, views, patience; and what is left of it then."""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path
from typing import Any

import numpy
import pytest
from helpers import wait_until
from large_support import large_modules, mapped, spares

from logoscore.errors import CallTimeoutError, LogosError, ModuleCrashedError
from logoscore.session import lending
from logoscore.transport import copies
from logoscore.transport.copies import LARGE

SIZE = 300_000


def assert_readable(views: list[Any]) -> None:
    for number, view in enumerate(views):
        assert len(view) == SIZE
        assert (view == number).all()


def views_of(one: Any, count: int) -> list[Any]:
    return [one.call("echo", numpy.full(SIZE, number, numpy.uint8)) for number in range(count)]


@pytest.mark.parametrize("end", ["unload", "kill", "exit", "cleanup", "reload"])
def test_views_stay_whatever_ends(tmp_path: Path, end: str) -> None:
    gc.collect()
    before = mapped()
    with large_modules(tmp_path, "one") as (core, modules):
        one = modules["one"]
        views = views_of(one, 5)
        if end == "unload":
            core.unload_plugin("one")
        elif end == "reload":
            core.reload_plugin("one")
            assert_readable(one.call("echo", views))
        elif end == "kill":
            os.kill(core.get_plugin_info("one").pid or 0, signal.SIGKILL)
            wait_until(lambda: core.get_plugin_info("one").state == "crashed")
        elif end == "exit":
            with pytest.raises(ModuleCrashedError):
                one.call("end")
        assert_readable(views)
    gc.collect()
    assert_readable(views)
    part = views[3][1000:2000]
    assert mapped() > before
    del views
    assert (part == 3).all()
    del part
    gc.collect()
    assert mapped() == before


def test_a_module_keeps_what_it_was_sent(tmp_path: Path) -> None:
    with large_modules(tmp_path, "one", "two") as (core, modules):
        one, two = modules["one"], modules["two"]
        for number in range(50):
            one.call("keep", numpy.full(SIZE, number % 7, numpy.uint8))
            two.call("ask", "one", "keep", numpy.full(SIZE, number % 5, numpy.uint8))
        core.unload_plugin("two")
        expected = [SIZE * (number % each) for number in range(50) for each in (7, 5)]
        assert one.call("sums") == expected
        assert (one.call("echo", numpy.ones(SIZE)) == 1).all()
        one.call("drop_kept")


def test_the_pool_is_bounded_where_views_are_held_for_ever(tmp_path: Path) -> None:
    with large_modules(tmp_path, "one", buffer_memory=4 << 20) as (_core, modules):
        one = modules["one"]
        before = mapped()
        views = views_of(one, 60)  # 18 MB, of which each side may lend 4
        assert_readable(views)
        assert mapped() - before <= 2 * ((4 << 20) // SIZE)
        one.call("keep", numpy.ones(SIZE))
        big = numpy.full(6 << 20, 9, numpy.uint8)  # more than may be lent at all
        assert (one.call("echo", big) == 9).all()
        del views


def test_none_is_lent_where_the_app_says_so(tmp_path: Path) -> None:
    with large_modules(tmp_path, "one", buffer_memory=0) as (_core, modules):
        before = mapped()
        assert_readable(views_of(modules["one"], 3))
        assert mapped() == before


def test_a_smaller_bound_is_made_room_in(tmp_path: Path) -> None:
    """Sizes that change give up the pieces before them, so that the pool never fills with what nobody needs."""
    with large_modules(tmp_path, "one", buffer_memory=8 << 20) as (core, modules):
        one = modules["one"]
        for size in (1 << 17, 1 << 18, 1 << 19, 1 << 20, 2 << 20, 4 << 20) * 3:
            assert (one.call("echo", numpy.full(size, 5, numpy.uint8)) == 5).all()
        lenders = list(core.api._node.lending._lenders.values())
        assert 0 < sum(each.total for each in lenders) <= 8 << 20


def test_idle_memory_is_given_back_and_the_thread_that_does_it_ends(tmp_path: Path) -> None:
    with large_modules(tmp_path, "one") as (core, modules):
        one = modules["one"]
        before = mapped(), one.call("mapped")
        held = one.call("echo", numpy.full(8 << 20, 3, numpy.uint8))
        views_of(one, 3)
        assert mapped() > before[0]
        wait_until(
            lambda: (mapped(), one.call("mapped")) == (before[0] + 1, before[1]), what="all but the view's memory"
        )
        node = core.api._node
        wait_until(lambda: node.lending._idle is None, what="the end of the thread")
        assert (held == 3).all()
        del held
        assert mapped() == before[0]
        assert_readable(views_of(one, 2))


def test_bytes_kept_to_be_filled_again_go_with_the_memory_that_they_came_from(tmp_path: Path) -> None:
    with large_modules(tmp_path, "one") as (core, modules):
        one = modules["one"]
        held = [one.call("echo", bytes([number]) * LARGE) for number in range(4)]
        for party in (lambda: spares(core.api), lambda: one.call("spares")):
            assert party() or copies._compiled() is None
            assert sum(party()) <= 2 * LARGE
        wait_until(lambda: not spares(core.api) and not one.call("spares"), what="the end of what is kept")
        assert held == [bytes([number]) * LARGE for number in range(4)]
        assert one.call("echo", held[1]) == held[1]


def test_bytes_made_after_their_memory_was_given_up_are_not_kept(tmp_path: Path) -> None:
    with large_modules(tmp_path, "one") as (core, modules):
        one = modules["one"]
        before = one.call("mapped")
        with one.stream("bytes_items", 6, LARGE) as stream:
            items = iter(stream)
            assert next(items) == bytes([0]) * LARGE
            wait_until(lambda: one.call("mapped") == before, what="the end of the memory that the module lends")
            assert list(items) == [bytes([number]) * LARGE for number in range(1, 6)]
        assert spares(core.api) == []


def test_a_module_with_little_address_space_keeps_nothing(tmp_path: Path) -> None:
    with large_modules(tmp_path, "one", limits={"one": {"address_space": 1 << 30}}) as (core, modules):
        for number in range(4):
            assert modules["one"].call("echo", bytes([number]) * LARGE) == bytes([number]) * LARGE
        assert spares(core.api) or copies._compiled() is None
        assert not modules["one"].call("spares")


def test_a_thousand_calls_and_twenty_reloads_leave_nothing(tmp_path: Path) -> None:
    with large_modules(tmp_path, "one") as (core, modules):
        one = modules["one"]
        fields = numpy.ones(SIZE, numpy.uint8)
        for _ in range(100):
            one.call("echo", fields)
        ours, theirs = mapped(), one.call("holdings")
        for _ in range(1000):
            one.call("echo", fields)
        # On a busy machine a piece more may be needed now and then; what leaks would be hundreds.
        assert mapped() <= ours + 4
        now = one.call("holdings")
        assert now[0] == theirs[0]
        assert now[1] <= theirs[1] + 1
        assert now[2] <= theirs[2] + 4
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(20):
            core.reload_plugin("one")
            one.call("echo", fields)
        wait_until(lambda: mapped() <= ours + 4)
        wait_until(lambda: len(list(Path("/proc/self/fd").iterdir())) == descriptors)


def give_up_and_let_go(one: Any, go: Path) -> None:
    """Have a reply made after its caller has given up. What runs out of time before it is begun has none: once more."""
    before, timeout = one.call("given_late"), 0.05
    while one.call("given_late") == before:
        with pytest.raises(CallTimeoutError):
            one.call("give_late", SIZE, str(go), timeout=timeout)
        go.touch()
        timeout *= 2
        go = go.with_name(f"{go.name}+")


def test_replies_that_nobody_reads_give_their_memory_back(tmp_path: Path) -> None:
    with large_modules(tmp_path, "one", buffer_memory=4 << 20) as (core, modules):
        one = modules["one"]
        for number in range(10):
            give_up_and_let_go(one, tmp_path / f"go{number}")
        call = one.submit("give_late", SIZE, str(tmp_path / "go0"))
        call.cancel()
        with one.stream("items", 100, SIZE) as stream:
            next(iter(stream))
        one.call("echo", None)
        borrowers = list(core.api._node.lending._borrowers.values())
        assert borrowers
        wait_until(lambda: not any(piece.out for each in borrowers for piece in each._pieces.values()))


def test_what_is_refused_gives_its_memory_back(tmp_path: Path) -> None:
    fields = numpy.ones(SIZE, numpy.uint8)
    with large_modules(tmp_path, "one", buffer_memory=2 << 20) as (_core, modules):
        one = modules["one"]
        one.call("echo", fields)
        before = mapped()
        for _ in range(20):
            with pytest.raises(LogosError):
                one.call("no_such_method", fields)
            with pytest.raises(LogosError):
                one.call("give", fields)
        one.call("fire", 20, SIZE)  # nobody hears
        one.call("echo", None)
        # Twenty lent and never given back would be more than may be lent.
        assert mapped() <= before + 2
        lender = one._link.sender.lender
        wait_until(lambda: lender.lend(SIZE, 0.0) is not None, what="a piece that is free")


def test_a_subscriber_that_drops_gives_the_memory_back(tmp_path: Path) -> None:
    with large_modules(tmp_path, "one", buffer_memory=8 << 20) as (_core, modules):
        one = modules["one"]
        with one.subscribe("fired", maxsize=2, overflow="drop_oldest") as events:
            one.call("fire", 200, SIZE)
            wait_until(lambda: events.dropped == 198)
            assert set(events.get(5).data[0]) == {198}
        assert mapped() < 100


def test_a_forked_child_reads_and_lets_go_without_the_parent_noticing(tmp_path: Path) -> None:
    with large_modules(tmp_path, "one") as (_core, modules):
        one = modules["one"]
        view = one.call("give", SIZE, 5)
        child = os.fork()
        if not child:
            ok = bool((view == 5).all())
            del view
            gc.collect()
            os._exit(0 if ok else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        for _ in range(5):
            assert (one.call("give", SIZE, 7) == 7).all()
        assert (view == 5).all(), "the child has given back what its parent sees"


def test_a_lending_thread_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no memory to lend, everything goes through the rings as it did."""

    def no_room(*_: Any, **__: Any) -> None:
        raise OSError("no room")

    monkeypatch.setattr(lending, "reserve", no_room)
    with large_modules(tmp_path, "one") as (_core, modules):
        assert_readable(views_of(modules["one"], 3))
