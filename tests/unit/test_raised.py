"""The log of what callbacks raise: whose, for what, and not all of a flood."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import pytest

from logoscore.session.raised import Raised, described


class Clock:
    now = 5000.0

    def __call__(self) -> float:
        return self.now


class Hearer:
    def on_put(self, event: Any) -> None:
        raise KeyError(event)

    def on_take(self, event: Any) -> None:
        raise KeyError(event)

    def __call__(self, event: Any) -> None:
        raise ValueError(event)


def let(raised: Raised, callback: Callable[[Any], Any], times: int = 1) -> None:
    """Have ``callback`` raise so often."""
    for number in range(times):
        try:
            callback(number)
        except Exception as exc:  # noqa: BLE001 - whatever a callback raises
            raised.add(exc, "stock.put", sys.exc_info()[2])


def counts(log: pytest.LogCaptureFixture) -> list[int]:
    """The number in each record."""
    found = [message.partition("raised (")[2].partition(" times")[0] for message in log.messages]
    log.clear()
    return [int(number or 1) for number in found]


@pytest.mark.parametrize(
    ("callback", "text"),
    [
        (Hearer().on_put, f"{__name__}.Hearer.on_put"),
        (Hearer(), f"{__name__}.Hearer"),
        (functools.partial(functools.partial(Hearer.on_put, None)), f"{__name__}.Hearer.on_put"),
        (let, f"{__name__}.let"),
        (lambda event: event, f"{__name__}.<lambda>"),
        (print, "builtins.print"),
    ],
)
def test_a_callback_is_described_by_where_it_is_defined(callback: Callable[..., Any], text: str) -> None:
    assert described(callback) == text


def test_the_record_says_whose_callback_raised_what_for_which_event(caplog: pytest.LogCaptureFixture) -> None:
    hearer = Hearer()
    let(Raised("till", hearer.on_put), hearer.on_put)
    assert caplog.messages == [f"till: the callback {__name__}.Hearer.on_put for stock.put raised"]
    assert "raise KeyError(event)\nKeyError: 0" in caplog.text
    assert [(record.name, record.levelname) for record in caplog.records] == [("logoscore", "ERROR")]


def test_of_a_flood_the_powers_of_two_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    hearer = Hearer()
    let(Raised("till", hearer.on_put, Clock()), hearer.on_put, 1000)
    assert counts(caplog) == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]


def test_what_goes_on_is_logged_once_a_second_and_what_is_rare_each_time(caplog: pytest.LogCaptureFixture) -> None:
    hearer, clock = Hearer(), Clock()
    raised = Raised("till", hearer.on_put, clock)
    let(raised, hearer.on_put, 20)
    assert counts(caplog) == [1, 2, 4, 8, 16]
    for _ in range(3):
        clock.now += 1.0
        let(raised, hearer.on_put, 3)
    assert counts(caplog) == [21, 24, 27]
    for _ in range(3):
        clock.now += 60.0
        let(raised, hearer.on_put)
    assert counts(caplog) == [30, 31, 32]


def test_another_error_is_not_hidden_by_a_flood_of_one(caplog: pytest.LogCaptureFixture) -> None:
    hearer = Hearer()
    raised = Raised("till", hearer.on_put, Clock())
    let(raised, hearer.on_put, 7)
    assert counts(caplog) == [1, 2, 4]
    let(raised, hearer.on_take)  # the same class from another line
    let(raised, hearer)  # another class
    assert counts(caplog) == [1, 1]
    let(raised, hearer.on_put)
    assert counts(caplog) == [8]


def test_what_is_remembered_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    raised = Raised("till", let, Clock())
    for number in range(1000):
        raised.add(type(f"Error{number}", (Exception,), {})(), "stock.put", None)
    assert counts(caplog) == [1] * 1000
    assert len(raised._seen) <= 64


class Evasive:
    """Answers nothing about itself."""

    def __getattr__(self, name: str) -> Any:
        raise KeyError(name)

    def __call__(self, event: Any) -> None:
        raise ValueError(event)


def test_a_callback_that_tells_nothing_of_itself_is_logged_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    let(Raised("shop", Evasive()), Evasive())
    assert caplog.messages == ["shop: the callback of the class Evasive for stock.put raised"]
