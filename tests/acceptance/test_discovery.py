"""Which modules a Core knows: directories, distributions, duplicates, rescans."""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path

import pytest

from acceptance.support import DIST, PING, install, metadata_of, write_dist_info, write_module
from logoscore import Core
from logoscore.errors import (
    LogosError,
    MetadataError,
    ModuleLoadError,
    ModuleNotLoadedError,
    StateError,
    UnknownModuleError,
)

BUILTINS = ["capability_module", "core_manager"]
EXECUTED = "import sys\nsys.modules['executed_by_discovery'] = sys\n" + PING


def user_plugins(core: Core) -> list[str]:
    return [name for name in core.get_known_plugins() if name not in BUILTINS]


def failures(core: Core) -> dict[str, MetadataError]:
    return {failure.name: failure.error for failure in core.get_discovery_failures()}


def test_directory_modules(plugins: Path) -> None:
    write_module(plugins, "beta")
    write_module(plugins, "alpha")
    (plugins / "not_a_module").mkdir()
    (plugins / "README.txt").write_text("neither is this", encoding="utf-8")
    with Core(plugins_dir=plugins, entry_points=False) as core:
        assert user_plugins(core) == ["alpha", "beta"]
        assert core.get_discovery_failures() == []
        assert core.load_plugin("beta").call("ping") == "beta"


def test_main_says_what_to_load(plugins: Path) -> None:
    two = "from logoscore import PluginInterface, invokable\n" + "".join(
        f"class {name}(PluginInterface):\n    @invokable\n    def which(self):\n        return '{name}'\n"
        for name in ("First", "Second")
    )
    (write_module(plugins, "by_file", main="chosen.py:Second") / "chosen.py").write_text(two, encoding="utf-8")
    package = write_module(plugins, "by_package", main="inner.deep:First") / "inner"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "deep.py").write_text(two, encoding="utf-8")
    with Core(plugins_dir=plugins, entry_points=False) as core:
        assert core.load_plugin("by_file").call("which") == "Second"
        assert core.load_plugin("by_package").call("which") == "First"


def test_module_imports_its_neighbours(plugins: Path) -> None:
    source = PING + "\n    @invokable\n    def help(self):\n        import my_helper\n        return my_helper.TEXT\n"
    for name in ("left", "right"):
        folder = write_module(plugins, name, source)
        (folder / "my_helper.py").write_text(f"TEXT = 'helper of {name}'\n", encoding="utf-8")
    with Core(plugins_dir=plugins, entry_points=False) as core:
        assert [core.load_plugin(name).call("help") for name in ("left", "right")] == [
            "helper of left",
            "helper of right",
        ]


def test_discovery_runs_no_code_of_a_module(plugins: Path) -> None:
    write_module(plugins, "eager", EXECUTED)
    with Core(plugins_dir=plugins, entry_points=False) as core:
        assert user_plugins(core) == ["eager"]
        assert core.load_plugin("eager").call("ping") == "eager"
    assert "executed_by_discovery" not in sys.modules


@pytest.mark.usefixtures("_installed")
def test_distribution_modules() -> None:
    for name in [name for name in sys.modules if name.startswith("logos_acceptance")]:
        del sys.modules[name]
    with Core() as core:
        assert set(user_plugins(core)) >= {"results", "variants", "numbers", "records", "native"}
        assert not [name for name in sys.modules if name.startswith("logos_acceptance")]
        assert core.load_plugin("results").call("success").value == "it worked"
    with Core(entry_points=False) as core:
        assert user_plugins(core) == []


def test_distribution_whose_names_disagree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    install(DIST, site)
    package = site / "other_package"
    package.mkdir()
    (package / "__init__.py").write_text(PING, encoding="utf-8")
    (package / "metadata.json").write_text('{"name": "inner_name", "version": "1.0.0"}', encoding="utf-8")
    write_dist_info(site, "mismatched", "1.0", {"outer_name": "other_package:Module"})
    monkeypatch.syspath_prepend(site)
    importlib.invalidate_caches()
    with Core() as core:
        error = failures(core)["outer_name"]
        assert error.key == "name"
        for word in ("inner_name", "outer_name"):
            assert word in str(error)
        assert not {"inner_name", "outer_name"} & set(core.get_known_plugins())
        with pytest.raises(
            UnknownModuleError, match=r"cannot be used: .*the entry point of mismatched is named 'outer_name'"
        ):
            core.load_plugin("inner_name")
        assert core.load_plugin("results").call("success").value == "it worked"


def test_broken_distribution_does_not_hide_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    install(DIST, site)
    write_dist_info(site, "broken-one", "1.0", {"ghost": "no_such_package.module:Thing", "odd": "not a reference"})
    (site / "worse-1.0.dist-info").mkdir()
    (site / "worse-1.0.dist-info" / "entry_points.txt").write_bytes(b"[logoscore.modules\n\xff\xfe = nonsense")
    monkeypatch.syspath_prepend(site)
    importlib.invalidate_caches()
    with Core() as core:
        assert {"ghost", "odd"} <= set(failures(core))
        assert "no_such_package" in str(failures(core)["ghost"])
        assert core.load_plugin("numbers").call("echo", 1) == 1


def test_an_entry_point_that_names_no_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "misspelt_package"
    package.mkdir()
    (package / "__init__.py").write_text(PING, encoding="utf-8")
    (package / "metadata.json").write_text('{"name": "misspelt", "version": "1.0.0"}', encoding="utf-8")
    write_dist_info(tmp_path, "logos-misspelt", "1.0", {"misspelt": "misspelt_package:Modul"})
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    with Core() as core, pytest.raises(ModuleLoadError) as caught:
        core.load_plugin("misspelt")
    assert (
        "module 'misspelt' could not be loaded: misspelt_package has no class 'Modul', which the entry point misspelt of "
        "logos-misspelt names; did you mean 'Module'?"
    ) in str(caught.value)


def test_name_of_the_folder_counts(plugins: Path) -> None:
    write_module(plugins, "folder_name", name="metadata_name")
    with Core(plugins_dir=plugins, entry_points=False) as core:
        assert user_plugins(core) == []
        error = failures(core)["folder_name"]
        assert error.key == "name"
        assert str(error.file).endswith("folder_name/metadata.json")
        for word in ("folder_name", "metadata_name"):
            assert word in str(error)
        with pytest.raises(
            UnknownModuleError, match=r"no module 'metadata_name' is known; .* cannot be used: "
        ) as caught:
            core.load_plugin("metadata_name")
        assert str(error) in str(caught.value)
        assert caught.value.__cause__ is error


@pytest.mark.parametrize("name", ["core_manager", "capability_module", "core"])
def test_names_of_the_builtins_are_taken(plugins: Path, name: str) -> None:
    write_module(plugins, name)
    with Core(plugins_dir=plugins, entry_points=False) as core:
        assert failures(core)[name].key == "name"
        assert core.get_known_plugins() == BUILTINS
        assert core.get_client("core_manager").call("getLoadedPlugins") == BUILTINS


def test_first_of_two_of_one_name_wins(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        write_module(folder, "twin", PING.replace("self.api.name", repr(folder.name)))
    with Core(plugins_dir=folders, entry_points=False) as core:
        assert user_plugins(core) == ["twin"]
        assert core.load_plugin("twin").call("ping") == "one"
        error = failures(core)["twin"]
        assert "duplicate" in str(error)
        assert str(folders[0] / "twin") in str(error)
        assert str(folders[1] / "twin") in str(error)


def test_directories_are_set_before_the_start(tmp_path: Path) -> None:
    one, two, late = tmp_path / "one", tmp_path / "two", tmp_path / "late"
    for folder in (one, two, late):
        folder.mkdir()
        write_module(folder, f"in_{folder.name}")
    core = Core(entry_points=False)
    core.set_plugins_dir(tmp_path / "forgotten")
    core.set_plugins_dir(one)
    core.add_plugins_dir(str(two))
    with core:
        assert user_plugins(core) == ["in_one", "in_two"]
        with pytest.raises(StateError, match="start"):
            core.set_plugins_dir(late)
        core.add_plugins_dir(late)
        core.refresh_plugins()
        assert user_plugins(core) == ["in_late", "in_one", "in_two"]
        assert core.load_plugin("in_late").call("ping") == "in_late"


def test_rescan_finds_new_and_forgets_vanished(plugins: Path) -> None:
    write_module(plugins, "stays")
    write_module(plugins, "vanishes")
    with Core(plugins_dir=plugins, entry_points=False) as core:
        core.load_plugin("stays")
        write_module(plugins, "appears")
        shutil.rmtree(plugins / "vanishes")
        assert user_plugins(core) == ["stays", "vanishes"]
        core.refresh_plugins()
        assert user_plugins(core) == ["appears", "stays"]
        with pytest.raises(UnknownModuleError, match="vanishes") as caught:
            core.load_plugin("vanishes")
        assert caught.type is not ModuleNotLoadedError
        assert core.load_plugin("appears").call("ping") == "appears"
        assert core.get_client("stays").call("ping") == "stays"


def test_process_plugin_adds_one_and_loads_nothing(tmp_path: Path, plugins: Path) -> None:
    folder = write_module(tmp_path, "elsewhere", EXECUTED, version="3.2.1")
    with Core(plugins_dir=plugins, entry_points=False) as core:
        assert core.process_plugin(folder) == "elsewhere"
        assert user_plugins(core) == ["elsewhere"]
        assert core.get_loaded_plugins() == BUILTINS
        assert core.get_plugin_info("elsewhere").version == "3.2.1"
        assert core.process_plugin(str(folder / "metadata.json")) == "elsewhere"
        assert core.load_plugin("elsewhere").call("ping") == "elsewhere"
        with pytest.raises(MetadataError, match="nowhere"):
            core.process_plugin(tmp_path / "nowhere")


def test_unknown_keys_are_kept(plugins: Path) -> None:
    write_module(plugins, "extended", homepage="https://example.org", nested={"k": [1]})
    with Core(plugins_dir=plugins, entry_points=False) as core:
        assert core.get_discovery_failures() == []
        metadata = core.get_plugin_info("extended").metadata
        content = metadata if isinstance(metadata, dict) else metadata.to_dict()
        assert content == content | metadata_of("extended", homepage="https://example.org", nested={"k": [1]})


def test_plugins_directory_that_is_missing_or_empty(tmp_path: Path, plugins: Path) -> None:
    for place in (tmp_path / "missing", plugins, None):
        with Core(plugins_dir=place, entry_points=False) as core:
            assert core.get_known_plugins() == BUILTINS


def test_an_unknown_name_says_where_it_was_looked_for_and_what_was_found(tmp_path: Path, plugins: Path) -> None:
    broken = plugins / "broken"
    broken.mkdir()
    (broken / "metadata.json").write_text("{", encoding="utf-8")
    missing = tmp_path / "missing"
    with Core(plugins_dir=[plugins, missing], entry_points=False) as core:
        for use in (core.load_plugin, core.get_plugin_info, lambda name: core.get_client(name).call("ping")):
            with pytest.raises(UnknownModuleError) as caught:
                use("nobody")
            assert f"searched: {plugins}, {missing} (no such directory)" in str(caught.value)
            with pytest.raises(LogosError, match=r"metadata.json: is not JSON"):
                use("broken")
