"""Finds modules: in plugins directories, in installed distributions, and wherever a third party's hook looks.

The rules:

1. **No module code is imported or executed here.** Files are read, and finders are asked where a top-level package is.
2. One broken module, distribution or hook is one :class:`DiscoveryFailure` and costs nobody else anything.
3. The first of several modules of one name wins: directories in their order, then distributions, then hooks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

from logoscore.errors import MetadataError
from logoscore.metadata import BUILTIN_NAMES, Metadata, metadata_error, read_metadata
from logoscore.plugins import hookspecs
from logoscore.plugins.hookspecs import hookimpl
from logoscore.plugins.layout import MANIFEST_FILE, METADATA_FILE, module_folder
from logoscore.plugins.spec import DiscoveryFailure, ModuleSpec

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

__all__ = ["DirectoryDiscovery", "EntryPointDiscovery", "create_plugin_manager", "discover", "process_path"]

GROUP = "logoscore.modules"
_ENTRY_POINT = re.compile(r"(?P<module>[\w.]+)\s*:\s*(?P<cls>[\w.]+)\s*(\[.*\])?")
_RESERVED = f"{', '.join(sorted(BUILTIN_NAMES))} are reserved for logoscore itself"

Found = ModuleSpec | DiscoveryFailure


def create_plugin_manager() -> pluggy.PluginManager:
    """A plugin manager that knows the hooks and has the two built-in discoveries registered."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(DirectoryDiscovery(), "logoscore-directories")
    manager.register(EntryPointDiscovery(), "logoscore-entry-points")
    return manager


def discover(
    pm: pluggy.PluginManager, plugins_dirs: Sequence[Path], entry_points: bool
) -> tuple[dict[str, ModuleSpec], list[DiscoveryFailure]]:
    """All modules that can be found, by name, and what was found but cannot be used."""
    directories = tuple(_absolute(directory) for directory in plugins_dirs)
    found: dict[str, ModuleSpec] = {}
    failures: list[DiscoveryFailure] = []
    for plugin in _in_search_order(pm):
        for item in _ask(pm, plugin, directories, entry_points):
            if isinstance(item, DiscoveryFailure):
                failures.append(item)
                continue
            # The same folder again, as of an editable install inside a plugins directory, is no second module.
            if item.name in found and found[item.name].path == item.path:
                continue
            error = _refusal(item, found)
            if error is None:
                found[item.name] = item
            else:
                failures.append(DiscoveryFailure(item.name, item.path, error))
    return found, failures


def process_path(path: str | os.PathLike[str]) -> ModuleSpec:
    """The module in the folder ``path``, or that the file ``path`` belongs to (``plugins/layout.py``). Loads nothing.

    Raises:
        MetadataError: there is no module, or something about it is wrong.
    """
    found = _described(path)
    if isinstance(found, DiscoveryFailure):
        raise found.error
    return found


def _described(path: str | os.PathLike[str]) -> Found:
    """As :func:`process_path`, but one whose names disagree is a failure that says which it claims."""
    folder = module_folder(_absolute(Path(path)))
    if not folder.is_dir():
        reason = "is neither a module's folder nor a metadata.json" if folder.exists() else "does not exist"
        raise metadata_error(folder, None, reason)
    file = folder / METADATA_FILE
    metadata = read_metadata(file)
    wrong = _wrong_name(metadata, folder.name, "folder", folder, file)
    if wrong is not None:
        return wrong
    _check_main(metadata, folder, file)
    include = _included(metadata, folder)
    return ModuleSpec(metadata.name, metadata, "directory", folder, metadata.main or "", None, include)


class DirectoryDiscovery:
    """Finds ``<plugins_dir>/<name>/metadata.json``."""

    @hookimpl
    def logos_discover_modules(self, plugins_dirs: tuple[Path, ...]) -> Iterator[Found]:
        """Each folder with a ``metadata.json``; one with ``manifest.json`` or ``<name>.py`` alone is a failure."""
        for directory in dict.fromkeys(plugins_dirs):
            try:
                entries = sorted(directory.iterdir())
            except FileNotFoundError:
                import logging  # 12 ms that a start without this warning does not pay

                logging.getLogger(__name__).warning("plugins directory %s does not exist", directory)
            except OSError as exc:
                yield _failure(directory.name, directory, exc, "cannot be listed")
            else:
                for entry in entries:
                    yield from _guarded(entry.name, entry, partial(_module_in, entry))


class EntryPointDiscovery:
    """Finds the entry points of group ``logoscore.modules`` of installed distributions."""

    @hookimpl
    def logos_discover_modules(self, entry_points: bool) -> Iterator[Found]:
        """Each entry point, with the ``metadata.json`` beside the module that it names."""
        if not entry_points:
            return
        import importlib

        # What was installed since the process started is not seen otherwise.
        importlib.invalidate_caches()
        seen: set[str] = set()
        for distribution in _distributions():
            if isinstance(distribution, DiscoveryFailure):
                yield distribution
                continue
            name, path = _identity(distribution)
            key = re.sub(r"[-_.]+", "-", name).lower()
            # A distribution that is hidden behind one earlier on sys.path is not what an import would see.
            if key not in seen:
                seen.add(key)
                yield from _of_distribution(distribution, name, path)


# --- hooks ----------------------------------------------------------------------------------------------------------


def _in_search_order(pm: pluggy.PluginManager) -> list[object]:
    """The built-in discoveries, then the others in the order in which pluggy would call them."""
    plugins = [implementation.plugin for implementation in reversed(pm.hook.logos_discover_modules.get_hookimpls())]
    ranks = {DirectoryDiscovery: 0, EntryPointDiscovery: 1}
    return sorted(plugins, key=lambda plugin: ranks.get(type(plugin), 2))


def _ask(
    pm: pluggy.PluginManager, plugin: object, directories: tuple[Path, ...], entry_points: bool
) -> Iterator[Found]:
    """What one plugin finds. They are asked one by one, as pluggy gives up all results when one plugin raises."""
    name = pm.get_name(plugin) or type(plugin).__name__
    try:
        caller = pm.subset_hook_caller("logos_discover_modules", pm.get_plugins() - {plugin})
        for result in caller(plugins_dirs=directories, entry_points=entry_points):
            for item in result:
                if not isinstance(item, (ModuleSpec, DiscoveryFailure)):
                    raise TypeError(f"neither a ModuleSpec nor a DiscoveryFailure: {item!r}")  # noqa: TRY301 - its fault too
                yield item
    except Exception as exc:  # noqa: BLE001 - a third party's code may raise anything
        yield _failure(name, None, exc, "hook logos_discover_modules failed")


def _refusal(spec: ModuleSpec, found: dict[str, ModuleSpec]) -> MetadataError | None:
    """Why ``spec`` cannot be added; the checks hold for a third party's specs too."""
    file = spec.path / METADATA_FILE
    if spec.name in BUILTIN_NAMES and spec.source != "builtin":
        return metadata_error(file, "name", _RESERVED)
    if spec.name != spec.metadata.name:
        return metadata_error(file, "name", f"is {spec.metadata.name!r}, but the module was found as {spec.name!r}")
    if spec.name in found:
        return metadata_error(file, "name", f"duplicate name: also at {found[spec.name].path}, which is used")
    return None


def _guarded(name: str, path: Path, find: Callable[[], Found | None]) -> Iterator[Found]:
    try:
        found = find()
    except Exception as exc:  # noqa: BLE001 - whatever one module does to us must not cost the others
        yield _failure(name, path, exc, "cannot be read")
    else:
        if found is not None:
            yield found


def _failure(name: str, path: Path | None, exc: Exception, what: str) -> DiscoveryFailure:
    if isinstance(exc, MetadataError):
        return DiscoveryFailure(name, path, exc)
    import traceback

    # Unlike str(), this survives exceptions whose own __str__ raises.
    reason = traceback.format_exception_only(exc)[-1].strip()
    error = metadata_error(path or name, None, f"{what}: {reason}")
    error.__cause__ = exc
    return DiscoveryFailure(name, path, error)


# --- folders --------------------------------------------------------------------------------------------------------


def _absolute(path: Path) -> Path:
    # Not resolve(): a module's folder may be a symbolic link, and it is the link that has the module's name.
    return Path(os.path.abspath(path))  # noqa: PTH100 - pathlib has no lexical normalisation


def _module_in(folder: Path) -> Found | None:
    """The module in ``folder``; None if nothing in it looks like one."""
    if folder.name.startswith(".") or folder.name == "__pycache__" or not folder.is_dir():
        return None
    # lexists: a metadata.json that is a dangling link is a broken module, not an absent one.
    if os.path.lexists(folder / METADATA_FILE):
        return _described(folder)
    if os.path.lexists(folder / MANIFEST_FILE) or (folder / f"{folder.name}.py").is_file():
        raise metadata_error(folder / METADATA_FILE, None, "metadata.json is missing")
    return None


def _wrong_name(metadata: Metadata, expected: str, what: str, path: Path | None, file: Path) -> DiscoveryFailure | None:
    """Why a module cannot have the name that its metadata gives; None: it can."""
    if metadata.name in BUILTIN_NAMES:
        return DiscoveryFailure(expected, path, metadata_error(file, "name", _RESERVED))
    if metadata.name != expected:
        error = metadata_error(file, "name", f"is {metadata.name!r}, but the {what} is named {expected!r}")
        return DiscoveryFailure(expected, path, error, claims=metadata.name)
    return None


def _check_main(metadata: Metadata, folder: Path, file: Path) -> None:
    """A file that ``main`` names must be there; a package may as well be installed in the module's interpreter."""
    place = metadata.main.rpartition(":")[0] if metadata.main else f"{metadata.name}.py"
    if not place.endswith(".py"):
        return
    target = folder / place
    if not target.is_file():
        reason = f"{place} does not exist" if metadata.main else f"is not given, and there is no {place} in the folder"
        raise metadata_error(file, "main", reason)
    if not target.resolve().is_relative_to(folder.resolve()):
        raise metadata_error(file, "main", f"{place} leads out of the module's folder, to {target.resolve()}")


def _included(metadata: Metadata, folder: Path) -> tuple[Path, ...]:
    """Where the files are, or would be: what is missing is missed by who installs the module, or by its own code."""
    return tuple(folder / entry for entry in metadata.include)


# --- distributions --------------------------------------------------------------------------------------------------


def _distributions() -> Iterator[Distribution | DiscoveryFailure]:
    from importlib.metadata import distributions

    try:
        yield from distributions()
    except Exception as exc:  # noqa: BLE001 - any finder on sys.meta_path takes part
        yield _failure("importlib.metadata", None, exc, "cannot list the installed distributions")


def _identity(distribution: Distribution) -> tuple[str, Path | None]:
    """Name and ``.dist-info`` of a distribution, from the folder's name where it has one: METADATA may be broken."""
    path = Path(str(getattr(distribution, "_path", "")))
    if path.suffix in (".dist-info", ".egg-info"):
        return path.stem.partition("-")[0], path
    try:
        return str(distribution.metadata["Name"]), None
    except Exception:  # noqa: BLE001 - without a name it still has an identity
        return f"distribution-{id(distribution)}", None


def _of_distribution(distribution: Distribution, name: str, path: Path | None) -> Iterator[Found]:
    try:
        points = _entry_points(distribution, path)
        if points:
            name = _official_name(distribution, path or Path(name))
    except Exception as exc:  # noqa: BLE001 - a broken distribution raises whatever its parser happens to raise
        yield _failure(name, path, exc, "is a broken distribution")
        return
    for point in points:
        yield from _guarded(point.name, path or Path(name), partial(_of_entry_point, point, name, path))


def _entry_points(distribution: Distribution, path: Path | None) -> list[EntryPoint]:
    points = [point for point in distribution.entry_points if point.group == GROUP]
    file = path / "entry_points.txt" if path is not None else None
    # importlib.metadata treats a file that it may not read as one that is not there.
    if file is not None and not points and os.path.lexists(file) and distribution.read_text(file.name) is None:
        raise metadata_error(file, None, "cannot be read")
    return points


def _official_name(distribution: Distribution, path: Path) -> str:
    metadata = distribution.metadata
    if "Name" not in metadata or not metadata["Name"].strip():
        raise metadata_error(path / "METADATA", "Name", "is missing")
    return metadata["Name"].strip()


def _of_entry_point(point: EntryPoint, distribution: str, path: Path | None) -> Found:
    """The module that ``point`` names. Its ``main`` is the entry point; a ``main`` in its metadata does not count."""
    where = f"entry point {point.name} of {distribution}"
    match = _ENTRY_POINT.fullmatch(point.value.strip())
    names = [] if match is None else [*match["module"].split("."), *match["cls"].split(".")]
    if match is None or not all(name.isidentifier() for name in names):
        raise metadata_error(where, None, f"{point.value!r} is not 'package.module:Class'")
    folder = _folder_of_module(match["module"])
    if folder is None:
        raise metadata_error(where, None, f"there is no module {match['module']}")
    file = folder / METADATA_FILE
    metadata = read_metadata(file)
    wrong = _wrong_name(metadata, point.name, f"entry point of {distribution}", path or Path(distribution), file)
    if wrong is not None:
        return wrong
    main, include = f"{match['module']}:{match['cls']}", _included(metadata, folder)
    return ModuleSpec(metadata.name, metadata, "distribution", folder, main, distribution, include)


def _folder_of_module(module: str) -> Path | None:
    """The folder that holds ``module``, or that is it if it is a package; None if there is no such module.

    ``find_spec`` of a dotted name would import the parents, so it is asked for the top-level name alone; from there
    the files are looked at.
    """
    import importlib.util

    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None:
        return None
    if spec.submodule_search_locations is None:
        return _absolute(Path(spec.origin)).parent if spec.origin and not rest else None
    locations = [_absolute(Path(location)) for location in spec.submodule_search_locations]
    if not rest:  # a namespace package has several folders
        return next((each for each in locations if (each / METADATA_FILE).is_file()), next(iter(locations), None))
    for part in rest[:-1]:
        locations = [each / part for each in locations if (each / part).is_dir()]
    return _place_in(locations, rest[-1])


def _place_in(locations: Iterable[Path], name: str) -> Path | None:
    from importlib.machinery import all_suffixes

    suffixes = all_suffixes()
    plain_folders = []
    for location in locations:
        package = location / name
        if any((package / f"__init__{suffix}").is_file() for suffix in suffixes):
            return package
        if any((location / f"{name}{suffix}").is_file() for suffix in suffixes):
            return location
        if package.is_dir():
            plain_folders.append(package)
    # As for the import system, a namespace package is what is left when no location has the real thing.
    return next(iter(plain_folders), None)
