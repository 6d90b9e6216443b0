"""Which piece of lent memory is free: sizes, best fit, what may be dropped."""

from __future__ import annotations

import pytest

from logoscore.transport.pool import LARGEST, SMALLEST, Place, Pool, State, size_class


def pool_of(*sizes: int) -> tuple[Pool, list[int], list[Place]]:
    words = [0] * 4
    pool = Pool(words)
    places = []
    for size in sizes:
        place = pool.ask(size, 0.0)
        assert place is not None
        pool.came(place)
        places.append(place)
    return pool, words, places


@pytest.mark.parametrize(
    "size", [1, 100, SMALLEST, SMALLEST + 1, 3 << 20, (64 << 20) - 1, 64 << 20, (64 << 20) + 1, 1 << 30]
)
def test_a_size_class_holds_its_size_and_little_more(size: int) -> None:
    made = size_class(size)
    assert size_class(made) == made, "a class is its own"
    assert size <= made <= max(size * 5 // 4 + 1, SMALLEST)
    assert not made % 4096


def test_there_is_a_largest() -> None:
    with pytest.raises(ValueError, match=str(LARGEST)):
        size_class(LARGEST + 1)


def test_the_smallest_that_fits_is_lent_and_never_one_far_too_large() -> None:
    pool, _, (large, small) = pool_of(8 << 20, 1 << 20)
    assert pool.lend(1 << 20, 1.0) is small
    assert pool.lend(1 << 20, 1.0) is None
    assert pool.lend(1 << 20, 1.0, any_size=True) is large


def test_it_comes_back_by_exactly_its_word() -> None:
    pool, words, (place,) = pool_of(1 << 17)
    for generation in (1, 2, 3):
        assert pool.lend(5, 1.0) is place
        place.state = State.LENT
        for wrong in (0, 2 * generation - 1, 2 * generation + 1, 2 * generation + 2, 2**64 - 1):
            words[place.number] = wrong
            assert pool.lend(5, 1.0) is None
        words[place.number] = 2 * generation
    assert pool.lend(5, 1.0) is place


def test_what_was_not_sent_is_free_again() -> None:
    pool, _, (place,) = pool_of(1 << 17)
    assert pool.lend(5, 1.0) is place
    place.turn(place.generation, State.WRITING, State.FREE)
    assert pool.lend(5, 1.0) is place
    assert place.generation == 2


def test_what_is_under_way_is_never_dropped() -> None:
    pool, words, places = pool_of(*[1 << 20] * 4)
    for place in places[1:]:
        place.generation, place.state = 1, State.LENT
    places[1].state = State.WRITING
    words[places[3].number] = 1
    assert pool.droppable(1.0, lent=False) == [places[0]]
    assert pool.droppable(1.0, lent=True) == [places[0], places[3]]
    assert pool.droppable(-1.0, lent=True) == []


def test_places_are_bounded_and_no_piece_has_the_number_of_another() -> None:
    pool, _, places = pool_of(*[1 << 20] * 4)
    assert pool.ask(1, 0.0) is None
    before = places[2].piece
    pool.empty(places[2])
    again = pool.ask(1, 0.0)
    assert again is places[2]
    assert again.piece != before
    assert again.piece % 4 == again.number == 2
