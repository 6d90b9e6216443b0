"""Discovery's complaints: what cannot be used, and keys that look misspelt, each once in the log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from discovery_support import write_module

from logoscore import Core, PluginInterface
from logoscore.plugins.complaints import Complaints
from logoscore.plugins.discovery import create_plugin_manager, discover, process_path


def scan(complaints: Complaints, directory: Path, log: pytest.LogCaptureFixture) -> list[str]:
    """What a scan logs."""
    log.clear()
    specs, failures = discover(create_plugin_manager(), [directory], False)
    complaints.scanned(specs.values(), failures)
    assert all((record.name, record.levelname) == ("logoscore", "WARNING") for record in log.records)
    return log.messages


def guess(file: Path, key: str, meant: str) -> str:
    return f"{file}: {key}: is no key that logoscore knows, and does nothing; did you mean '{meant}'?"


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("dependancies", "dependencies"),
        ("Dependencies", "dependencies"),
        ("restrat", "restart"),
        ("max-workers", "max_workers"),
        ("maxWorkers", "max_workers"),
        ("limit", "limits"),
        ("call", "calls"),
    ],
)
def test_a_key_that_looks_misspelt_is_said_and_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, key: str, meant: str
) -> None:
    folder = write_module(tmp_path, "chat", **{key: ["anything"]})
    assert scan(Complaints(), tmp_path, caplog) == [guess(folder / "metadata.json", key, meant)]
    assert process_path(folder).metadata.extra == {key: ["anything"]}


@pytest.mark.parametrize("key", ["license", "homepage", "category", "icon", "x", "", "names", "versions", "y" * 1000])
def test_a_key_that_looks_like_none_is_nobodys_business(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, key: str
) -> None:
    write_module(tmp_path, "chat", **{key: 1})
    assert scan(Complaints(), tmp_path, caplog) == []


def test_nothing_is_guessed_that_is_given(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_module(tmp_path, "chat", author="Ada", authors=["Ada", "Bob"])
    assert scan(Complaints(), tmp_path, caplog) == []


def test_each_is_said_once_and_again_when_it_comes_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    complaints = Complaints()
    typo = write_module(tmp_path, "typo", restrat="always") / "metadata.json"
    broken = write_module(tmp_path, "broken", version=3) / "metadata.json"
    said = [
        f"discovery cannot use 'broken': {broken}: version: must be a string, not a number",
        guess(typo, "restrat", "restart"),
    ]
    assert scan(complaints, tmp_path, caplog) == said
    assert scan(complaints, tmp_path, caplog) == []

    broken.write_text(json.dumps({"name": "broken"}))
    assert scan(complaints, tmp_path, caplog) == [f"discovery cannot use 'broken': {broken}: version: is missing"]

    broken.write_text(json.dumps({"name": "broken", "version": "1.0.0"}))
    assert scan(complaints, tmp_path, caplog) == []
    broken.write_text(json.dumps({"name": "broken"}))
    assert scan(complaints, tmp_path, caplog) == [f"discovery cannot use 'broken': {broken}: version: is missing"]


def test_a_core_complains_at_its_start_not_at_each_refresh(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_module(tmp_path, "broken", version=3)
    with Core(plugins_dir=tmp_path, entry_points=False) as core:
        core.refresh_plugins()
        (failure,) = core.get_discovery_failures()
        assert caplog.messages == [f"discovery cannot use 'broken': {failure.error}"]
        assert str(folder) in caplog.text


class Misspelt(PluginInterface):
    metadata = {"concurency": "multi"}  # noqa: RUF012 - as an app's author writes it


def test_what_somebody_makes_known_himself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_module(tmp_path / "elsewhere", "typo", restrat="always")
    with Core(entry_points=False) as core:
        for _ in range(2):
            core.process_plugin(str(folder))
            core.load_plugin(Misspelt)
        core.add_plugins_dir(tmp_path / "elsewhere")
        core.refresh_plugins()
    assert caplog.messages == [
        guess(folder / "metadata.json", "restrat", "restart"),
        "the metadata of the class misspelt: concurency: is no key that logoscore knows, and does nothing; "
        "did you mean 'concurrency'?",
    ]


def test_of_very_many_unknown_keys_some_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_module(tmp_path, "chat", **{f"restart{number}": 1 for number in range(5000)})
    assert len(scan(Complaints(), tmp_path, caplog)) == 16
