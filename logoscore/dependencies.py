"""In which order modules are loaded and unloaded, and whether a version is in range.

Pure. Both walks keep their own stack: a chain of thousands of modules must not end in a RecursionError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from logoscore.errors import DependencyError, LogosError, UnknownModuleError
from logoscore.metadata import BUILTIN_NAMES, SEMVER, Dependency, Metadata
from logoscore.near import nearest

if TYPE_CHECKING:
    from packaging.version import Version

__all__ = ["load_order", "satisfies", "unload_order"]

_SHOWN = 12


def load_order(
    name: str,
    known: Mapping[str, Metadata],
    loaded: Collection[str],
    refused: Callable[[str], LogosError | None] = lambda _: None,
) -> list[str]:
    """What to load so that ``name`` is loaded, dependencies first and in the order in which they are listed.

    Each module that is not in ``loaded`` appears once; the list is empty if ``name`` itself is in ``loaded``. The
    built-ins are always there. ``known`` should hold the loaded modules too, as their versions are checked. ``refused``
    says of a name that is not known why what was found of it cannot be used; None: nothing was found.

    Raises:
        UnknownModuleError: ``name`` is not known.
        DependencyError: a dependency is missing, of a version out of range, or part of a cycle.
    """
    settled = {*loaded, *BUILTIN_NAMES}
    if name in settled:
        return []
    if name not in known:
        raise UnknownModuleError(f"no module named {name!r} is known", module=name)
    order: list[str] = []
    # From the module that was asked for down to the current one, each with what is left of its dependencies.
    path: dict[str, Iterator[Dependency]] = {name: iter(known[name].dependencies)}
    while path:
        current = next(reversed(path))
        dependency = next(path[current], None)
        if dependency is None:
            del path[current]
            settled.add(current)
            order.append(current)
            continue
        if dependency.name in path:
            raise _cycle([*path], dependency.name)
        # Also when it is settled: two modules may want different versions of one.
        problem = _problem(dependency, known, settled)
        if problem:
            cause = refused(dependency.name) if dependency.name not in known else None
            problem = f"{dependency.name} cannot be used: {cause}" if cause is not None else problem
            raise DependencyError(
                f"cannot load {name}: {_chain([*path], dependency)}; {problem}", module=name
            ) from cause
        if dependency.name not in settled:
            path[dependency.name] = iter(known[dependency.name].dependencies)
    return order


def unload_order(name: str, dependents: Mapping[str, Collection[str]]) -> list[str]:
    """What to unload so that ``name`` can go: dependents first, ``name`` last, each once.

    ``dependents`` says of a module which loaded modules need it directly; a module without an entry is needed by none.
    """
    order: list[str] = []
    seen = {name}
    path: dict[str, Iterator[str]] = {name: iter(sorted(dependents.get(name, ())))}
    while path:
        current = next(reversed(path))
        dependent = next(path[current], None)
        if dependent is None:
            del path[current]
            order.append(current)
        elif dependent not in seen:
            seen.add(dependent)
            path[dependent] = iter(sorted(dependents.get(dependent, ())))
    return order


def satisfies(version: str, specifier: str) -> bool:
    """Whether ``version`` is in the range ``specifier`` (``">=1.2,<2"``; ``""`` is any).

    A pre-release counts as in range where its number is: there is only the one version that is installed.

    Raises:
        ValueError: one of the two is not what it should be; what went through ``parse_metadata`` is.
    """
    if not specifier:
        return True
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(specifier).contains(_comparable(version), prereleases=True)


def _comparable(version: str) -> Version:
    """``version`` as PEP 440 orders it, but read as a semantic version where it is one.

    The grammars overlap: ``1.0.0-1`` is a post-release to PEP 440 and a pre-release to semver. And not each semantic
    version is one of PEP 440 (``1.0.0-x.7``); those pre-releases are all taken as the earliest of their release.
    """
    from packaging.version import InvalidVersion, Version

    semantic = re.fullmatch(SEMVER, version)
    if semantic is None:
        return Version(version)
    try:
        exact = Version(version)
    except InvalidVersion:
        exact = None
    if exact is not None and exact.is_prerelease == (semantic["pre"] is not None):
        return exact
    return Version(semantic["release"] if semantic["pre"] is None else f"{semantic['release']}.dev0")


def _problem(dependency: Dependency, known: Mapping[str, Metadata], settled: Collection[str]) -> str:
    """Why ``dependency`` cannot be met by what there is; empty if it can."""
    metadata = known.get(dependency.name)
    if metadata is None:
        if dependency.name not in settled:
            meant = nearest(dependency.name, known)
            return (
                f"{dependency.name} is not known: "
                "no plugins directory and no installed distribution has a usable module of that name"
                f"{f' (did you mean {meant!r}?)' if meant is not None else ''}"
            )
        if dependency.specifier and dependency.name not in BUILTIN_NAMES:
            return f"{dependency.name} is loaded, but its version is not known"
        return ""
    if satisfies(metadata.version, dependency.specifier):
        return ""
    return f"the version of {dependency.name} that is there is {metadata.version}"


def _chain(path: list[str], last: Dependency) -> str:
    links = _shortened([*path, str(last)])
    return f"{links[0]} needs {', which needs '.join(links[1:])}"


def _cycle(path: list[str], name: str) -> DependencyError:
    cycle = [*path[path.index(name) :], name]
    if len(cycle) == 2:
        return DependencyError(
            f"cannot load {path[0]}: {name} depends on itself, a cycle: {name} -> {name}", module=path[0]
        )
    return DependencyError(
        f"cannot load {path[0]}: dependencies form a cycle: {' -> '.join(_shortened(cycle))} "
        "(a module that is only called, not needed first, belongs in 'calls')",
        module=path[0],
    )


def _shortened(names: list[str]) -> list[str]:
    if len(names) <= _SHOWN:
        return names
    half = _SHOWN // 2
    return [*names[:half], f"({len(names) - 2 * half} more)", *names[-half:]]
