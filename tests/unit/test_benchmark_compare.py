"""When the benchmarks say that something got slower, and when they do not."""

from __future__ import annotations

import itertools
import random
from math import comb
from typing import Any

import pytest
from benchmark_support import MACHINE, SETTINGS, row, values
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.compare import Comparison, compare, render
from benchmarks.results import Outcome, Row, Settings
from benchmarks.statistics import holm, least_p, spread, stochastically_greater

ROUNDS = 7
OTHERS = ("socketpair", "pipe", "pyzmq", "rpyc")

few = st.lists(st.integers(min_value=0, max_value=5), min_size=1, max_size=4)


@given(few, few)
def test_the_rank_test_counts_all_ways_of_dealing(new: list[int], old: list[int]) -> None:
    together = [*new, *old]
    ordered = sorted(together)
    ranks = [
        sum(i + 1 for i, other in enumerate(ordered) if other == value) / ordered.count(value) for value in together
    ]
    observed = sum(ranks[: len(new)])
    extreme = sum(sum(deal) >= observed - 1e-9 for deal in itertools.combinations(ranks, len(new)))
    assert stochastically_greater(new, old) == pytest.approx(extreme / comb(len(together), len(new)))


def test_the_rank_test_at_its_ends() -> None:
    assert stochastically_greater([4, 5, 6], [1, 2, 3]) == least_p(3, 3) == 1 / 20
    assert stochastically_greater([1, 2, 3], [4, 5, 6]) == 1
    assert stochastically_greater([1, 1], [1, 1]) == 1


def test_holm_stops_at_the_first_no() -> None:
    assert holm({"a": 0.01, "b": 0.02, "c": 0.2}, 0.05) == {"a", "b"}
    assert holm({"a": 0.02, "b": 0.02, "c": 0.02}, 0.05) == set()
    assert holm({}, 0.05) == set()


def test_one_wild_value_does_not_widen_the_spread() -> None:
    assert spread([1, 2, 3, 1000], 2) == pytest.approx(1.4826)


def run(
    seed: int, factor: float = 1.0, drift: float = 1.0, rounds: int = ROUNDS, peers: tuple[str, ...] = OTHERS
) -> Any:
    """Everything varies by a few percent from round to round; we take ``factor`` times as long as usual."""
    chance = random.Random(seed)

    def rounds_of(p50: float) -> list[float]:
        return [p50 * drift * chance.lognormvariate(0, 0.04) for _ in range(rounds)]

    rows = [row(peer, *rounds_of(20 + 10 * number)) for number, peer in enumerate(peers)]
    rows += [row("logoscore", *rounds_of(10 * factor), ours=True)]
    rows += [values("logoscore", "rate", *rounds_of(50 / factor / drift**2), ours=True)]
    return MACHINE, SETTINGS, [Outcome("round-trip", "pipe", rows)]


def names(comparison: Comparison) -> set[str]:
    return {each.name for each in comparison.slower}


def test_equal_runs_are_equal() -> None:
    cries = [names(compare(run(seed), run(seed + 1000))) for seed in range(100)]
    assert not any(cries)


def test_a_run_does_not_differ_from_itself() -> None:
    comparison = compare(run(1), run(1))
    assert (comparison.slower, comparison.faster) == ([], [])
    assert render(comparison).endswith("nothing got slower beyond noise\n")


def test_what_got_slower_is_found_and_named() -> None:
    for seed in range(20):
        comparison = compare(run(seed), run(seed + 1000, factor=1.5))
        assert "round-trip, hot, logoscore, p50" in names(comparison)
        assert "round-trip, v, logoscore, rate" in names(comparison)  # less of it is slower
        assert "SLOWER: round-trip, hot, logoscore, p50: " in render(comparison)


def test_what_got_faster_is_no_complaint() -> None:
    comparison = compare(run(1), run(1001, factor=0.6))
    assert not comparison.slower
    assert "round-trip, hot, logoscore, p50" in {each.name for each in comparison.faster}


def test_a_slower_machine_is_not_our_fault() -> None:
    comparison = compare(run(1), run(1001, drift=1.6))
    assert "round-trip, hot, logoscore, p50" not in names(comparison)
    alone = compare(run(1, peers=("pipe",)), run(1001, drift=1.6, peers=("pipe",)))
    assert "round-trip, hot, logoscore, p50" in names(alone)  # one other peer says nothing sure about the machine
    assert "no other peers to judge drift by" in render(alone)


def test_a_slow_down_shows_also_on_a_faster_machine() -> None:
    assert "round-trip, hot, logoscore, p50" in names(compare(run(1), run(1001, factor=1.5, drift=0.6)))


def test_when_everybody_jumps_about_nobody_is_blamed() -> None:
    calm = [row(peer, *[20 + i / 10 for i in range(ROUNDS)]) for peer in OTHERS]
    wild = [
        row(peer, *[20 * f + i / 10 for i in range(ROUNDS)]) for peer, f in zip(OTHERS, (0.5, 1, 2, 3), strict=True)
    ]

    def ours(factor: float) -> Row:
        return row("logoscore", *[10 * factor + i / 10 for i in range(ROUNDS)], ours=True)

    before = (MACHINE, SETTINGS, [Outcome("round-trip", "pipe", [*calm, ours(1)])])
    assert names(compare(before, (MACHINE, SETTINGS, [Outcome("round-trip", "pipe", [*calm, ours(2.5)])])))
    assert not names(compare(before, (MACHINE, SETTINGS, [Outcome("round-trip", "pipe", [*wild, ours(2.5)])])))


def test_less_than_a_tenth_is_not_worth_a_word() -> None:
    steady = [row(peer, *([20.0] * ROUNDS)) for peer in OTHERS]

    def ours(p50: float) -> Any:
        mine = row("logoscore", *[p50 + i / 100 for i in range(ROUNDS)], ours=True)
        return MACHINE, SETTINGS, [Outcome("round-trip", "pipe", [*steady, mine])]

    assert not compare(ours(10), ours(10.9)).slower
    assert compare(ours(10), ours(11.2)).slower


def test_too_few_rounds_are_said_to_be_too_few() -> None:
    comparison = compare(run(1, rounds=2), run(1001, factor=3, rounds=2))
    assert not comparison.slower
    assert "not judged: round-trip, hot, logoscore, p50: 2 and 2 rounds are too few" in render(comparison)


def test_what_makes_runs_unlike_is_said() -> None:
    machine = {**MACHINE, "python": "CPython 4", "libraries": {"logoscore": "2", "pyzmq": "3"}}
    warnings = compare(run(1), (machine, Settings(quick=True), run(1)[2])).warnings
    assert warnings == [
        "python differs: CPython 3 then, CPython 4 now",
        "pyzmq was 2 and is 3",
        "a quick run is not for figures",
    ]
