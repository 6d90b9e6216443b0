"""Load and unload order over random graphs: valid, complete, minimal, deterministic; a cycle is always an error."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logoscore.dependencies import load_order, unload_order
from logoscore.errors import DependencyError
from logoscore.metadata import Dependency, Metadata

Graph = dict[str, list[str]]


@st.composite
def dags(draw: st.DrawFn) -> Graph:
    """Each module needs only such that come before it in a random permutation."""
    names = draw(st.permutations([f"m{index}" for index in range(draw(st.integers(1, 12)))]))
    return {
        name: draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        for index, name in enumerate(names)
    }


@st.composite
def cyclic(draw: st.DrawFn) -> tuple[str, Graph]:
    """A graph, and a module in it from which a cycle can be reached."""
    graph = {name: list(needs) for name, needs in draw(dags()).items()}
    ring = draw(st.lists(st.sampled_from(sorted(graph)), min_size=1, unique=True))
    for name, follower in zip(ring, [*ring[1:], ring[0]], strict=True):
        if follower not in graph[name]:
            graph[name].insert(draw(st.integers(0, len(graph[name]))), follower)
    start = draw(st.sampled_from(sorted(name for name in graph if reachable(name, graph) & set(ring))))
    return start, graph


def reachable(name: str, graph: Graph) -> set[str]:
    seen: set[str] = set()
    todo = [name]
    while todo:
        current = todo.pop()
        if current not in seen:
            seen.add(current)
            todo += graph[current]
    return seen


def known(graph: Graph) -> dict[str, Metadata]:
    return {
        name: Metadata(name, "1.0.0", dependencies=tuple(Dependency(each) for each in needs))
        for name, needs in graph.items()
    }


@given(graph=dags(), data=st.data())
def test_load_order_is_valid_complete_and_minimal(graph: Graph, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(graph)))
    # What is loaded is closed: whatever a loaded module needs is loaded too.
    seeds = data.draw(st.sets(st.sampled_from(sorted(graph))))
    loaded = set().union(*(reachable(seed, graph) for seed in seeds)) if seeds else set()
    order = load_order(name, known(graph), loaded)

    assert len(order) == len(set(order))
    assert set(order) == reachable(name, graph) - loaded
    there = set(loaded)
    for each in order:
        assert set(graph[each]) <= there
        there.add(each)
    shuffled = data.draw(st.permutations(sorted(graph)))
    assert load_order(name, {each: known(graph)[each] for each in shuffled}, sorted(loaded)) == order


@given(case=cyclic())
def test_a_reachable_cycle_is_always_an_error_that_shows_it(case: tuple[str, Graph]) -> None:
    name, graph = case
    with pytest.raises(DependencyError) as caught:
        load_order(name, known(graph), set())
    message = str(caught.value)
    shown = message.partition("cycle: ")[2] or message.partition("itself: ")[2]
    ring = shown.partition(" (a module")[0].split(" -> ")
    assert ring[0] == ring[-1]
    if not any(link.endswith(" more)") for link in ring):
        for link, follower in pairwise(ring):
            assert follower in graph[link]


@given(graph=dags(), data=st.data())
def test_one_missing_module_is_an_error_exactly_for_those_that_need_it(graph: Graph, data: st.DataObject) -> None:
    missing = data.draw(st.sampled_from(sorted(graph)))
    modules = known(graph)
    del modules[missing]
    for name in modules:
        if missing in reachable(name, graph):
            with pytest.raises(DependencyError, match=f"{missing} is not known"):
                load_order(name, modules, set())
        else:
            assert missing not in load_order(name, modules, set())


@given(graph=dags(), data=st.data())
def test_unload_order_is_valid_complete_and_minimal(graph: Graph, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(graph)))
    dependents = {each: {other for other in graph if each in graph[other]} for each in graph}
    order = unload_order(name, dependents)

    assert order[-1] == name
    assert len(order) == len(set(order))
    assert set(order) == {other for other in graph if name in reachable(other, graph)}
    gone: set[str] = set()
    for each in order:
        assert dependents[each] <= gone
        gone.add(each)
    assert unload_order(name, {each: sorted(needed, reverse=True) for each, needed in dependents.items()}) == order
