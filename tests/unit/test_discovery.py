"""Discovery in plugins directories: what is found, in which order, and one failure per mistake."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from discovery_support import BOMB, find, write_module

from logoscore.errors import MetadataError
from logoscore.metadata import parse_metadata
from logoscore.plugins import discovery
from logoscore.plugins.discovery import process_path
from logoscore.plugins.spec import ModuleSpec

# --- directories ------------------------------------------------------------------------------------------------------


def test_modules_of_a_directory(tmp_path: Path) -> None:
    chat = write_module(tmp_path, "chat", dependencies=["index>=1"], homepage="x")
    write_module(tmp_path, "index", code=None, main="package.module:Index")
    modules, failures = find(tmp_path)
    assert failures == {}
    assert list(modules) == ["chat", "index"]
    metadata = parse_metadata(json.loads((chat / "metadata.json").read_text()), "chat")
    assert modules["chat"] == ModuleSpec("chat", metadata, "directory", chat, "", None, ())
    assert modules["index"].main == "package.module:Index"


def test_what_is_no_module_is_ignored(tmp_path: Path) -> None:
    write_module(tmp_path, "chat")
    write_module(tmp_path, ".hidden")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "metadata.json").write_text("{}")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "other.py").write_text(BOMB)
    (tmp_path / "lonely.py").write_text(BOMB)
    (tmp_path / "metadata.json").write_text("{}")
    (tmp_path / "loop").symlink_to("loop")
    modules, failures = find(tmp_path)
    assert (list(modules), failures) == (["chat"], {})


def breaks(folder: Path, content: bytes) -> None:
    (folder / "metadata.json").write_bytes(content)


def becomes_directory(folder: Path) -> None:
    (folder / "metadata.json").unlink()
    (folder / "metadata.json").mkdir()


def becomes_huge(folder: Path) -> None:
    with (folder / "metadata.json").open("wb") as stream:
        stream.truncate(100 << 20)


def becomes_loop(folder: Path) -> None:
    (folder / "metadata.json").unlink()
    (folder / "metadata.json").symlink_to("metadata.json")


def becomes_dangling(folder: Path) -> None:
    (folder / "metadata.json").unlink()
    (folder / "metadata.json").symlink_to("nowhere.json")


@pytest.mark.parametrize(
    ("damage", "key", "reason"),
    [
        (lambda folder: breaks(folder, b"not json"), None, "is not JSON: Expecting value at line 1, column 1"),
        (lambda folder: breaks(folder, b"[]"), None, "must be a JSON object, not a list"),
        (lambda folder: breaks(folder, b'{"name": "broken"}'), "version", "is missing"),
        (
            lambda folder: breaks(folder, b'{"name": "broken", "version": "1.0.0", "dependencies": [0]}'),
            "dependencies[0]",
            "must be a string, not a number",
        ),
        (
            lambda folder: breaks(folder, b'{"name": "chat", "version": "1.0.0"}'),
            "name",
            "is 'chat', but the folder is named 'broken'",
        ),
        (lambda folder: (folder / "metadata.json").unlink(), None, "metadata.json is missing"),
        (becomes_directory, None, "is a directory, not a file"),
        (becomes_huge, None, "is too large: 104857600 bytes where at most 1048576 are allowed"),
        (becomes_loop, None, "cannot be read: Too many levels of symbolic links"),
        (becomes_dangling, None, "does not exist"),
        (
            lambda folder: (folder / "broken.py").unlink(),
            "main",
            "is not given, and there is no broken.py in the folder",
        ),
    ],
)
def test_a_broken_module_is_one_failure_and_harms_no_other(
    tmp_path: Path, damage: Callable[[Path], object], key: str | None, reason: str
) -> None:
    folder = write_module(tmp_path, "broken")
    write_module(tmp_path, "chat")
    damage(folder)
    modules, failures = find(tmp_path)
    assert list(modules) == ["chat"]
    assert list(failures) == ["broken"]
    error = failures["broken"]
    assert (error.file, error.key, error.reason) == (str(folder / "metadata.json"), key, reason)


def test_a_folder_that_may_not_be_looked_into_is_one_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = write_module(tmp_path, "locked")
    write_module(tmp_path, "chat")
    real = discovery.module_folder

    # Not chmod: root may look into everything.
    def look(path: Path) -> Path:
        if path == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(discovery, "module_folder", look)
    modules, failures = find(tmp_path)
    assert list(modules) == ["chat"]
    assert (failures["locked"].file, failures["locked"].key) == (str(locked), None)
    assert failures["locked"].reason == f"cannot be read: PermissionError: [Errno 13] Permission denied: '{locked}'"
    assert isinstance(failures["locked"].__cause__, PermissionError)


@pytest.mark.parametrize("name", ["core", "core_manager", "capability_module"])
def test_reserved_names(tmp_path: Path, name: str) -> None:
    folder = write_module(tmp_path, name)
    modules, failures = find(tmp_path)
    assert modules == {}
    assert (failures[name].file, failures[name].key) == (str(folder / "metadata.json"), "name")
    assert failures[name].reason == "capability_module, core, core_manager are reserved for logoscore itself"


@pytest.mark.parametrize(
    ("main", "reason"),
    [
        ("absent.py:Chat", "absent.py does not exist"),
        ("folder.py:Chat", "folder.py does not exist"),
        ("../outside.py:Chat", "'../outside.py' climbs out of the module's folder"),
        ("chat.py", "'chat.py' is neither 'file.py:Class' nor 'package.module:Class'"),
    ],
)
def test_main_of_a_folder(tmp_path: Path, main: str, reason: str) -> None:
    folder = write_module(tmp_path, "chat", main=main)
    (folder / "folder.py").mkdir()
    (tmp_path / "outside.py").write_text(BOMB)
    _, failures = find(tmp_path)
    error = failures["chat"]
    assert (error.file, error.key, error.reason) == (str(folder / "metadata.json"), "main", reason)


def test_a_main_that_is_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = write_module(tmp_path / "modules", "chat", main="linked.py:Chat")
    (tmp_path / "outside.py").write_text(BOMB)
    (folder / "linked.py").symlink_to(tmp_path / "outside.py")
    _, failures = find(tmp_path / "modules")
    outside = (tmp_path / "outside.py").resolve()
    assert failures["chat"].key == "main"
    assert failures["chat"].reason == f"linked.py leads out of the module's folder, to {outside}"


def test_a_file_in_a_subfolder_may_be_main(tmp_path: Path) -> None:
    folder = write_module(tmp_path, "chat", code=None, main="src/impl.py:Chat")
    (folder / "src").mkdir()
    (folder / "src" / "impl.py").write_text(BOMB)
    assert find(tmp_path)[0]["chat"].main == "src/impl.py:Chat"


def test_include_becomes_absolute_whether_it_is_there_or_not(tmp_path: Path) -> None:
    """What has to be there is for an install step, and for the module, to say."""
    folder = write_module(tmp_path, "chat", include=["lib.so", "resources/"])
    (folder / "lib.so").write_bytes(b"")
    found, failures = find(tmp_path)
    assert failures == {}
    assert found["chat"].include == (folder / "lib.so", folder / "resources")


def test_a_linked_folder_has_the_name_of_the_link(tmp_path: Path) -> None:
    real = write_module(tmp_path / "store", "chat").rename(tmp_path / "store" / "chat-1.0.0")
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "chat").symlink_to(real)
    modules, failures = find(tmp_path / "modules")
    assert (list(modules), failures) == (["chat"], {})
    assert modules["chat"].path == tmp_path / "modules" / "chat"


def test_the_first_directory_wins(tmp_path: Path) -> None:
    first = write_module(tmp_path / "one", "chat", version="1.0.0")
    second = write_module(tmp_path / "two", "chat", version="2.0.0")
    modules, failures = find(tmp_path / "one", tmp_path / "two")
    assert modules["chat"].path == first
    error = failures["chat"]
    assert (error.file, error.key) == (str(second / "metadata.json"), "name")
    assert error.reason == f"duplicate name: also at {first}, which is used"
    assert find(tmp_path / "two", tmp_path / "one")[0]["chat"].path == second


def test_a_broken_module_does_not_hide_a_good_one_of_its_name(tmp_path: Path) -> None:
    breaks(write_module(tmp_path / "one", "chat"), b"{}")
    second = write_module(tmp_path / "two", "chat")
    modules, failures = find(tmp_path / "one", tmp_path / "two")
    assert modules["chat"].path == second
    assert failures["chat"].key == "name"


def test_the_same_directory_twice_is_no_duplicate(tmp_path: Path) -> None:
    write_module(tmp_path, "chat")
    modules, failures = find(tmp_path, tmp_path / ".." / tmp_path.name)
    assert (list(modules), failures) == (["chat"], {})


def test_relative_directories_give_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_module(tmp_path / "modules", "chat")
    monkeypatch.chdir(tmp_path)
    assert find(Path("modules"))[0]["chat"].path == tmp_path / "modules" / "chat"


def test_an_absent_directory_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_module(tmp_path / "two", "chat")
    with caplog.at_level(logging.WARNING, logger="logoscore"):
        modules, failures = find(tmp_path / "one", tmp_path / "two")
    assert (list(modules), failures) == (["chat"], {})
    assert caplog.messages == [f"plugins directory {tmp_path / 'one'} does not exist"]


def test_a_directory_that_is_a_file_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("")
    write_module(tmp_path / "two", "chat")
    modules, failures = find(tmp_path / "one", tmp_path / "two")
    assert list(modules) == ["chat"]
    assert failures["one"].file == str(tmp_path / "one")
    assert failures["one"].reason is not None
    assert failures["one"].reason.startswith("cannot be listed: NotADirectoryError")


# --- one path ---------------------------------------------------------------------------------------------------------


def test_process_path_takes_a_folder_or_its_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_module(tmp_path, "chat")
    spec = process_path(folder)
    assert (spec.name, spec.source, spec.path, spec.main) == ("chat", "directory", folder, "")
    assert process_path(folder / "metadata.json") == spec
    assert process_path(str(folder)) == spec
    monkeypatch.chdir(folder)
    assert process_path(".") == spec
    assert process_path("metadata.json") == spec


def test_process_path_of_what_is_no_module(tmp_path: Path) -> None:
    (tmp_path / "chat.py").write_text(BOMB)
    (tmp_path / "empty").mkdir()
    for path, file, reason in [
        (tmp_path / "absent", tmp_path / "absent", "does not exist"),
        (tmp_path / "chat.py", tmp_path / "chat.py", "is neither a module's folder nor a metadata.json"),
        (tmp_path / "empty", tmp_path / "empty" / "metadata.json", "does not exist"),
    ]:
        with pytest.raises(MetadataError) as caught:
            process_path(path)
        assert (caught.value.file, caught.value.key, caught.value.reason) == (str(file), None, reason)


def test_process_path_refuses_another_name(tmp_path: Path) -> None:
    folder = write_module(tmp_path, "chat").rename(tmp_path / "talk")
    with pytest.raises(MetadataError, match="is 'chat', but the folder is named 'talk'") as caught:
        process_path(folder)
    assert (caught.value.file, caught.value.key) == (str(folder / "metadata.json"), "name")
