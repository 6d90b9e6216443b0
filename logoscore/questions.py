"""What the core asks of parties, and their answers.

    ask(party, make, on_answer) ── make(7) ─▶ party ── Done(7, value) ─▶ on_answer(value)
                                              party ends ───────────────▶ on_answer(None)

Rules:

* Every question ends: with the answer, or with None when the party is gone. ``on_answer`` is called once, on the thread
  that brought the answer, unless the question was withdrawn.
* A party can be asked from ``admit`` to ``dismiss``, so before others can reach it.
* An answer counts only from whom was asked; one that nobody asked for is a ProtocolViolationError.
* Whoever did not answer in time once is not waited for again before it does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from logoscore.errors import ProtocolViolationError
from logoscore.links import Party
from logoscore.locks import Flag
from logoscore.transport import messages as m

__all__ = ["Questions"]

_ANSWER_SECONDS: Final = 5.0
"""How long the core waits for a party to have taken in what it must know before others go on."""


class Questions:
    """All questions of one core that are under way."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a finalizer that runs in here may speak to the core
        self._present: set[Party] = set()
        self._asked = 0
        self._answers: dict[int, tuple[Party, Callable[[Any], None]]] = {}

    def admit(self, party: Party) -> None:
        """It can be asked from now on."""
        with self._lock:
            self._present.add(party)

    def dismiss(self, party: Party) -> list[Callable[[Any], None]]:
        """It can be asked no longer; returns who waits for an answer of it, to be called with None."""
        with self._lock:
            self._present.discard(party)
            unanswered = [number for number, (asked, _) in self._answers.items() if asked is party]
            return [self._answers.pop(number)[1] for number in unanswered]

    def ask(self, party: Party, make: Callable[[int], Any], on_answer: Callable[[Any], None]) -> int:
        """Send the question that ``make(number)`` gives; returns its number. See the rules."""
        with self._lock:
            self._asked = number = self._asked + 1
            present = party in self._present
            if present:
                self._answers[number] = party, on_answer
        if present:
            party.deliver(make(number))
        else:
            on_answer(None)  # it has just gone
        return number

    def ask_all(self, questions: Sequence[tuple[Party, Callable[[int], Any]]]) -> None:
        """Ask several parties, and wait until each has answered, or is gone, or has had its time."""
        answers = [Flag() for _ in questions]
        for (party, make), answered in zip(questions, answers, strict=True):
            self.ask(party, make, _setter(answered))
        end = time.monotonic() + _ANSWER_SECONDS
        for (party, _), answered in zip(questions, answers, strict=True):
            if not answered.wait(0 if party.silent else max(end - time.monotonic(), 0)):
                party.silent = True

    def ask_and_wait(self, party: Party, make: Callable[[int], Any], timeout: float) -> Any:
        """The answer; None if it is gone, or does not answer within ``timeout`` seconds."""
        answered = Flag()
        values: list[Any] = []

        def take(value: Any) -> None:
            values.append(value)
            answered.set()

        number = self.ask(party, make, take)
        answered.wait(timeout)
        self.withdraw(number)
        return values[0] if values else None

    def withdraw(self, number: int) -> None:
        """Nobody waits for that answer any more."""
        with self._lock:
            self._answers.pop(number, None)

    def answered(self, party: Party, message: m.Done) -> None:
        """``party`` has answered.

        Raises:
            ProtocolViolationError: it was not asked that.
        """
        with self._lock:
            asked = self._answers.get(message.request)
            if not 0 < message.request <= self._asked or (asked is not None and asked[0] is not party):
                raise ProtocolViolationError(f"{party.name} answers {message.request}, which it was not asked")
            if asked is None:
                return  # too late
            del self._answers[message.request]
        party.silent = False
        asked[1](message.value)


def _setter(flag: Flag) -> Callable[[Any], None]:
    return lambda _: flag.set()
