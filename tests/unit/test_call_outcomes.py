"""A reply that cannot be made into a value, and done-callbacks that raise: their call's affair, never the reader's."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from transport_support import Worker

from logoscore.errors import LogosError, StateError
from logoscore.session.call import Call


class Origin:
    """What a call asks of who made it; ``raises`` stands for what decoding may come to."""

    def __init__(self, raises: BaseException | None = None) -> None:
        self._raises = raises

    def outcome(self, reply: bytes) -> Any:
        if self._raises is not None:
            raise self._raises
        return reply

    def abandon(self) -> None:
        """Nobody to tell."""

    def timed_out(self) -> LogosError:
        return StateError("late")


RAISED = [MemoryError(), RecursionError("deliberate"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()]


@pytest.mark.parametrize("raised", RAISED, ids=lambda exc: type(exc).__name__)
def test_whatever_decoding_raises_in_the_readers_thread_is_the_calls_outcome(raised: BaseException) -> None:
    call = Call(Origin(raised))
    assert Worker(call.deliver, b"reply").result()
    assert call.exception(0) is raised


@pytest.mark.parametrize("raised", RAISED, ids=lambda exc: type(exc).__name__)
def test_whatever_a_callback_raises_in_the_readers_thread_is_logged(
    raised: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    call = Call(Origin())

    def callback(_: object) -> None:
        raise raised

    call.add_done_callback(callback)
    with caplog.at_level(logging.ERROR):
        assert Worker(call.deliver, b"reply").result()
    assert call.result(0) == b"reply"
    assert any("callback" in record.message and record.exc_info for record in caplog.records)


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), SystemExit(3)], ids=lambda exc: type(exc).__name__)
def test_what_a_signals_handler_raises_in_the_main_thread_goes_its_way(raised: BaseException) -> None:
    decoding, calling_back = Call(Origin(raised)), Call(Origin())

    def callback(_: object) -> None:
        raise raised

    calling_back.add_done_callback(callback)
    for call in (decoding, calling_back):
        with pytest.raises(type(raised)):
            call.deliver(b"reply")
    assert not decoding.done(), "the channel's end settles it"
    assert calling_back.result(0) == b"reply"
