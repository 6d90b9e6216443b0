"""Waiting for the stack that a host has been asked for: until it is whole, and no longer than somebody writes it."""

from __future__ import annotations

import threading
from itertools import accumulate

import pytest

from logoscore.stack import await_stack

LINES = [
    "what it wrote before",
    "\nStack (most recent call first):",
    '\n  File "hang.py", line 7 in wait',
    '\n  File "hang.py", line 5 in init_logos',
    '\n  File "<string>", line 1 in <module>',
]


class Tail:
    """A host's stderr that has more each time that one looks."""

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)
        self.ended = threading.Event()

    def __call__(self) -> str:
        if len(self.texts) == 1:
            self.ended.set()  # nothing more comes; who has enough looks no more
        return self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]


def test_it_waits_for_its_last_line() -> None:
    tail = Tail(*accumulate(LINES), "and what is written later")
    await_stack(tail, tail.ended)
    assert tail.texts == ["and what is written later"]
    assert not tail.ended.is_set()


def test_a_stack_that_is_too_deep_ends_in_dots() -> None:
    deep = "\n".join(["Stack (most recent call first):", *['  File "a.py", line 1 in a'] * 100])
    tail = Tail("", deep, f"{deep}\n  ...\n", "later")
    await_stack(tail, tail.ended)
    assert tail.texts == ["later"]


@pytest.mark.parametrize(
    "text", ["", "nothing of the kind", '  File "<string>", line 1 in <module>', LINES[1] + LINES[2]]
)
def test_a_host_that_ends_is_not_waited_for(text: str) -> None:
    tail = Tail(text)
    await_stack(tail, tail.ended)
    assert tail.ended.is_set()
