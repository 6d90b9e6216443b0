"""From what discovery found to a module's instance. Runs in the host only: here the module's code is imported.

Every load waits for what is imported here, so there is no ``pathlib`` and no ``inspect``.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import Final

from logoscore.errors import ModuleLoadError
from logoscore.interface import PluginInterface
from logoscore.metadata import Metadata
from logoscore.transport.messages import Bootstrap

__all__ = ["create_module"]

_PACKAGE: Final = "logos_modules"
"""Files of a plugins directory are imported as ``logos_modules.<name>.<file>``, whatever else has their name."""


def create_module(bootstrap: Bootstrap, metadata: Metadata) -> PluginInterface:
    """Import the module's code, find its class, and make the one instance.

    Raises:
        ModuleLoadError: there is no class, more than one, or a wrong one.
        BaseException: whatever the module's code raises.
    """
    cls = _find_class(bootstrap)
    instance = _instance(cls)
    if not isinstance(instance, PluginInterface):
        raise ModuleLoadError(
            f"{cls.__name__}() gives a {type(instance).__name__}, which is no PluginInterface",
            module=bootstrap.name,
        )
    # A module may have methods of these names, as the seed's have.
    if not callable(getattr(cls, "name", None)):
        instance.name = metadata.name
    if not callable(getattr(cls, "version", None)):
        instance.version = metadata.version
    return instance


def _instance(cls: type[PluginInterface]) -> PluginInterface:
    try:
        return cls()
    except TypeError as exc:
        trace = exc.__traceback__
        if (trace is not None and trace.tb_next is not None) or getattr(cls, "__abstractmethods__", None):
            raise  # it is not about arguments; or code of the class has raised it, which has them
        raise TypeError(f"{exc}; a module's instance is made without arguments") from exc


def _find_class(bootstrap: Bootstrap) -> type[PluginInterface]:
    if bootstrap.source == "class":
        import cloudpickle

        return _checked(cloudpickle.loads(bootstrap.pickled), bootstrap.name)
    where, _, class_name = bootstrap.main.partition(":")
    if bootstrap.source == "directory":
        folder = bootstrap.path
        if not where or where.endswith(".py"):
            code = _import_file(bootstrap.name, folder, os.path.join(folder, where or f"{bootstrap.name}.py"))  # noqa: PTH118
        else:
            sys.path.insert(0, folder)
            code = importlib.import_module(where)
    else:
        code = importlib.import_module(where)
    if class_name:
        found = code
        for part in class_name.split("."):
            found = getattr(found, part, None)  # type: ignore[assignment]  # checked below
        if found is None:
            raise _no_class(bootstrap, code, class_name)
        return _checked(found, bootstrap.name)
    return _only_class(code, bootstrap.name)


def _no_class(bootstrap: Bootstrap, code: ModuleType, class_name: str) -> ModuleLoadError:
    """The error for a class that is not there: who has named it, and which one he may have meant."""
    from logoscore.near import nearest

    who = "key 'main' of its metadata"
    if bootstrap.source == "distribution":
        from importlib.metadata import entry_points

        from logoscore.plugins.discovery import GROUP

        points = [each for each in entry_points(group=GROUP) if each.name == bootstrap.name and each.dist]
        owner = f" of {points[0].dist.name}" if points and points[0].dist is not None else ""
        who = f"entry point {bootstrap.name}{owner}"
    meant = nearest(class_name, (name for name, value in vars(code).items() if isinstance(value, type)))
    guess = f"; did you mean {meant!r}?" if meant is not None else ""
    return ModuleLoadError(
        f"{bootstrap.main.partition(':')[0]} has no class {class_name!r}, which the {who} names{guess}",
        module=bootstrap.name,
    )


def _import_file(name: str, folder: str, file: str) -> ModuleType:
    """Import one file of a module's folder, as part of a package whose path is that folder (relative imports work)."""
    package = f"{_PACKAGE}.{name.replace('.', '_').replace('-', '_')}"
    for parent, path in ((_PACKAGE, []), (package, [folder])):
        if parent not in sys.modules:
            module = ModuleType(parent)
            module.__path__ = path
            sys.modules[parent] = module
    # A module's folder is also where its own top-level imports look first, as a script's folder is.
    sys.path.insert(0, folder)
    stem = os.path.splitext(os.path.basename(file))[0]  # noqa: PTH119, PTH122 - see the head of this file
    full_name = f"{package}.{stem}"
    spec = importlib.util.spec_from_file_location(full_name, file)
    if spec is None or spec.loader is None:
        raise ModuleLoadError(f"{file} is no Python file", module=name)
    code = importlib.util.module_from_spec(spec)
    sys.modules[full_name] = code
    spec.loader.exec_module(code)
    return code


def _only_class(code: ModuleType, name: str) -> type[PluginInterface]:
    classes = [
        value
        for value in vars(code).values()
        if isinstance(value, type)
        and issubclass(value, PluginInterface)
        and value is not PluginInterface
        and value.__module__ == code.__name__
    ]
    if len(classes) != 1:
        found = ", ".join(sorted(cls.__name__ for cls in classes)) or "none"
        advice = "Name the right one with the metadata key 'main'" if classes else "Derive the module's class from it"
        raise ModuleLoadError(
            f"{code.__file__} must define one PluginInterface subclass; found: {found}. {advice}",
            module=name,
        )
    return classes[0]


def _checked(found: object, name: str) -> type[PluginInterface]:
    if not (isinstance(found, type) and issubclass(found, PluginInterface)):
        raise ModuleLoadError(f"{getattr(found, '__name__', found)!r} is no subclass of PluginInterface", module=name)
    return found
