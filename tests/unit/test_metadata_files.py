"""``metadata.json`` as bytes and as a file: bounded, strict, and no file whatever makes the reader hang."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from logoscore.bounded_json import MAX_BYTES, MAX_DEPTH
from logoscore.errors import MetadataError
from logoscore.metadata import Metadata, parse_metadata, read_metadata

FILE = "/modules/chat/metadata.json"
MINIMAL = {"name": "chat", "version": "1.0.0"}


def refused(data: bytes | dict[str, Any]) -> MetadataError:
    with pytest.raises(MetadataError) as caught:
        parse_metadata(data, FILE)
    error = caught.value
    assert type(error) is MetadataError
    assert error.file == FILE
    assert error.reason
    assert FILE in str(error)
    assert error.reason in str(error)
    assert (error.key or "") in str(error)
    return error


# --- not JSON ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "key", "reason"),
    [
        (b"", None, "is not JSON: Expecting value at line 1, column 1"),
        (b"{'name': 'chat'}", None, "is not JSON: Expecting property name enclosed in double quotes"),
        (b'{"name": "chat"', None, "is not JSON: Expecting ',' delimiter"),
        (b'{"name": "chat" // comment\n}', None, "is not JSON"),
        (b'["chat"]', None, "must be a JSON object, not a list"),
        (b'"chat"', None, "must be a JSON object, not a string"),
        (b"null", None, "must be a JSON object, not null"),
        (b'{"name": "ch\xff"}', None, "is not UTF-8: byte 0xff at offset 12"),
        (json.dumps(MINIMAL).encode("utf-16"), None, "is not UTF-8"),
        (b'{"name": "chat", "version": "1.0.0", "name": "other"}', "name", "appears twice in one object"),
        (b'{"name": "chat", "version": "1.0.0", "x": {"k": 1, "k": 1}}', "k", "appears twice in one object"),
        (b'{"name": "chat", "version": "1.0.0", "x": NaN}', None, "is not JSON: NaN is not a JSON number"),
        (b'{"name": "chat", "version": "1.0.0", "x": -Infinity}', None, "is not JSON: -Infinity"),
        (b'{"name": "chat", "version": "1.0.0", "x": [1e999]}', "x[0]", "is inf, which JSON does not have"),
        (b'{"name": "chat", "version": "1.0.0", "x": "\\ud800"}', "x", "has half of a surrogate pair"),
        (b'{"name": "chat", "version": "1.0.0", "\\ud800": 1}', None, "has half of a surrogate pair"),
        (b'{"x": 1' + b"0" * 5000 + b"}", None, "is not JSON that can be read: Exceeds the limit"),
    ],
)
def test_not_json(data: bytes, key: str | None, reason: str) -> None:
    error = refused(data)
    assert error.key == key
    assert error.reason is not None
    assert error.reason.startswith(reason)


@pytest.mark.parametrize(
    "data",
    [b"[" * 500_000, b'{"a":' * 100_000, b'{"x": ' + b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1) + b"}"],
    ids=["unclosed lists", "unclosed objects", "one too many"],
)
def test_nesting_is_bounded_before_parsing(data: bytes) -> None:
    assert refused(data).reason == "is nested too deeply: at most 64 levels are allowed"


def test_a_string_that_never_ends_costs_no_more_than_its_length() -> None:
    reason = refused(b'{"name": "' + b'\\"' * 500_000).reason
    assert reason is not None
    assert reason.startswith("is not JSON: Unterminated string")


def test_size_is_bounded() -> None:
    assert refused(b" " * (MAX_BYTES + 1)).reason == "is too large: 1048577 bytes where at most 1048576 are allowed"


def test_a_dict_that_contains_itself_ends() -> None:
    data: dict[str, Any] = dict(MINIMAL)
    data["loop"] = data
    error = refused(data)
    assert (error.key, error.reason) == ("loop", "is nested too deeply: at most 64 levels are allowed")


@pytest.mark.parametrize(
    ("value", "key", "reason"),
    [
        ({"x": {1: 2}}, "x", "has the key 1, which is a number and not a string"),
        ({"x": [b"bytes"]}, "x[0]", "is a bytes, which JSON does not have"),
        ({"x": {"y": {3}}}, "x.y", "is a set, which JSON does not have"),
    ],
)
def test_a_class_may_carry_only_what_json_has(value: dict[str, Any], key: str, reason: str) -> None:
    error = refused(MINIMAL | value)
    assert (error.key, error.reason) == (key, reason)


def test_something_else_than_an_object_in_a_class() -> None:
    assert refused(["name"]).reason == "must be a JSON object, not a list"  # type: ignore[arg-type]


# --- files ------------------------------------------------------------------------------------------------------------


def unreadable(path: Path) -> MetadataError:
    with pytest.raises(MetadataError) as caught:
        read_metadata(path)
    error = caught.value
    assert type(error) is MetadataError
    assert (error.file, error.key) == (str(path), None)
    assert str(error) == f"{path}: {error.reason}"
    return error


def test_read(tmp_path: Path) -> None:
    path = tmp_path / "metadata.json"
    path.write_text(json.dumps(MINIMAL))
    assert read_metadata(path) == Metadata("chat", "1.0.0")


def test_what_is_wrong_inside_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "metadata.json"
    path.write_text('{"name": "chat"}')
    with pytest.raises(MetadataError) as caught:
        read_metadata(path)
    assert str(caught.value) == f"{path}: version: is missing"


def test_missing_file(tmp_path: Path) -> None:
    error = unreadable(tmp_path / "metadata.json")
    assert error.reason == "does not exist"
    assert isinstance(error.__cause__, FileNotFoundError)


def test_directory(tmp_path: Path) -> None:
    assert unreadable(tmp_path).reason == "is a directory, not a file"


def test_100_megabytes_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metadata.json"
    with path.open("wb") as stream:
        stream.truncate(100 << 20)
    monkeypatch.setattr(os, "open", None)
    assert unreadable(path).reason == "is too large: 104857600 bytes where at most 1048576 are allowed"


def test_fifo_and_device_do_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "metadata.json"
    os.mkfifo(path)
    assert unreadable(path).reason == "is not a regular file"
    assert unreadable(Path("/dev/zero")).reason == "is not a regular file"


def test_a_file_that_becomes_a_fifo_between_look_and_open_does_not_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "metadata.json"
    path.write_text(json.dumps(MINIMAL))
    real_open = os.open

    def swap_first(target: Path, flags: int) -> int:
        path.unlink()
        os.mkfifo(path)
        return real_open(target, flags)

    monkeypatch.setattr(os, "open", swap_first)
    assert unreadable(path).reason == "is not a regular file"


def test_symlink_loop(tmp_path: Path) -> None:
    path = tmp_path / "metadata.json"
    path.symlink_to(path)
    assert unreadable(path).reason == "cannot be read: Too many levels of symbolic links"


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metadata.json"
    path.write_text(json.dumps(MINIMAL))

    # Not chmod: root may read everything.
    def denied(target: Path, *_: object) -> int:
        raise PermissionError(13, "Permission denied", str(target))

    monkeypatch.setattr(os, "open", denied)
    error = unreadable(path)
    assert error.reason == "cannot be read: Permission denied"
    assert isinstance(error.__cause__, PermissionError)
