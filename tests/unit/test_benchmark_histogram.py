"""The benchmarks' histogram: cells, percentiles, merging."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.histogram import Histogram, cell_of, highest_of, lowest_of

values = st.integers(min_value=0, max_value=10**13)


@given(values)
def test_a_cell_holds_its_value_and_is_narrow(value: int) -> None:
    cell = cell_of(value)
    lowest, highest = lowest_of(cell), highest_of(cell)
    assert lowest <= value <= highest
    assert highest - lowest <= value / 1024


@given(values)
def test_cells_touch(value: int) -> None:
    cell = cell_of(value)
    assert cell_of(lowest_of(cell)) == cell
    assert cell_of(highest_of(cell)) == cell
    assert cell_of(highest_of(cell) + 1) == cell + 1


def test_small_values_are_exact() -> None:
    histogram = Histogram(range(2048))
    assert [histogram.percentile(100 * (value + 1) / 2048) for value in range(2048)] == list(range(2048))


@given(st.lists(values, min_size=1), st.floats(min_value=0.01, max_value=100))
def test_percentile_is_that_of_the_sorted_values(samples: list[int], percent: float) -> None:
    exact = sorted(samples)[max(1, math.ceil(len(samples) * percent / 100 - 1e-9)) - 1]
    assert Histogram(samples).percentile(percent) == min(highest_of(cell_of(exact)), max(samples))


@pytest.mark.parametrize(
    ("count", "percent", "expected"),
    [(1000, 99.9, 999), (1000, 50, 500), (1000, 100, 1000), (1000, 0, 1), (999, 99.9, 999), (1, 99.9, 1), (3, 50, 2)],
)
def test_ranks(count: int, percent: float, expected: int) -> None:
    assert Histogram(range(1, count + 1)).percentile(percent) == expected


def test_extremes_are_exact() -> None:
    histogram = Histogram([1_000_000_007, 123_456_789])
    assert (histogram.minimum, histogram.maximum, histogram.count) == (123_456_789, 1_000_000_007, 2)
    assert histogram.percentile(100) == 1_000_000_007


def test_negative_values_count_as_zero() -> None:
    histogram = Histogram([-5])
    assert (histogram.minimum, histogram.maximum, histogram.percentile(50)) == (0, 0, 0)


def test_an_empty_histogram_has_no_percentiles() -> None:
    with pytest.raises(ValueError, match="empty"):
        Histogram().percentile(50)


@pytest.mark.parametrize("percent", [-1, 100.1, math.nan])
def test_a_percentile_is_within_0_to_100(percent: float) -> None:
    with pytest.raises(ValueError, match="within 0 to 100"):
        Histogram([1]).percentile(percent)


@given(st.lists(values), st.lists(values))
def test_merging_is_recording_both(first: list[int], second: list[int]) -> None:
    merged = Histogram(first)
    merged.merge(Histogram(second))
    assert merged == Histogram(first + second)


@given(st.lists(values))
def test_it_travels_as_json(samples: list[int]) -> None:
    histogram = Histogram(samples)
    assert Histogram.from_dict(json.loads(json.dumps(histogram.to_dict()))) == histogram
