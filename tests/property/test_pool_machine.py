"""The pool of lent memory as a state machine, against a model that knows who really sees what.

The reader of the model is honest about some words and scribbles others; whatever it does, a place that is lent out by its
own count is never lent again, and the pool never holds more places or bytes than it counts.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from logoscore.transport.pool import Place, Pool, State, size_class

COUNT = 4
SIZES = st.sampled_from([1, 1 << 17, (1 << 17) + 1, 1 << 20, 3 << 20, 1 << 26])


class PoolMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.words = [0] * COUNT
        self.pool = Pool(self.words)
        self.time = 0.0
        self.asked: list[Place] = []
        self.writing: list[Place] = []
        self.seen: dict[int, int] = {}  # by place: the generation that the honest reader still sees, or is to read
        self.memory: dict[int, int] = {}
        self.pieces: set[int] = set()
        self.leaving: list[Place] = []

    @rule(size=SIZES)
    def ask(self, size: int) -> None:
        self.time += 1
        place = self.pool.ask(size, self.time)
        if len(self.memory) + len(self.asked) + len(self.leaving) == COUNT:
            assert place is None
            return
        assert place is not None
        assert place.piece not in self.pieces
        self.pieces.add(place.piece)
        self.asked.append(place)

    @precondition(lambda self: self.asked)
    @rule(comes=st.booleans())
    def answer(self, comes: bool) -> None:
        place = self.asked.pop(0)
        if comes:
            self.memory[place.number] = place.size
            self.pool.came(place)
        else:
            self.pool.refuse(place)
            self._leave(place)

    def _leave(self, place: Place) -> None:
        self.pool.leave(place)
        self.leaving.append(place)

    @precondition(lambda self: self.leaving)
    @rule(data=st.data())
    def tell(self, data: st.DataObject) -> None:
        place = data.draw(st.sampled_from(self.leaving))
        self.leaving.remove(place)
        self.pool.empty(place)

    @rule(size=SIZES, any_size=st.booleans())
    def lend(self, size: int, any_size: bool) -> None:
        self.time += 1
        place = self.pool.lend(size, self.time, any_size=any_size)
        busy = set(self.seen) | {each.number for each in self.writing}
        fitting = [
            held
            for number, held in self.memory.items()
            if number not in busy and size <= held and (any_size or held <= 2 * size_class(size))
        ]
        if not fitting:
            assert place is None
            return
        assert place is not None
        assert place.number not in busy, "what somebody sees was lent again"
        assert self.memory[place.number] == min(fitting) == place.size
        self.writing.append(place)

    @precondition(lambda self: self.writing)
    @rule(goes=st.booleans())
    def send(self, goes: bool) -> None:
        place = self.writing.pop()
        if goes:
            place.turn(place.generation, State.WRITING, State.LENT)
            self.seen[place.number] = place.generation
        else:
            place.turn(place.generation, State.WRITING, State.FREE)

    @precondition(lambda self: self.seen)
    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.seen)))
        self.words[number] = 2 * self.seen[number] - 1

    @precondition(lambda self: self.seen)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.seen)))
        self.words[number] = 2 * self.seen.pop(number)

    @precondition(lambda self: self.seen)
    @rule(data=st.data(), word=st.integers(0, 2**64 - 1))
    def scribble(self, data: st.DataObject, word: int) -> None:
        number = data.draw(st.sampled_from(sorted(self.seen)))
        if word not in {2 * self.seen[number], 2 * self.seen[number] - 1}:
            self.words[number] = word

    @rule(age=st.integers(0, 5), lent=st.booleans())
    def drop(self, age: int, lent: bool) -> None:
        found = self.pool.droppable(self.time - age, lent=lent)
        assert [place.used for place in found] == sorted(place.used for place in found)
        for place in found:
            assert place not in self.writing
            if place.number in self.seen:
                assert lent
                assert self.words[place.number] == 2 * self.seen.pop(place.number) - 1, "dropped before it was read"
            self._leave(place)
            del self.memory[place.number]

    @invariant()
    def counts_what_there_is(self) -> None:
        assert self.pool.total == sum(self.memory.values()) + sum(place.size for place in self.asked)
        assert {place.number for place in self.pool.places if place.present} == set(self.memory)


TestPool = PoolMachine.TestCase
TestPool.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
