"""How the code of the module ``frail`` is reached, and what its user gets: the words in which the fault table is written."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from logoscore import Core
from logoscore.errors import (
    InvalidArgumentsError,
    ModuleCrashedError,
    ModuleLoadError,
    RemoteError,
    SerializationError,
)

LIMIT = 1 << 30
"""Address space of the module, in bytes; *memory* asks for four times as much."""


@dataclass
class Cell:
    """One cell: what the test knows when it looks at the outcome."""

    core: Core
    method: str
    pid: int
    log: pytest.LogCaptureFixture


# --- where ----------------------------------------------------------------------------------------------------------


def call(method: str, *args: Any) -> Callable[[Core], Any]:
    return lambda core: core.get_client("frail").call(method, *args)


def stream(method: str) -> Callable[[Core], Any]:
    return lambda core: list(core.get_client("frail").stream(method))


def callback(core: Core) -> Any:
    """Of an event of the neighbour's. Who triggered it hears of nothing; who waits for the module does."""
    frail, calm = core.get_client("frail"), core.get_client("calm")
    frail.call("keep_log")
    heard = frail.call("heard")
    pending = frail.submit("hold", heard + 1)
    calm.call("tick")
    return pending.result()


def load(core: Core) -> None:
    core.unload_plugin("frail")
    core.load_plugin("frail")


#: place → (what the user names it: the method, or the hook; how to get there)
PLACES: dict[str, tuple[str, Callable[[Core], Any]]] = {
    "method": ("method", call("method")),
    "async-method": ("amethod", call("amethod")),
    "generator": ("stream", stream("stream")),
    "async-generator": ("astream", stream("astream")),
    "argument": ("tell", call("tell")),  # encoded in the module, for its neighbour
    "pickle": ("confide", call("confide")),  # likewise with cloudpickle
    "dataclass": ("take_dataclass", call("take_dataclass", {"number": 1})),  # an argument decoded in the module
    "struct": ("take_struct", call("take_struct", {"number": 1})),
    "enum": ("take_enum", call("take_enum", 5)),
    "result": ("give", call("give")),
    "async-result": ("agive", call("agive")),
    "item": ("items", stream("items")),
    "event": ("trigger", call("trigger")),
    "callback": ("hold", callback),
    "import": ("<module>", load),
    "constructor": ("__init__", load),
    "init_logos": ("init_logos", load),
    "about_to_unload": ("about_to_unload", lambda core: core.unload_plugin("frail")),
    "save_state": ("save_state", lambda core: core.reload_plugin("frail")),
    "state": ("save_state", lambda core: core.reload_plugin("frail")),  # the value that it returns
    "restore_state": ("restore_state", lambda core: core.reload_plugin("frail")),
}

# --- what the user gets ---------------------------------------------------------------------------------------------

Outcome = Callable[[Cell, Any, BaseException | None], None]


def died(how: int | str, *words: str) -> Outcome:
    """ModuleCrashedError, with everything that is known of the end: in its attributes and in its message."""

    def check(cell: Cell, _: Any, error: BaseException | None) -> None:
        assert type(error) is ModuleCrashedError, repr(error)
        code, name = (how, None) if isinstance(how, int) else (None, how)
        assert (error.module, error.pid, error.exit_code, error.signal_name) == ("frail", cell.pid, code, name)
        ended = f"exit code {how}" if isinstance(how, int) else f"killed by {how}"
        assert str(error).startswith(f"module 'frail' (pid {cell.pid}) ended: {ended}")
        assert_words(error, words)

    return check


def assert_words(error: ModuleCrashedError | ModuleLoadError, words: tuple[str, ...]) -> None:
    for word in words:
        assert word in str(error.stderr)
        assert word in str(error)


def raised(type_name: str, message: str = "", note: str = "") -> Outcome:
    """RemoteError that says what was raised, where, and shows the traceback."""

    def check(cell: Cell, _: Any, error: BaseException | None) -> None:
        assert type(error) is RemoteError, repr(error)
        assert (error.module, error.method, error.type_name) == ("frail", cell.method, type_name)
        assert re.fullmatch(message, str(error.message)), error.message
        said = re.escape(f"frail.{cell.method} raised {type_name}") + (f": {message}" if message else "")
        assert re.fullmatch(said + re.escape(note), str(error)), error
        assert "Traceback (most recent call last)" in str(error.remote_traceback)
        assert f", in {cell.method}" in str(error.remote_traceback), "the place itself is in it"
        assert str(error.remote_traceback) in str(error.__cause__)

    return check


def not_sent(path: str, type_name: str | None, reason: str) -> Outcome:
    """SerializationError: the value at ``path`` cannot travel."""

    def check(cell: Cell, _: Any, error: BaseException | None) -> None:
        assert type(error) is SerializationError, repr(error)
        assert (error.path, error.type_name) == (path, type_name)
        assert path in str(error)
        assert reason in str(error)
        if path != "state":
            assert str(error).startswith(f"frail.{cell.method}: ")

    return check


def invalid(reason: str) -> Outcome:
    """InvalidArgumentsError: an argument cannot be put together at the callee."""

    def check(cell: Cell, _: Any, error: BaseException | None) -> None:
        assert type(error) is InvalidArgumentsError, repr(error)
        assert (error.module, error.method) == ("frail", cell.method)
        parameter = {"take_dataclass": "post", "take_struct": "post", "take_enum": "colour"}[cell.method]
        assert str(error) == f"frail.{cell.method}(): {parameter} (args[0]): {reason}"

    return check


def not_loaded(what: str, type_name: str | None = None, *words: str, note: str = "") -> Outcome:
    """ModuleLoadError: with the end of the process, or what its code raised and where."""

    def check(cell: Cell, _: Any, error: BaseException | None) -> None:
        assert type(error) is ModuleLoadError, repr(error)
        assert (error.module, error.type_name) == ("frail", type_name)
        assert str(error).startswith(f"module 'frail' could not be loaded: {what}"), error
        if type_name is not None:
            assert f", in {cell.method}" in str(error.remote_traceback)
            assert re.search(r" \(\S+/frail\.py:\d+, in [^)]+\)", str(error)), error
        assert note in str(error)
        assert_words(error, words)
        assert cell.core.get_plugin_info("frail").state == "known"

    return check


def logged(what: str) -> Outcome:
    """No error for anybody, but a word in the module's log; it hears the next event."""

    def check(cell: Cell, result: Any, error: BaseException | None) -> None:
        assert (result, error) == ("heard", None)
        record, *_ = cell.core.get_client("frail").call("kept_log")
        assert re.match(
            r"frail: the callback \S+\.Frail\.\w+\S* for calm\.tick raised\nTraceback \(most recent call last\)", record
        ), record
        assert what in record

    return check


def reloaded(problem: str) -> Outcome:
    """The process died with its state: another one is there, and the app's log says what happened."""

    def check(cell: Cell, _: Any, error: BaseException | None) -> None:
        assert error is None, repr(error)
        assert f"while frail was reloaded: module 'frail' (pid {cell.pid}) ended: {problem}" in cell.log.text
        assert cell.core.get_plugin_info("frail").pid not in {None, cell.pid}

    return check
