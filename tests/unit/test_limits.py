"""Limits: what may be said, who wins, what they are called in errors."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from logoscore import Core
from logoscore.bounded_json import WrongValueError
from logoscore.errors import MetadataError
from logoscore.exit_status import ExitStatus
from logoscore.limit_rules import app_limits, check_limits, effective_limits
from logoscore.limits import NO_LIMITS, Limits, cpu_seconds
from logoscore.metadata import parse_metadata
from logoscore.plugins.builtin import builtin_spec
from logoscore.plugins.spec import ModuleSpec
from logoscore.registry import Registry
from logoscore.transport import messages as m

EVERY_KEY: dict[str, int | float] = {
    "address_space": 1 << 30,
    "cpu_time": 10,
    "open_files": 64,
    "core_size": 0,
    "nice": 5,
    "hang_timeout": 2.5,
}

WRONG: list[tuple[dict[Any, Any], str, str, type[Exception]]] = [
    ({"memory": 1}, "memory", "is no limit; limits are address_space, cpu_time, open_files", ValueError),
    ({"address_space": "1G"}, "address_space", "must be a whole number, not a string", TypeError),
    ({"address_space": 1e9}, "address_space", "must be a whole number, not 1000000000.0", TypeError),
    ({"address_space": 0}, "address_space", "must be at least 1, but is 0", ValueError),
    ({"cpu_time": True}, "cpu_time", "must be a whole number, not a boolean", TypeError),
    ({"cpu_time": 0}, "cpu_time", "must be at least 1, but is 0", ValueError),
    ({"cpu_time": 1.5}, "cpu_time", "must be a whole number, not 1.5", TypeError),
    ({"cpu_time": None}, "cpu_time", "must be a whole number, not null", TypeError),
    ({"open_files": 0}, "open_files", "must be at least 1, but is 0", ValueError),
    ({"core_size": -1}, "core_size", "must be at least 0, but is -1", ValueError),
    (
        {"core_size": 1 << 63},
        "core_size",
        "must be at most 4611686018427387904, but is a number of 64 bits",
        ValueError,
    ),
    ({"nice": 40}, "nice", "must be at most 39, but is 40", ValueError),
    ({"nice": -40}, "nice", "must be at least -39, but is -40", ValueError),
    ({"hang_timeout": 0}, "hang_timeout", "must be a positive number of seconds, but is 0", ValueError),
    ({"hang_timeout": "5"}, "hang_timeout", "must be a number of seconds, not a string", TypeError),
    ({"hang_timeout": False}, "hang_timeout", "must be a number of seconds, not a boolean", TypeError),
]
IDS = [f"{next(iter(case[0].items()))}" for case in WRONG]


# --- what may be said -----------------------------------------------------------------------------------------------


def test_every_key_and_the_smallest_values() -> None:
    assert check_limits(EVERY_KEY) == EVERY_KEY
    smallest = {"address_space": 1, "cpu_time": 1, "open_files": 1, "core_size": 0, "nice": -39, "hang_timeout": 1e-9}
    assert check_limits(smallest) == smallest
    assert Limits(**EVERY_KEY).to_dict() == EVERY_KEY  # type: ignore[arg-type]
    assert NO_LIMITS.to_dict() == check_limits({}) == {}


@pytest.mark.parametrize(("limits", "key", "reason", "_cls"), WRONG, ids=IDS)
def test_in_metadata_a_wrong_one_names_file_key_and_reason(
    limits: dict[str, Any], key: str, reason: str, _cls: type[Exception]
) -> None:
    with pytest.raises(MetadataError) as caught:
        parse_metadata({"name": "chat", "version": "1.0.0", "limits": limits}, "/m/chat/metadata.json")
    assert caught.value.key == f"limits.{key}"
    assert str(caught.value.reason).startswith(reason)
    assert str(caught.value).startswith(f"/m/chat/metadata.json: limits.{key}: {reason}")


@pytest.mark.parametrize("module", ["chat", "*"])
@pytest.mark.parametrize(("limits", "key", "reason", "cls"), WRONG, ids=IDS)
def test_from_the_app_a_wrong_one_names_module_key_and_reason(
    limits: dict[str, Any], key: str, reason: str, cls: type[Exception], module: str
) -> None:
    with pytest.raises(cls) as caught:
        Core(limits={"other": {"nice": 1}, module: limits})
    assert type(caught.value) is cls
    assert str(caught.value).startswith(f"limits[{module!r}].{key}: {reason}")


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ([("chat", {})], "limits is a mapping of module name (or '*') to limits, not list"),
        ({3: {}}, "limits: a key is a module's name or '*', not 3"),
        ({"chat": 10}, "limits['chat']: must be an object, not a number"),
        ({"chat": None}, "limits['chat']: must be an object, not null"),
        ({"chat": [1]}, "limits['chat']: must be an object, not a list"),
    ],
)
def test_the_app_gives_a_mapping_of_mappings(limits: Any, words: str) -> None:
    with pytest.raises(TypeError) as caught:
        Core(limits=limits)
    assert str(caught.value) == words


@pytest.mark.parametrize("name", ["core", "core_manager", "capability_module"])
def test_built_in_modules_have_no_limits(name: str) -> None:
    with pytest.raises(ValueError, match=rf"limits: '{name}' is built in and has no limits"):
        Core(limits={name: {"nice": 1}})


def test_the_apps_dict_may_change_afterwards() -> None:
    given = {"chat": {"nice": 1}}
    limits = app_limits(given)
    given["chat"]["nice"] = 2
    assert limits == {"chat": Limits(nice=1)}


def test_wrong_keys_that_are_no_text() -> None:
    with pytest.raises(WrongValueError) as caught:
        check_limits({3: 1})
    assert caught.value.key == ".3"


# --- who wins -------------------------------------------------------------------------------------------------------


def test_the_module_then_the_star_then_the_metadata() -> None:
    app = app_limits({"chat": {"cpu_time": 1}, "*": {"cpu_time": 2, "nice": 2}})
    declared = {"cpu_time": 3, "nice": 3, "core_size": 3}
    assert effective_limits("chat", declared, app) == Limits(cpu_time=1, nice=2, core_size=3)
    assert effective_limits("other", declared, app) == Limits(cpu_time=2, nice=2, core_size=3)
    assert effective_limits("other", declared, {}) == Limits(cpu_time=3, nice=3, core_size=3)


def test_a_value_of_nothing_wins_too() -> None:
    assert effective_limits("chat", {"core_size": 9}, app_limits({"*": {"core_size": 0}})) == Limits(core_size=0)


def test_the_star_means_no_built_in_module() -> None:
    registry = Registry(app_limits({"*": {"cpu_time": 1}}))
    record = registry.add(builtin_spec("capability_module"))
    assert registry.limits(record) == NO_LIMITS
    assert registry.info("capability_module").limits == {}


def test_what_a_registry_tells_of_a_module() -> None:
    registry = Registry(app_limits({"*": {"cpu_time": 1}}))
    metadata = parse_metadata({"name": "chat", "version": "1.0.0", "limits": {"cpu_time": 9, "nice": 9}}, "f")
    record = registry.add(ModuleSpec("chat", metadata, "directory", Path("/m/chat"), "", ()))
    assert registry.limits(record) == Limits(cpu_time=1, nice=9)
    assert registry.info("chat").limits == {"cpu_time": 1, "nice": 9}
    assert registry.info("chat").metadata.limits == {"cpu_time": 9, "nice": 9}


def test_they_travel_in_bootstrap_and_may_be_left_out() -> None:
    fields: dict[str, Any] = {
        "name": "chat", "instance": "", "token": "", "metadata": {}, "source": "class", "path": "", "main": "",
        "pickled": b"", "include": (), "persistence_path": None, "default_timeout": 1.0, "spin_microseconds": 0,
    }  # fmt: skip
    for limits in ({}, EVERY_KEY):
        decoded = m.decode_to_party(m.encode(m.Bootstrap(**fields, limits=limits)))
        assert isinstance(decoded, m.Bootstrap)
        assert decoded.limits == limits
    assert m.Bootstrap(**fields).limits == {}


# --- what a limit did -----------------------------------------------------------------------------------------------

ALL = Limits(address_space=1000, cpu_time=2, open_files=64)
MEMORY = " (the module's limit address_space is 1000 bytes)"
UNDER_MEMORY = "and has the limit address_space of 1000 bytes"
UNDER_LIMIT = "under the limit address_space of 1000 bytes"
FILES = " (the module's limit open_files is 64)"


class TouchyError(OSError):
    """Everything that one might look at raises."""

    @property
    def errno(self) -> Any:  # type: ignore[override]
        raise ZeroDivisionError

    @property
    def args(self) -> Any:  # type: ignore[override]
        raise ZeroDivisionError

    @property
    def __cause__(self) -> Any:  # type: ignore[override]
        raise ZeroDivisionError

    @property
    def __class__(self) -> Any:  # type: ignore[override]
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("exc", "note"),
    [
        (MemoryError(), MEMORY),
        (OSError(errno.ENOMEM, "no"), MEMORY),
        (RuntimeError("can't start new thread"), MEMORY),
        (ImportError("libx.so: failed to map segment from shared object"), MEMORY),
        (OSError(errno.EMFILE, "no"), FILES),
        (ImportError("libx.so: cannot open shared object file: Too many open files"), FILES),
        (TouchyError(errno.EMFILE, "no"), FILES),
        (TouchyError(errno.ENOENT, "no"), ""),
        (OSError(errno.ENFILE, "the machine's"), ""),
        (OSError("text"), ""),
        (RuntimeError(), ""),
        (RuntimeError(3), ""),
        (ValueError("Too many open files"), ""),
    ],
    ids=repr,
)
def test_the_note_on_an_exception(exc: BaseException, note: str) -> None:
    assert ALL.note(exc) == note
    assert NO_LIMITS.note(exc) == ""


def test_the_note_looks_behind_an_exception() -> None:
    handling = ValueError("too much")
    handling.__context__ = MemoryError()
    assert ALL.note(handling) == MEMORY
    chained = ValueError()
    chained.__cause__ = OSError(errno.EMFILE, "no")
    assert ALL.note(chained) == FILES
    chained.__cause__.__cause__ = chained  # a circle
    assert Limits(address_space=1).note(chained) == ""


@pytest.mark.parametrize(
    ("status", "cpu", "stderr", "words"),
    [
        (-24, None, "", "killed by SIGXCPU: its limit cpu_time of 2 s was reached"),
        (-9, 4.0, "", "killed by SIGKILL: its limit cpu_time of 2 s was reached"),
        (-9, 1.9, "", "killed by SIGKILL"),
        (-9, None, "", "killed by SIGKILL: its limit cpu_time of 2 s may have been reached"),
        (-11, 4.0, "", f"killed by SIGSEGV: perhaps native code that got no memory {UNDER_LIMIT}"),
        (-15, 4.0, "", "killed by SIGTERM"),
        (1, 0.1, "x\nMemoryError\n", f"exit code 1: it wrote 'MemoryError', {UNDER_MEMORY}"),
        (-6, 0.1, "std::bad_alloc", f"killed by SIGABRT: it wrote 'std::bad_alloc', {UNDER_MEMORY}"),
        (1, 0.1, "Too many open files", "exit code 1: it wrote 'Too many open files', and has the limit open_files of 64"),
        (0, 4.0, "MemoryError", "exit code 0"),
        (None, None, "MemoryError", "exit code None"),
    ],
)  # fmt: skip
def test_the_end_of_a_process_names_the_limit(status: int | None, cpu: float | None, stderr: str, words: str) -> None:
    assert str(ExitStatus.of(1, status, stderr, None, ALL, cpu)) == words
    ended = ExitStatus.of(1, status, stderr)
    assert "limit" not in str(ended)
    crash = ExitStatus.of(1, status, stderr, None, ALL, cpu).crash("chat")
    assert f"ended: {words}" in str(crash)
    assert (crash.exit_code, crash.signal_name) == (ended.exit_code, ended.signal_name)


def test_the_end_that_the_core_asked_for_has_no_exit_code_in_words() -> None:
    assert str(ExitStatus.of(1, 0, "", "it hung")) == "it hung"
    assert str(ExitStatus.of(1, 1, "", "it hung")) == "exit code 1: it hung"
    assert str(ExitStatus.of(1, -9, "", "it hung")) == "killed by SIGKILL: it hung"


def test_cpu_seconds_of_a_process() -> None:
    mine = cpu_seconds(os.getpid())
    assert mine is not None
    times = os.times()
    assert 0 < mine <= times.user + times.system + 0.02  # in clock ticks
    assert cpu_seconds(None) is None
    child = os.spawnl(os.P_NOWAIT, "/bin/true", "true")
    try:
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        assert cpu_seconds(child) is not None, "it has ended and was not reaped"
    finally:
        os.waitpid(child, 0)
    assert cpu_seconds(child) is None
