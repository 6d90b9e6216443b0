"""``@invokable``: what it marks, and what it says of what it cannot mark."""

from __future__ import annotations

from typing import Any

import pytest

from logoscore import invokable
from logoscore.interface import is_invokable


def test_it_marks_the_function_and_gives_it_back() -> None:
    def say() -> None: ...

    assert not is_invokable(say)
    assert invokable(say) is say
    assert is_invokable(say)


def test_with_parentheses_it_says_how_to_write_it() -> None:
    with pytest.raises(TypeError, match=r"^use @invokable without parentheses: "):

        class Module:
            @invokable()  # type: ignore[misc]  # what a newcomer writes
            def say(self) -> None: ...


@pytest.mark.parametrize(("thing", "kind"), [("say", "str"), (3, "int"), (object(), "object")])
def test_what_is_no_function_cannot_be_marked(thing: Any, kind: str) -> None:
    with pytest.raises(TypeError, match=f"^@invokable marks functions, not {kind}$"):
        invokable(thing)


def test_a_private_name_cannot_be_marked() -> None:
    def _say() -> None: ...

    with pytest.raises(TypeError, match=r"^@invokable cannot mark '_say': "):
        invokable(_say)
