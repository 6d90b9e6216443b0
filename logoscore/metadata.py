"""A module's ``metadata.json``: read it with bounds, check it, keep what is unknown.

Pure but for :func:`read_metadata`. The rules:

1. Size and nesting are bounded before the parser sees a byte, so that no file can exhaust memory or stack.
2. A wrong value is one :class:`~logoscore.errors.MetadataError` that names file, key (``dependencies[2]``) and reason.
3. Unknown keys are kept in ``extra``: a newer tool's keys survive an older core.
4. Importing this file stays cheap, as every host does it. ``json`` and ``packaging`` are imported by the functions that
   need them, and patterns are compiled when they are first used.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from logoscore.bounded_json import MAX_BYTES, WrongValueError, kind, loads, plain, too_large
from logoscore.errors import MetadataError
from logoscore.limit_rules import check_limits

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "BUILTIN_NAMES",
    "Dependency",
    "Metadata",
    "known_metadata",
    "metadata_error",
    "parse_metadata",
    "read_metadata",
]

BUILTIN_NAMES = frozenset({"core", "core_manager", "capability_module"})
"""Names that no third-party module may take: the app and the two modules that every core has."""

CONCURRENCIES = ("single", "multi")
RESTARTS = ("never", "on-failure", "always")
CODECS = ("safe", "cloudpickle")
DEFAULT_WORKERS = 8

MAX_VERSION = 128  # longer ones are mistakes, and Python refuses integers beyond 4300 digits with an unrelated error
MAX_DEPENDENCY = 256

NAME = r"[A-Za-z_][A-Za-z0-9_.-]{0,63}"
_IDENTIFIER = r"(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
SEMVER = (
    r"(?P<release>(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*))"
    rf"(?:-(?P<pre>{_IDENTIFIER}(?:\.{_IDENTIFIER})*))?"
    r"(?:\+(?P<build>[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?"
)
_DEPENDENCY = rf"\s*(?P<name>{NAME})\s*(?P<specifier>[<>=!~].*?)?\s*"


class Dependency(msgspec.Struct, frozen=True):
    """A module that must be loaded first: its ``name`` and a version range (``""``: any), as ``>=1.2,<2``."""

    name: str
    specifier: str = ""

    def __str__(self) -> str:
        return self.name + self.specifier


class Metadata(msgspec.Struct, frozen=True):
    """What a module says of itself. The first eight fields are Logos Core's, the others this project's."""

    name: str
    version: str
    description: str = ""
    author: str = ""
    type: str = "core"
    dependencies: tuple[Dependency, ...] = ()
    capabilities: tuple[str, ...] = ()
    """Names under which others may ask for this module too."""
    include: tuple[str, ...] = ()
    """Files and folders that belong to the module, relative to its folder."""
    main: str | None = None
    """``"file.py:Class"`` or ``"package.module:Class"``; None: the ``PluginInterface`` subclass of ``<name>.py``."""
    calls: tuple[str, ...] = ()
    """Modules and capabilities that it may reach without needing them loaded first."""
    concurrency: str = "single"
    max_workers: int | None = None
    """How many calls at once under ``"multi"``, where None becomes 8."""
    restart: str = "never"
    """When its process has ended by itself: ``"never"``, ``"on-failure"`` or ``"always"`` start it again."""
    restart_with_dependencies: bool = False
    """Whether it is unloaded and loaded again when a dependency of it is restarted."""
    limits: dict[str, int | float] = {}
    """What it may use of the machine, as it says itself; see :class:`logoscore.limits.Limits`."""
    interpreter: str | None = None
    codec: str = "safe"
    extra: dict[str, Any] = {}
    """The keys that this version does not know, as they were."""

    def __post_init__(self) -> None:
        if self.concurrency == "multi" and self.max_workers is None:
            msgspec.structs.force_setattr(self, "max_workers", DEFAULT_WORKERS)

    def __hash__(self) -> int:
        return hash((self.name, self.version, self.dependencies, self.capabilities, self.calls))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able data that :func:`parse_metadata` turns into an equal ``Metadata``; unknown keys included."""
        data: dict[str, Any] = {}
        for key in _CHECKS:
            value = getattr(self, key)
            if key == "dependencies":
                value = [str(dependency) for dependency in value]
            elif isinstance(value, tuple):
                value = list(value)
            if key in _SEED_KEYS or value not in (None, _DEFAULTS.get(key), [], {}):
                data[key] = plain(value)
        data.update(plain(self.extra))
        return data


def metadata_error(file: object, key: str | None, reason: str) -> MetadataError:
    """The one way in which this project words a :class:`~logoscore.errors.MetadataError`."""
    message = f"{file}: {reason}" if key is None else f"{file}: {key}: {reason}"
    return MetadataError(message, file=str(file), key=key, reason=reason)


def parse_metadata(data: bytes | Mapping[str, Any], file: str) -> Metadata:
    """Check the content of a ``metadata.json`` (or a class's ``metadata`` dict); ``file`` names it in errors.

    Raises:
        MetadataError: it is not a JSON object, or a key is missing or wrong.
    """
    try:
        content = plain(loads(data) if isinstance(data, bytes) else data)
    except WrongValueError as exc:
        raise metadata_error(file, exc.key or None, exc.reason) from exc.__cause__
    if not isinstance(content, dict):
        raise metadata_error(file, None, f"must be a JSON object, not {kind(content)}")
    values: dict[str, Any] = {}
    for key, check in _CHECKS.items():
        if key not in content:
            if key in ("name", "version"):
                raise metadata_error(file, key, "is missing")
            continue
        value = content.pop(key)
        if value is None and key in _NULLABLE:
            continue
        try:
            values[key] = check(value)
        except WrongValueError as exc:
            raise metadata_error(file, key + exc.key, exc.reason) from exc.__cause__
    return Metadata(**values, extra=content)


def known_metadata(data: Mapping[str, Any]) -> Metadata:
    """What :meth:`Metadata.to_dict` gave. Not checked again: in a host, which gets it from its core."""
    content = dict(data)
    values: dict[str, Any] = {key: content.pop(key) for key in _CHECKS if key in content}
    for key, value in values.items():
        if isinstance(value, list):
            values[key] = tuple(value)
    values["dependencies"] = tuple(map(_known_dependency, values.get("dependencies", ())))
    return Metadata(**values, extra=content)


def _known_dependency(text: str) -> Dependency:
    name = re.split("[<>=!~]", text, maxsplit=1)[0]
    return Dependency(name, text[len(name) :])


def read_metadata(path: Path) -> Metadata:
    """Read and check the ``metadata.json`` at ``path``; never hangs and never reads more than the bound.

    Raises:
        MetadataError: there is no such file, it cannot be read, it is not a regular file, too large, or wrong inside.
    """
    try:
        _require_regular(path.stat(), path)
        # Between the two looks it may have become a FIFO, which a plain open would wait on.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            _require_regular(os.fstat(descriptor), path)
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError as exc:
        raise metadata_error(path, None, "does not exist") from exc
    except OSError as exc:
        raise metadata_error(path, None, f"cannot be read: {exc.strerror or exc}") from exc
    return parse_metadata(data, str(path))


def _require_regular(status: os.stat_result, path: Path) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise metadata_error(path, None, "is a directory, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise metadata_error(path, None, "is not a regular file")
    if status.st_size > MAX_BYTES:
        raise metadata_error(path, None, too_large(status.st_size))


# --- one check per key ----------------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise WrongValueError(f"must be a string, not {kind(value)}")
    return value


def _name(value: Any) -> str:
    if not re.fullmatch(NAME, _text(value)):
        raise WrongValueError(
            f"{value[:80]!r} is not a module name: a letter or underscore, then up to 63 letters, digits, _ . -"
        )
    return str(value)


def _version(value: Any) -> str:
    if len(_text(value)) <= MAX_VERSION and (re.fullmatch(SEMVER, value) or _is_pep440(value)):
        return str(value)
    raise WrongValueError(f"{value[:80]!r} is not a version; write a semantic version, as 1.0.0")


def _is_pep440(value: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        Version(value)
    except InvalidVersion:
        return False
    return True


def _type(value: Any) -> str:
    if _text(value) != "core":
        raise WrongValueError(f"must be 'core', not {value[:80]!r}")
    return "core"


def _each(value: Any, check: Callable[[Any], Any]) -> Iterable[Any]:
    if not isinstance(value, list):
        raise WrongValueError(f"must be a list, not {kind(value)}")
    for index, each in enumerate(value):
        try:
            yield check(each)
        except WrongValueError as exc:
            raise WrongValueError(exc.reason, f"[{index}]{exc.key}") from exc.__cause__


def _dependencies(value: Any) -> tuple[Dependency, ...]:
    result: dict[str, Dependency] = {}
    for index, dependency in enumerate(_each(value, _dependency)):
        if dependency.name in result:
            raise WrongValueError(f"{dependency.name!r} is listed twice", f"[{index}]")
        result[dependency.name] = dependency
    return tuple(result.values())


def _dependency(value: Any) -> Dependency:
    match = re.fullmatch(_DEPENDENCY, _text(value)) if len(_text(value)) <= MAX_DEPENDENCY else None
    if match is None:
        raise WrongValueError(f"{value[:80]!r} is not a module name with an optional version range, as 'index>=1.2,<2'")
    specifier = match["specifier"] or ""
    if specifier:
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        try:
            SpecifierSet(specifier)
        except InvalidSpecifier as exc:
            raise WrongValueError(f"{specifier!r} is not a version range; write one as '>=1.2,<2'") from exc
    return Dependency(match["name"], specifier)


def _word(value: Any) -> str:
    if not _text(value).strip() or "\0" in value:
        raise WrongValueError("must not be empty" if not value.strip() else "must not have a NUL character")
    return str(value)


def _words(value: Any) -> tuple[str, ...]:
    return tuple(_each(value, _word))


def _inside(value: Any) -> str:
    # A backslash counts too, so that a module means the same on every system.
    parts = _word(value).replace("\\", "/").split("/")
    if parts[0] == "" or re.fullmatch(r"[A-Za-z]:", parts[0]):
        raise WrongValueError(f"{value!r} is absolute; paths are relative to the module's folder")
    if ".." in parts:
        raise WrongValueError(f"{value!r} climbs out of the module's folder")
    return str(value)


def _include(value: Any) -> tuple[str, ...]:
    return tuple(_each(value, _inside))


def _main(value: Any) -> str:
    place, colon, cls = _word(value).rpartition(":")
    dotted = all(part.isidentifier() for part in place.split("."))
    if not colon or not all(part.isidentifier() for part in cls.split(".")) or not (dotted or place.endswith(".py")):
        raise WrongValueError(f"{value!r} is neither 'file.py:Class' nor 'package.module:Class'")
    if place.endswith(".py"):
        _inside(place)
    return str(value)


def _one_of(*choices: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if _text(value) not in choices:
            raise WrongValueError(f"must be one of {', '.join(map(repr, choices))}, not {value[:80]!r}")
        return str(value)

    return check


def _workers(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        shown = value if isinstance(value, (int, float)) else kind(value)
        raise WrongValueError(f"must be a positive whole number, not {shown}")
    return value


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise WrongValueError(f"must be true or false, not {kind(value)}")
    return value


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "name": _name,
    "version": _version,
    "description": _text,
    "author": _text,
    "type": _type,
    "dependencies": _dependencies,
    "capabilities": _words,
    "include": _include,
    "main": _main,
    "calls": _words,
    "concurrency": _one_of(*CONCURRENCIES),
    "max_workers": _workers,
    "restart": _one_of(*RESTARTS),
    "restart_with_dependencies": _yes_or_no,
    "limits": check_limits,
    "interpreter": _word,
    "codec": _one_of(*CODECS),
}
_SEED_KEYS = tuple(_CHECKS)[:8]
_NULLABLE = ("main", "max_workers", "interpreter")
_DEFAULTS = dict(zip(reversed(Metadata.__struct_fields__), reversed(Metadata.__struct_defaults__), strict=False))
