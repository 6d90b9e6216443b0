"""The fault table's column for the app's own process: its callbacks, its arguments, and what it decodes.

Nothing that a module or a callback does may end the app or one of its subscriptions; but what the app's own code raises
in the very thread that calls is raised there: an Exception as a SerializationError that names the argument, the rest
(Ctrl-C above all) as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from acceptance.support import write_module
from helpers import wait_until

from faults.frail import CALM, FRAIL
from logoscore import Core, LogosAPIClient
from logoscore.errors import InvalidArgumentsError, LogosError, SerializationError


class Mute(Exception):  # noqa: N818 - a name like any other
    def __str__(self) -> str:
        raise ZeroDivisionError

    __repr__ = __str__


class Stop(BaseException):
    pass


RAISED = [ValueError, Mute, MemoryError, SystemExit, KeyboardInterrupt, GeneratorExit, Stop]
each_exception = pytest.mark.parametrize("error", RAISED, ids=[error.__name__ for error in RAISED])
planned: list[type[BaseException]] = []


def at_this_place() -> None:
    if planned:
        raise planned[0]


@dataclass
class Trap:
    """Raises when it is encoded."""

    field: int = 0


Trap.field = property(lambda self: at_this_place(), lambda self, value: None)  # type: ignore[assignment]


@dataclass
class Made:
    """Raises when it is put together."""

    number: int

    def __post_init__(self) -> None:
        at_this_place()


class View:
    """What the app expects of ``frail``."""

    def made(self) -> Made:
        raise NotImplementedError


@pytest.fixture(scope="module")
def shared_core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    folder = tmp_path_factory.mktemp("table")
    write_module(folder, "calm", CALM)
    write_module(folder, "frail", FRAIL, calls=["calm"])
    with Core(plugins_dir=folder, entry_points=False) as core:
        core.load_plugin("calm")
        core.load_plugin("frail")
        yield core


@pytest.fixture
def calm(shared_core: Core) -> Iterator[LogosAPIClient]:
    client = shared_core.get_client("calm")
    before = client.call("serve", "innocent")
    yield client
    assert client.call("serve", "innocent") == before, "it never noticed"


@each_exception
def test_callback(calm: LogosAPIClient, caplog: pytest.LogCaptureFixture, error: type[BaseException]) -> None:
    """It is logged, and the next event is heard."""
    heard: list[Any] = []

    def callback(event: Any) -> None:
        heard.append(event)
        if len(heard) == 1:
            raise error

    with calm.on_event("tick", callback):
        calm.call("tick")
        calm.call("tick")
        wait_until(lambda: len(heard) == 2, what="the second event")
        assert f"core: the callback {__name__}.{callback.__qualname__} for calm.tick raised" in caplog.text
        assert error.__name__ in caplog.text


@each_exception
def test_done_callback(calm: LogosAPIClient, caplog: pytest.LogCaptureFixture, error: type[BaseException]) -> None:
    """It is logged; the call has its result, and so has every other call."""

    def callback(_: Future[Any]) -> None:
        raise error

    with calm.subscribe("tick"):
        calls = [calm.submit("serve", number) for number in range(20)]
        for call in calls:
            call.add_done_callback(callback)
        assert [call.result(30)[0] for call in calls] == list(range(20))
        assert calm.submit("serve", "another").result(30)[0] == "another"
    wait_until(lambda: error.__name__ in caplog.text, what="the log")


@pytest.mark.parametrize("way", ["call", "submit", "stream"])
@each_exception
def test_argument(calm: LogosAPIClient, error: type[BaseException], way: str) -> None:
    make: Callable[..., Any] = getattr(calm, way)
    planned.append(error)
    try:
        with pytest.raises(SerializationError if issubclass(error, Exception) else error) as caught:
            make("serve", "fine", [Trap()])
    finally:
        planned.clear()
    if isinstance(caught.value, SerializationError):
        assert (caught.value.path, caught.value.type_name) == ("args[1][0]", f"{__name__}.Trap")
        assert str(caught.value).startswith("calm.serve: args[1][0] is a Trap")
        assert f"reading it raised {'' if error is not Mute else __name__ + '.'}{error.__name__}" in str(caught.value)


def test_argument_that_cannot_be_encoded(calm: LogosAPIClient) -> None:
    with pytest.raises(SerializationError, match=r"^calm\.serve: args\[0\]\[\"k\"\] is a generator") as caught:
        calm.call("serve", {"k": (number for number in range(3))})
    assert (caught.value.path, caught.value.type_name) == ('args[0]["k"]', "generator")


@each_exception
def test_result_put_together(shared_core: Core, calm: LogosAPIClient, error: type[BaseException]) -> None:
    """By a typed view, whose classes are the app's own; the module knows nothing of it."""
    view = shared_core.get_client("frail").bind(View)
    planned.append(error)
    try:
        with pytest.raises(InvalidArgumentsError if error is ValueError else error) as caught:
            view.made()
    finally:
        planned.clear()
    if isinstance(caught.value, LogosError):
        assert str(caught.value) == "frail.made(): the result does not fit the interface: result: ValueError"
    assert view.made() == Made(1)


# --- undecodable: a process without numpy ---------------------------------------------------------------------------


def test_what_the_app_cannot_decode(
    shared_core: Core, calm: LogosAPIClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    frail = shared_core.get_client("frail")
    ways: dict[str, Callable[[], Any]] = {
        "array": lambda: frail.call("array"),
        "arrays": lambda: list(frail.stream("arrays")),
    }
    with frail.subscribe("told") as told, monkeypatch.context() as patch:
        patch.setitem(sys.modules, "numpy", None)
        for method, attempt in {**ways, "array ": lambda: frail.submit("array").result(30)}.items():
            with pytest.raises(SerializationError, match=rf"^frail\.{method.strip()}: a numpy value arrived") as caught:
                attempt()
            assert caught.value.type_name == "numpy.ndarray"
        frail.call("tell_array")
        frail.call("tell_all", "after")
        assert told.get(30).data == ("after",), "an event that cannot be made is lost with a word in the log"
        assert "the event told of frail is lost: a numpy value arrived" in caplog.text
    assert list(frail.call("array")) == [0, 1, 2]


def test_what_a_module_cannot_decode(shared_core: Core, calm: LogosAPIClient) -> None:
    frail = shared_core.get_client("frail")
    shared_core.reload_plugin("frail")
    frail.call("without_numpy")
    with pytest.raises(SerializationError, match=r"^frail\.serve: a numpy value arrived, and numpy cannot be imported"):
        frail.call("serve", np.arange(3))
    assert frail.call("serve", 1)[0] == 1
