"""Discovery in hand-made distributions: found without importing them, and one failure per broken one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from discovery_support import BOMB, find, named, write_module

from logoscore.errors import MetadataError
from logoscore.plugins.discovery import create_plugin_manager, discover
from logoscore.plugins.spec import ModuleSpec

# --- distributions ----------------------------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A site-packages of our own in front of the real ones; nothing in it may get imported."""
    path = tmp_path / "site"
    path.mkdir()
    monkeypatch.syspath_prepend(str(path))
    before = set(sys.modules)
    yield path
    loaded = {name for name in set(sys.modules) - before if name.startswith(("logos_", "ns_", "chat"))}
    assert not loaded, "discovery imported module code"


def install(site: Path, distribution: str, points: dict[str, str], files: dict[str, str]) -> Path:
    info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    lines = ["[console_scripts]", "tool = some.where:main", "[logoscore.modules]"]
    (info / "entry_points.txt").write_text(
        "\n".join([*lines, *(f"{name} = {value}" for name, value in points.items())])
    )
    for name, content in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(content)
    return info


def install_chat(site: Path, **keys: Any) -> Path:
    files = {
        "logos_chat/__init__.py": BOMB,
        "logos_chat/module.py": BOMB,
        "logos_chat/lib.so": "",
        "logos_chat/metadata.json": named("chat", **keys),
    }
    return install(site, "logos-chat", {"chat": "logos_chat.module:Chat"}, files)


def find_installed(*directories: Path) -> tuple[dict[str, ModuleSpec], dict[str, MetadataError]]:
    return find(*directories, entry_points=True)


def test_an_entry_point_is_found_without_importing_it(site: Path) -> None:
    install_chat(site, include=["lib.so"], main="other.py:Ignored")
    modules, failures = find_installed()
    assert failures == {}
    spec = modules["chat"]
    assert (spec.source, spec.distribution, spec.main) == ("distribution", "logos-chat", "logos_chat.module:Chat")
    assert spec.path == site / "logos_chat"
    assert spec.include == (site / "logos_chat" / "lib.so",)


def test_entry_points_may_be_left_out(site: Path) -> None:
    install_chat(site)
    assert find(entry_points=False) == ({}, {})


@pytest.mark.parametrize(
    ("value", "files", "folder"),
    [
        ("logos_p:Chat", ["logos_p/__init__.py"], "logos_p"),
        (
            "logos_p.sub.module:Chat [fast]",
            ["logos_p/__init__.py", "logos_p/sub/__init__.py", "logos_p/sub/module.py"],
            "logos_p/sub",
        ),
        ("logos_p.sub : Chat", ["logos_p/__init__.py", "logos_p/sub/__init__.py"], "logos_p/sub"),
        ("ns_p.sub.module:Chat", ["ns_p/sub/module.py"], "ns_p/sub"),
        ("ns_p.sub.deep:Chat", ["ns_p/sub/deep/other.py"], "ns_p/sub/deep"),
        ("ns_p:Chat", ["ns_p/other.py"], "ns_p"),
        ("chat_single:Chat", ["chat_single.py"], "."),
    ],
)
def test_metadata_is_beside_the_entry_points_module(site: Path, value: str, files: list[str], folder: str) -> None:
    contents = dict.fromkeys(files, BOMB) | {f"{folder}/metadata.json": named("chat")}
    install(site, "logos-chat", {"chat": value}, contents)
    modules, failures = find_installed()
    assert failures == {}
    assert modules["chat"].path == site / folder
    assert modules["chat"].main == value.partition(" [")[0].replace(" ", "")


def test_a_package_beats_a_module_and_a_module_a_plain_folder(site: Path) -> None:
    files = {
        "logos_p/__init__.py": BOMB,
        "logos_p/module.py": BOMB,
        "logos_p/module/data.txt": "",
        "logos_p/metadata.json": named("chat"),
    }
    install(site, "logos-chat", {"chat": "logos_p.module:Chat"}, files)
    assert find_installed()[0]["chat"].path == site / "logos_p"
    (site / "logos_p" / "module" / "__init__.py").write_text(BOMB)
    (site / "logos_p" / "module" / "metadata.json").write_text(named("chat"))
    assert find_installed()[0]["chat"].path == site / "logos_p" / "module"


def test_an_editable_install_is_found_where_its_finder_says(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.machinery
    import importlib.util

    source = tmp_path / "checkout" / "logos_edit"
    source.mkdir(parents=True)
    (source / "__init__.py").write_text(BOMB)
    (source / "module.py").write_text(BOMB)
    (source / "metadata.json").write_text(named("chat"))
    install(site, "logos-chat", {"chat": "logos_edit.module:Chat"}, {})

    class EditableFinder:
        """What setuptools puts on sys.meta_path."""

        @classmethod
        def find_spec(cls, fullname: str, *_: object) -> importlib.machinery.ModuleSpec | None:
            if fullname != "logos_edit":
                return None
            return importlib.util.spec_from_file_location(fullname, source / "__init__.py")

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, EditableFinder])
    modules, failures = find_installed()
    assert failures == {}
    assert modules["chat"].path == source


def test_several_modules_of_one_distribution_fail_one_by_one(site: Path) -> None:
    files = {
        "logos_p/__init__.py": BOMB,
        "logos_p/a/__init__.py": BOMB,
        "logos_p/a/metadata.json": named("a"),
        "logos_p/b/__init__.py": BOMB,
        "logos_p/b/metadata.json": named("other"),
        "logos_p/c/__init__.py": BOMB,
        "logos_p/core/__init__.py": BOMB,
        "logos_p/core/metadata.json": named("core"),
    }
    points = {
        "a": "logos_p.a:A",
        "b": "logos_p.b:B",
        "c": "logos_p.c:C",
        "core": "logos_p.core:C",
        "d": "logos_p.absent:D",
        "e": "ns_absent.module:E",
        "f": "logos_p.a",
        "g": "logos_p..a:G",
        "h": "not an entry point",
    }
    install(site, "logos-p", points, files)
    modules, failures = find_installed()
    assert list(modules) == ["a"]
    package = site / "logos_p"
    assert {name: (error.file, error.key, error.reason) for name, error in failures.items()} == {
        "b": (str(package / "b" / "metadata.json"), "name", "is 'other', but the entry point of logos-p is named 'b'"),
        "c": (str(package / "c" / "metadata.json"), None, "does not exist"),
        "core": (
            str(package / "core" / "metadata.json"),
            "name",
            "capability_module, core, core_manager are reserved for logoscore itself",
        ),
        "d": ("entry point d of logos-p", None, "there is no module logos_p.absent"),
        "e": ("entry point e of logos-p", None, "there is no module ns_absent.module"),
        "f": ("entry point f of logos-p", None, "'logos_p.a' is not 'package.module:Class'"),
        "g": ("entry point g of logos-p", None, "'logos_p..a:G' is not 'package.module:Class'"),
        "h": ("entry point h of logos-p", None, "'not an entry point' is not 'package.module:Class'"),
    }


def test_a_top_level_module_that_the_finder_chokes_on_is_one_failure(site: Path) -> None:
    install_chat(site)
    install(site, "broken", {"x": "__main__:X"}, {})
    main_spec = sys.modules["__main__"].__spec__
    sys.modules["__main__"].__spec__ = None
    try:
        modules, failures = find_installed()
    finally:
        sys.modules["__main__"].__spec__ = main_spec
    assert list(modules) == ["chat"]
    assert failures["x"].reason == "cannot be read: ValueError: __main__.__spec__ is None"


def metadata_is_bytes(info: Path) -> None:
    (info / "METADATA").write_bytes(b"Name: \xff\xfe\n")


def metadata_without_name(info: Path) -> None:
    (info / "METADATA").write_text("Metadata-Version: 2.1\n")


def metadata_is_gone(info: Path) -> None:
    (info / "METADATA").unlink()


def points_are_bytes(info: Path) -> None:
    (info / "entry_points.txt").write_bytes(b"[logoscore.modules]\nx = \xff")


def points_are_garbage(info: Path) -> None:
    (info / "entry_points.txt").write_text("[logoscore.modules]\nthis is no pair\n")


def points_are_a_loop(info: Path) -> None:
    (info / "entry_points.txt").unlink()
    (info / "entry_points.txt").symlink_to("entry_points.txt")


def points_are_a_directory(info: Path) -> None:
    (info / "entry_points.txt").unlink()
    (info / "entry_points.txt").mkdir()


@pytest.mark.parametrize(
    "damage",
    [
        metadata_is_bytes,
        metadata_without_name,
        metadata_is_gone,
        points_are_bytes,
        points_are_garbage,
        points_are_a_loop,
        points_are_a_directory,
    ],
)
def test_a_broken_distribution_is_one_failure_and_harms_no_other(site: Path, damage: Callable[[Path], None]) -> None:
    install_chat(site)
    info = install(
        site, "broken-dist", {"x": "logos_x:X"}, {"logos_x/__init__.py": BOMB, "logos_x/metadata.json": named("x")}
    )
    damage(info)
    modules, failures = discover(create_plugin_manager(), (), True)
    assert list(modules) == ["chat"]
    assert [(failure.name, failure.path) for failure in failures] == [("broken_dist", info)]
    assert type(failures[0].error) is MetadataError
    assert str(info) in str(failures[0].error)


def test_a_file_of_entry_points_without_permission_is_one_failure(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_chat(site)
    info = install(site, "locked", {"x": "logos_x:X"}, {})
    real_open = Path.open

    # Not chmod: root may read everything. importlib.metadata takes PermissionError for "there is none".
    def denied(self: Path, *args: Any, **kwargs: Any) -> Any:
        if self == info / "entry_points.txt":
            raise PermissionError(13, "Permission denied", str(self))
        return real_open(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", denied)
    monkeypatch.setattr("io.open", denied_open(info / "entry_points.txt"))
    modules, failures = find_installed()
    assert list(modules) == ["chat"]
    error = failures["locked"]
    assert (error.file, error.key, error.reason) == (str(info / "entry_points.txt"), None, "cannot be read")


def denied_open(target: Path) -> Callable[..., Any]:
    """Python 3.13's ``Path.read_text`` calls ``io.open`` where earlier ones called ``Path.open``."""
    import io

    real_open = io.open

    def opened(file: Any, *args: Any, **kwargs: Any) -> Any:
        if file == target or str(file) == str(target):
            raise PermissionError(13, "Permission denied", str(file))
        return real_open(file, *args, **kwargs)

    return opened


def test_a_finder_that_raises_costs_only_what_comes_after_it(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_chat(site)

    class BadFinder:
        @classmethod
        def find_spec(cls, *_: object) -> None:
            return None

        @classmethod
        def find_distributions(cls, *_: object) -> Iterator[Any]:
            raise RuntimeError("no distributions today")

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, BadFinder])
    modules, failures = find_installed()
    assert list(modules) == ["chat"]
    assert failures["importlib.metadata"].reason == (
        "cannot list the installed distributions: RuntimeError: no distributions today"
    )


def test_only_the_first_distribution_of_a_name_on_the_path_counts(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_chat(site)
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    install(hidden, "Logos.Chat", {"old": "logos_chat.module:Chat"}, {})
    monkeypatch.setattr(sys, "path", [*sys.path, str(hidden), str(site)])
    modules, failures = find_installed()
    assert (list(modules), failures) == (["chat"], {})


def test_directories_win_over_distributions(site: Path, tmp_path: Path) -> None:
    install_chat(site)
    folder = write_module(tmp_path / "modules", "chat")
    modules, failures = find_installed(tmp_path / "modules")
    assert (modules["chat"].source, modules["chat"].path) == ("directory", folder)
    error = failures["chat"]
    assert (error.file, error.key) == (str(site / "logos_chat" / "metadata.json"), "name")
    assert error.reason == f"duplicate name: also at {folder}, which is used"


def test_the_same_folder_from_two_sources_is_no_duplicate(site: Path) -> None:
    files = {"chat/__init__.py": BOMB, "chat/chat.py": BOMB, "chat/metadata.json": named("chat")}
    install(site, "logos-chat", {"chat": "chat.chat:Chat"}, files)
    modules, failures = find_installed(site)
    assert failures == {}
    assert modules["chat"].source == "directory"
