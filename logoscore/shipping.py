"""A class that the app defined, made ready to travel to its host by cloudpickle (from parent to child only)."""

from __future__ import annotations

import sys
from pathlib import Path

from logoscore.errors import MetadataError, SerializationError
from logoscore.interface import PluginInterface, default_name
from logoscore.metadata import parse_metadata
from logoscore.plugins.spec import ModuleSpec

__all__ = ["ship"]


def ship(cls: type[PluginInterface]) -> tuple[ModuleSpec, bytes]:
    """What to know of ``cls`` and its pickle.

    Raises:
        TypeError: it is no PluginInterface subclass.
        MetadataError: its class attributes make no metadata.
        SerializationError: it refers to something that cannot travel.
    """
    import cloudpickle

    if not issubclass(cls, PluginInterface) or cls is PluginInterface:
        raise TypeError(f"load_plugin takes a name or a subclass of PluginInterface, not {cls.__name__}")
    name = default_name(cls)
    where = f"class {cls.__module__}.{cls.__qualname__}"
    version = cls.version if isinstance(cls.version, str) else "0.0.0"
    metadata = parse_metadata({"name": name, "version": version, **cls.metadata}, where)
    if metadata.name != name:
        raise MetadataError(f"{where}: name: {metadata.name!r} is not the class's {name!r}", file=where, key="name")
    code = sys.modules.get(cls.__module__)
    by_value = code is not None and cls.__module__ != "__main__" and not _importable(cls.__module__)
    if by_value and code is not None:
        cloudpickle.register_pickle_by_value(code)
    try:
        pickled = cloudpickle.dumps(cls, protocol=5)
    except Exception as exc:
        raise SerializationError(
            f"{where} cannot be shipped to its host: {exc}", path=where, type_name=type(exc).__name__
        ) from exc
    finally:
        if by_value and code is not None:
            cloudpickle.unregister_pickle_by_value(code)
    folder = Path(getattr(code, "__file__", None) or ".").absolute().parent
    return ModuleSpec(name=name, metadata=metadata, source="class", path=folder), pickled


def _importable(module: str) -> bool:
    """Whether the host, which has the app's sys.path, can import it by name (that we have it says nothing)."""
    root = module.partition(".")[0]
    for finder in sys.meta_path:
        try:
            if finder.find_spec(root, None) is not None:
                return True
        except (ImportError, ValueError, AttributeError):
            continue
    return False
