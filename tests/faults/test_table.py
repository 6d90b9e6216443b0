"""Everything that can go wrong in a module, wherever its code runs, and what its user gets (after loky's table).

One line of ``TABLE``: what happens, in which places, and the exact outcome. Each cell also asserts that afterwards the
module serves (loaded again, where its process died), and that an innocent neighbour never noticed. The module that
breaks is ``frail.py``; its dict ``ACTS`` says what happens, ``PLACES`` in ``outcomes.py`` how its code is reached.

What is not in the table, and why: *unencodable* and *undecodable* are values, so they stand only where a value travels;
what the safe codec wrote, it can always read, so *undecodable* takes a pickle of a class that the reader lacks, or a
process without numpy; in the app's own process nothing is done that would end it; what its own code raises there while
arguments are put together (Ctrl-C above all) is raised as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance.support import write_module

from faults.frail import CALM, FRAIL
from faults.outcomes import LIMIT, PLACES, Cell, Outcome, died, invalid, logged, not_loaded, not_sent, raised, reloaded
from logoscore import Core
from logoscore.errors import LogosError

METHODS = "method async-method generator async-generator"
ENCODING = "argument pickle event result async-result item"  # code of the module's runs while a value is encoded
DECODING = "dataclass struct enum"  # while an argument is put together
CALLED = f"{METHODS} {ENCODING} {DECODING} callback about_to_unload"
LOADING = "import constructor init_logos restore_state"
RAISING = "argument event"  # what the codec lets pass is raised by the method that sends
TRAP = "logos_modules.frail.frail.Trap"
MUTE = "<Mute, whose str() raises ZeroDivisionError>"
OUT = f" (the module's limit address_space is {LIMIT} bytes)"
SEGV, ABRT = "Fatal Python error: Segmentation fault", "Fatal Python error: Aborted"
READING = "which cannot travel: reading it raised "

TABLE: list[tuple[str, str, Outcome]] = [
    # what           where                                        what the user gets
    ("SIGSEGV", CALLED, died("SIGSEGV", SEGV)),
    ("SIGSEGV", LOADING, not_loaded("its process ended (killed by SIGSEGV", None, SEGV)),
    ("SIGSEGV", "save_state", reloaded("killed by SIGSEGV")),
    ("SIGKILL", CALLED, died("SIGKILL")),
    ("SIGKILL", LOADING, not_loaded("its process ended (killed by SIGKILL")),
    ("SIGKILL", "save_state", reloaded("killed by SIGKILL")),
    ("SIGABRT", CALLED, died("SIGABRT", ABRT)),
    ("SIGABRT", LOADING, not_loaded("its process ended (killed by SIGABRT", None, ABRT)),
    ("SIGABRT", "save_state", reloaded("killed by SIGABRT")),
    ("os._exit", CALLED, died(7)),
    ("os._exit", LOADING, not_loaded("its process ended (exit code 7)")),
    ("os._exit", "save_state", reloaded("exit code 7")),
    ("stack", CALLED, died("SIGSEGV", SEGV)),
    ("stack", LOADING, not_loaded("its process ended (killed by SIGSEGV", None, SEGV)),
    ("stack", "save_state", reloaded("killed by SIGSEGV")),
    #
    ("sys.exit", METHODS, died(4)),
    ("sys.exit", f"{RAISING} pickle callback about_to_unload", died(4)),
    ("sys.exit", "result async-result", not_sent("result", None, "SystemExit")),
    ("sys.exit", "item", not_sent("item", None, "SystemExit")),
    ("sys.exit", "dataclass struct", invalid("SystemExit: 4")),
    ("sys.exit", LOADING, not_loaded("SystemExit: 4", "SystemExit")),
    ("sys.exit", "save_state", reloaded("exit code 4")),
    #
    ("exception", f"{METHODS} about_to_unload save_state", raised("ValueError", "deliberate")),
    ("exception", "argument", raised("SerializationError", rf"calm\.serve: args\[0\] is a Trap .*{READING}ValueError")),
    ("exception", "pickle", raised("SerializationError", r"friend\.serve: args\[0\] .*cannot be pickled: ValueError")),
    (
        "exception",
        "event",
        raised("SerializationError", rf"event frail\.told: args\[0\] is a Trap .*{READING}ValueError"),
    ),
    ("exception", "result async-result", not_sent("result", TRAP, f"{READING}ValueError")),
    ("exception", "item", not_sent("item", TRAP, f"{READING}ValueError")),
    ("exception", "dataclass struct", invalid("deliberate")),
    ("exception", "callback", logged("ValueError: deliberate")),
    ("exception", LOADING, not_loaded("ValueError: deliberate", "ValueError")),
    #
    ("mute", f"{METHODS} about_to_unload save_state", raised("Mute", re.escape(MUTE))),
    ("mute", "argument", raised("SerializationError", rf"calm\.serve: args\[0\] is a Trap .*{READING}.*\.Mute")),
    ("mute", "pickle", raised("SerializationError", r"friend\.serve: args\[0\] .*cannot be pickled: .*\.Mute")),
    ("mute", "event", raised("SerializationError", rf"event frail\.told: args\[0\] is a Trap .*{READING}.*\.Mute")),
    ("mute", "result async-result", not_sent("result", TRAP, "Mute")),
    ("mute", "item", not_sent("item", TRAP, "Mute")),
    ("mute", "dataclass struct", invalid(f"Mute: {MUTE}")),
    ("mute", "callback", logged("Mute")),
    ("mute", LOADING, not_loaded(f"Mute: {MUTE}", "Mute")),
    #
    ("memory", f"{METHODS} about_to_unload save_state", raised("MemoryError", "", OUT)),
    (
        "memory",
        "argument",
        raised("SerializationError", rf"calm\.serve: args\[0\] is a Trap .*{READING}MemoryError", OUT),
    ),
    (
        "memory",
        "pickle",
        raised("SerializationError", r"friend\.serve: args\[0\] .*cannot be pickled: MemoryError", OUT),
    ),
    (
        "memory",
        "event",
        raised("SerializationError", rf"event frail\.told: args\[0\] is a Trap .*{READING}MemoryError", OUT),
    ),
    ("memory", "result async-result", not_sent("result", TRAP, f"{READING}MemoryError{OUT}")),
    ("memory", "item", not_sent("item", TRAP, f"{READING}MemoryError{OUT}")),
    ("memory", "dataclass struct", invalid("MemoryError")),
    ("memory", "callback", logged("MemoryError")),
    ("memory", LOADING, not_loaded("MemoryError: (", "MemoryError", note=OUT)),
    #
    ("base", f"{METHODS} {RAISING} pickle about_to_unload save_state", raised("Stop", "deliberate")),
    ("base", "result async-result", not_sent("result", None, "Stop")),
    ("base", "item", not_sent("item", None, "Stop")),
    ("base", "dataclass struct", invalid("Stop: deliberate")),
    ("base", "callback", logged("Stop: deliberate")),
    ("base", LOADING, not_loaded("Stop: deliberate", "Stop")),
    #
    ("ctrl-c", f"{METHODS} {RAISING} pickle about_to_unload save_state", raised("KeyboardInterrupt")),
    ("ctrl-c", "result async-result", not_sent("result", None, "KeyboardInterrupt")),
    ("ctrl-c", "item", not_sent("item", None, "KeyboardInterrupt")),
    ("ctrl-c", "dataclass struct", invalid("KeyboardInterrupt")),
    ("ctrl-c", "callback", logged("KeyboardInterrupt")),
    ("ctrl-c", LOADING, not_loaded("KeyboardInterrupt", "KeyboardInterrupt")),
    #
    ("generator", f"{METHODS} {RAISING} pickle about_to_unload save_state", raised("GeneratorExit")),
    ("generator", "result async-result", not_sent("result", None, "GeneratorExit")),
    ("generator", "item", not_sent("item", None, "GeneratorExit")),
    ("generator", "dataclass struct", invalid("GeneratorExit")),
    ("generator", "callback", logged("GeneratorExit")),
    ("generator", LOADING, not_loaded("GeneratorExit", "GeneratorExit")),
    # An Enum's own code may say what it wants: this value is none of its members.
    ("sys.exit", "enum", invalid("Invalid enum value 5")),
    ("exception", "enum", invalid("Invalid enum value 5")),
    ("mute", "enum", invalid("Invalid enum value 5")),
    ("memory", "enum", invalid("Invalid enum value 5")),
    ("base", "enum", invalid("Invalid enum value 5")),
    ("ctrl-c", "enum", invalid("Invalid enum value 5")),
    ("generator", "enum", invalid("Invalid enum value 5")),
    #
    (
        "unencodable",
        "argument",
        raised("SerializationError", r"calm\.serve: args\[0\] is a lock .*only data travels.*"),
    ),
    ("unencodable", "pickle", raised("SerializationError", r"friend\.serve: args\[0\] .*cannot be pickled: TypeError")),
    (
        "unencodable",
        "event",
        raised("SerializationError", r"event frail\.told: args\[0\] is a lock .*only data travels.*"),
    ),
    ("unencodable", "result async-result", not_sent("result", "_thread.lock", "only data travels")),
    ("unencodable", "item", not_sent("item", "_thread.lock", "only data travels")),
    ("unencodable", "state", not_sent("state", "_thread.lock", "only data travels")),
    ("undecodable", "pickle", raised("SerializationError", r"friend\.serve: .*cannot be put together here: .*Error")),
]
CELLS = [(what, place, outcome) for what, places, outcome in TABLE for place in places.split()]


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    write_module(folder, "calm", CALM)
    write_module(folder, "friend", CALM.replace("Calm", "Friend"), codec="cloudpickle")
    write_module(
        folder,
        "frail",
        FRAIL,
        calls=["calm", "friend"],
        codec="cloudpickle",
        concurrency="multi",
        limits={"address_space": LIMIT},
    )
    return folder


@pytest.fixture(scope="module")
def shared_core(plugins: Path) -> Iterator[Core]:
    with Core(plugins_dir=plugins, entry_points=False) as core:
        core.load_plugin("calm")
        core.load_plugin("friend")
        yield core


@pytest.mark.parametrize(("what", "place", "outcome"), CELLS, ids=[f"{what}-{place}" for what, place, _ in CELLS])
def test_cell(
    shared_core: Core,
    plugins: Path,
    caplog: pytest.LogCaptureFixture,
    what: str,
    place: str,
    outcome: Outcome,
) -> None:
    frail, calm = shared_core.load_plugin("frail"), shared_core.get_client("calm")
    innocent = calm.call("serve", "before")
    method, drive = PLACES[place]
    cell = Cell(shared_core, method, frail.call("pid"), caplog)
    plan = plugins / "frail" / "plan"
    plan.write_text(f"{place} {what}", encoding="utf-8")
    result, error = None, None
    try:
        result = drive(shared_core)
    except LogosError as exc:
        error = exc
    finally:
        plan.unlink()
    outcome(cell, result, error)

    shared_core.load_plugin("frail")
    assert frail.call("serve", "after") == ["after", shared_core.get_plugin_info("frail").pid]
    assert frail.call("tell_calm", "hello")[0] == "hello"
    assert calm.call("serve", "before") == innocent, "the neighbour is the same process as before"
