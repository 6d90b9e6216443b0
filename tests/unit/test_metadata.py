"""``metadata.json``: what is accepted, what comes back, and one error with file, key and reason per mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from logoscore.errors import MetadataError
from logoscore.metadata import Dependency, Metadata, parse_metadata

FILE = "/modules/chat/metadata.json"
MINIMAL = {"name": "chat", "version": "1.0.0"}


def parse(**keys: Any) -> Metadata:
    return parse_metadata(json.dumps(MINIMAL | keys).encode(), FILE)


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


# --- what is accepted -------------------------------------------------------------------------------------------------


def test_the_seeds_example_is_read() -> None:
    text = b"""{
      "name": "module_name",
      "version": "1.0.0",
      "description": "Module description",
      "author": "Author name",
      "type": "core",
      "dependencies": ["required_module_name"],
      "capabilities": ["capability_provided"],
      "include": ["external_lib.so", "resources/"]
    }"""
    assert parse_metadata(text, FILE) == Metadata(
        name="module_name",
        version="1.0.0",
        description="Module description",
        author="Author name",
        dependencies=(Dependency("required_module_name"),),
        capabilities=("capability_provided",),
        include=("external_lib.so", "resources/"),
    )


def test_name_and_version_are_enough() -> None:
    metadata = parse_metadata(MINIMAL, FILE)
    assert metadata == Metadata("chat", "1.0.0")
    assert (metadata.type, metadata.concurrency, metadata.restart, metadata.codec) == (
        "core",
        "single",
        "never",
        "safe",
    )
    assert (metadata.main, metadata.max_workers, metadata.interpreter) == (None, None, None)
    assert hash(metadata) == hash(Metadata("chat", "1.0.0"))


def test_this_projects_keys_are_read() -> None:
    keys = {
        "main": "src/chat.py:Chat",
        "calls": ["index", "storage"],
        "concurrency": "multi",
        "max_workers": 3,
        "restart": "on-failure",
        "limits": {"cpu_time": 64, "nice": -1, "hang_timeout": 0.5},
        "interpreter": "/opt/venv/bin/python",
        "codec": "cloudpickle",
    }
    metadata = parse(**keys)
    assert metadata.calls == ("index", "storage")
    assert {key: getattr(metadata, key) for key in keys if key != "calls"} == {
        key: value for key, value in keys.items() if key != "calls"
    }


@pytest.mark.parametrize(
    ("text", "name", "specifier"),
    [
        ("index", "index", ""),
        ("index>=1.2,<2", "index", ">=1.2,<2"),
        (" index >= 1.2, < 2 ", "index", ">= 1.2, < 2"),
        ("logos-index.v2~=1.4.2", "logos-index.v2", "~=1.4.2"),
        ("index!=1.3.0", "index", "!=1.3.0"),
    ],
)
def test_dependencies_have_names_and_ranges(text: str, name: str, specifier: str) -> None:
    assert parse(dependencies=[text]).dependencies == (Dependency(name, specifier),)


@pytest.mark.parametrize(
    "version", ["0.0.0", "1.2.3-alpha.1+build.5", "1.0.0-x.7.z.92", "1.0", "2024.1", "1.0rc1", "1!2.0"]
)
def test_semantic_and_pep_440_versions_are_accepted(version: str) -> None:
    assert parse(version=version).version == version


@pytest.mark.parametrize("name", ["a", "_x", "logos_chat", "logos-chat", "org.logos.chat", "x" * 64])
def test_names(name: str) -> None:
    assert parse(name=name).name == name


@pytest.mark.parametrize("main", ["chat.py:Chat", "src/chat.py:Chat", "pkg.module:Chat", "pkg:Outer.Inner"])
def test_mains(main: str) -> None:
    assert parse(main=main).main == main


def test_multi_without_a_number_has_eight_workers() -> None:
    assert parse(concurrency="multi").max_workers == 8
    assert Metadata("chat", "1.0.0", concurrency="multi").max_workers == 8
    assert parse(concurrency="single").max_workers is None


def test_null_is_none_where_none_is_the_default() -> None:
    assert parse(main=None, max_workers=None, interpreter=None) == Metadata("chat", "1.0.0")


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert parse_metadata(b"\xef\xbb\xbf" + json.dumps(MINIMAL).encode(), FILE).name == "chat"


def test_brackets_and_escapes_inside_strings_do_not_count_as_nesting() -> None:
    text = '["{' * 200 + '\\" \\\\'
    assert parse(description=text).description == text


def test_unknown_keys_are_kept_and_come_back() -> None:
    extra = {"homepage": "https://logos.co", "x-build": {"matrix": [1, 2.5, None, True, {"deep": []}]}}
    metadata = parse(**extra)
    assert metadata.extra == extra
    assert metadata.to_dict() == MINIMAL | extra | {
        "description": "",
        "author": "",
        "type": "core",
        "dependencies": [],
        "capabilities": [],
        "include": [],
    }


def test_to_dict_is_json_and_parses_to_an_equal_value() -> None:
    metadata = parse(
        dependencies=["a>=1,<2", "b"],
        capabilities=["chat"],
        include=["lib.so"],
        main="m.py:M",
        calls=["c"],
        concurrency="multi",
        restart="always",
        limits={"open_files": 100},
        interpreter="/usr/bin/python3",
        codec="cloudpickle",
        unknown=[1],
    )
    text = json.dumps(metadata.to_dict()).encode()
    assert parse_metadata(text, FILE) == metadata
    assert parse_metadata(metadata.to_dict(), FILE) == metadata


def test_a_metadata_shares_nothing_with_the_dict_that_it_came_from() -> None:
    data = MINIMAL | {"limits": {"core_size": 0}, "unknown": {"list": [1]}}
    metadata = parse_metadata(data, FILE)
    data["limits"]["core_size"] = 2  # type: ignore[index]
    data["unknown"]["list"].append(2)  # type: ignore[index]
    metadata.to_dict()["unknown"]["list"].append(3)
    assert metadata.limits == {"core_size": 0}
    assert metadata.extra == {"unknown": {"list": [1]}}


def test_tuples_are_lists_to_a_class_that_carries_its_metadata() -> None:
    assert parse_metadata(MINIMAL | {"calls": ("a", "b")}, FILE).calls == ("a", "b")


# --- wrong values -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["name", "version"])
def test_missing_keys(key: str) -> None:
    error = refused({other: value for other, value in MINIMAL.items() if other != key})
    assert (error.key, error.reason) == (key, "is missing")
    assert str(error) == f"{FILE}: {key}: is missing"


@pytest.mark.parametrize(
    ("key", "value", "where", "reason"),
    [
        ("name", 7, "name", "must be a string, not a number"),
        ("name", None, "name", "must be a string, not null"),
        ("version", 1.0, "version", "must be a string, not a number"),
        ("description", ["x"], "description", "must be a string, not a list"),
        ("author", {"name": "x"}, "author", "must be a string, not an object"),
        ("type", True, "type", "must be a string, not a boolean"),
        ("type", "ui", "type", "must be 'core', not 'ui'"),
        ("dependencies", "index", "dependencies", "must be a list, not a string"),
        ("dependencies", {"index": "1"}, "dependencies", "must be a list, not an object"),
        ("dependencies", ["a", "b", 3], "dependencies[2]", "must be a string, not a number"),
        ("dependencies", ["a", "b", "a>=1"], "dependencies[2]", "'a' is listed twice"),
        ("capabilities", ["a", None], "capabilities[1]", "must be a string, not null"),
        ("capabilities", [" "], "capabilities[0]", "must not be empty"),
        ("calls", [["a"]], "calls[0]", "must be a string, not a list"),
        ("calls", None, "calls", "must be a list, not null"),
        ("include", [False], "include[0]", "must be a string, not a boolean"),
        ("include", ["a\0b"], "include[0]", "must not have a NUL character"),
        ("main", 1, "main", "must be a string, not a number"),
        ("main", "", "main", "must not be empty"),
        ("concurrency", "many", "concurrency", "must be one of 'single', 'multi', not 'many'"),
        ("concurrency", 2, "concurrency", "must be a string, not a number"),
        ("restart", "sometimes", "restart", "must be one of 'never', 'on-failure', 'always', not 'sometimes'"),
        ("restart", False, "restart", "must be a string, not a boolean"),
        ("codec", "pickle", "codec", "must be one of 'safe', 'cloudpickle', not 'pickle'"),
        ("max_workers", 0, "max_workers", "must be a positive whole number, not 0"),
        ("max_workers", -1, "max_workers", "must be a positive whole number, not -1"),
        ("max_workers", True, "max_workers", "must be a positive whole number, not True"),
        ("max_workers", 2.0, "max_workers", "must be a positive whole number, not 2.0"),
        ("max_workers", "8", "max_workers", "must be a positive whole number, not a string"),
        ("limits", [1], "limits", "must be an object, not a list"),
        ("limits", {"cpu_time": "64"}, "limits.cpu_time", "must be a whole number, not a string"),
        ("limits", {"core_size": -1}, "limits.core_size", "must be at least 0, but is -1"),
        ("interpreter", 3, "interpreter", "must be a string, not a number"),
        ("interpreter", "", "interpreter", "must not be empty"),
    ],
)
def test_wrong_values(key: str, value: Any, where: str, reason: str) -> None:
    error = refused(json.dumps(MINIMAL | {key: value}).encode())
    assert (error.key, error.reason) == (where, reason)
    assert str(error) == f"{FILE}: {where}: {reason}"


@pytest.mark.parametrize("name", ["", "7up", "-x", ".x", "a b", "a/b", "..", "a\\b", "chat\n", "é", "x" * 65])
def test_wrong_names(name: str) -> None:
    error = refused(MINIMAL | {"name": name})
    assert error.key == "name"
    assert "is not a module name" in str(error)


@pytest.mark.parametrize("version", ["", "latest", "1.0.0 beta!", "1..0", "^1.0", "1.0.0-", "1.0.0-é", "1" * 5000])
def test_wrong_versions(version: str) -> None:
    error = refused(MINIMAL | {"version": version})
    assert error.key == "version"
    assert "is not a version; write a semantic version, as 1.0.0" in str(error)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not a module name with an optional version range"),
        ("index 1.0", "is not a module name with an optional version range"),
        ("index^1.0", "is not a module name with an optional version range"),
        ("../index", "is not a module name with an optional version range"),
        ("index>=" + "9" * 5000, "is not a module name with an optional version range"),
        ("index>=", "is not a version range; write one as '>=1.2,<2'"),
        ("index=1.0", "is not a version range; write one as '>=1.2,<2'"),
        ("index>=1.0 <2", "is not a version range; write one as '>=1.2,<2'"),
        ("index>=abc", "is not a version range; write one as '>=1.2,<2'"),
    ],
)
def test_wrong_dependencies(text: str, reason: str) -> None:
    error = refused(MINIMAL | {"dependencies": ["fine", text]})
    assert error.key == "dependencies[1]"
    assert reason in str(error)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("/etc/passwd", "is absolute"),
        ("C:/windows", "is absolute"),
        ("\\\\server\\share", "is absolute"),
        ("..", "climbs out"),
        ("a/../../b", "climbs out"),
        ("a\\..\\b", "climbs out"),
    ],
)
def test_include_stays_in_the_folder(entry: str, reason: str) -> None:
    error = refused(MINIMAL | {"include": ["lib.so", entry]})
    assert error.key == "include[1]"
    assert reason in str(error)


@pytest.mark.parametrize(
    ("main", "reason"),
    [
        ("chat.py", "is neither 'file.py:Class' nor 'package.module:Class'"),
        ("chat.py:", "is neither"),
        (":Chat", "is neither"),
        ("chat.so:Chat()", "is neither"),
        ("a b:Chat", "is neither"),
        ("pkg..module:Chat", "is neither"),
        ("../chat.py:Chat", "climbs out"),
        ("/opt/chat.py:Chat", "is absolute"),
    ],
)
def test_wrong_mains(main: str, reason: str) -> None:
    error = refused(MINIMAL | {"main": main})
    assert error.key == "main"
    assert reason in str(error)


# --- cost -------------------------------------------------------------------------------------------------------------


def test_importing_and_plain_metadata_load_no_heavy_module() -> None:
    script = (
        "import sys; import logoscore.metadata, logoscore.dependencies, logoscore.policy\n"
        'logoscore.metadata.parse_metadata(b\'{"name": "a", "version": "1.0.0", "dependencies": ["b"]}\', \'f\')\n'
        "print({'packaging', 'pluggy', 'logging', 'importlib.metadata'} & set(sys.modules))"
    )
    root = str(Path(__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("set()\n", "")
