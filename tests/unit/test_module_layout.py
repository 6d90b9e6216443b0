"""Files by which clients of the seed's platform name a module, and the module's folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.support import write_module

from logoscore import MetadataError
from logoscore.plugins.discovery import create_plugin_manager, discover, process_path


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    chat = write_module(tmp_path, "chat")
    (chat / "manifest.json").write_text('{"main": {"linux-x86_64": "lib/chat.anything"}}', encoding="utf-8")
    (chat / "lib").mkdir()
    for file in (
        "chat/lib/chat.anything",
        "chat/chat_plugin.so",
        "chat_plugin.so",
        "chat_plugin.dylib",
        "other_plugin.so",
    ):
        (tmp_path / file).touch()
    return tmp_path


@pytest.mark.parametrize(
    "path",
    [
        "chat", "chat/", "chat/metadata.json", "chat/manifest.json", "chat/lib/chat.anything", "chat/chat_plugin.so",
        "chat/chat.py", "chat_plugin.so", "chat_plugin.dylib", "chat/../chat_plugin.so",
    ],
)  # fmt: skip
def test_every_way_to_name_a_module(plugins: Path, path: str) -> None:
    spec = process_path(f"{plugins}/{path}")
    assert (spec.name, spec.path) == ("chat", plugins / "chat")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("other_plugin.so", "is neither a module's folder nor a metadata.json"),
        ("nobody_plugin.so", "does not exist"),
        ("chat/lib", "metadata.json: does not exist"),
    ],
)
def test_files_of_no_module(plugins: Path, path: str, words: str) -> None:
    with pytest.raises(MetadataError, match=words):
        process_path(plugins / path)


def test_placeholders_beside_folders_are_no_failures(plugins: Path) -> None:
    found, failures = discover(create_plugin_manager(), [plugins], entry_points=False)
    assert (list(found), failures) == (["chat"], [])


def test_a_manifest_alone_is_a_failure_that_says_what_is_missing(plugins: Path) -> None:
    (plugins / "native").mkdir()
    (plugins / "native" / "manifest.json").write_text("{}", encoding="utf-8")
    _, failures = discover(create_plugin_manager(), [plugins], entry_points=False)
    assert [failure.name for failure in failures] == ["native"]
    assert "metadata.json is missing" in str(failures[0].error)
