"""The built-in core manager: the core's functions as a module, under Logos Core's names and in snake_case.

It lives in the app's process, beside the core that it manages, and is reached through channels like any module.
"""

from __future__ import annotations

from typing import Any, Protocol

from logoscore.errors import PermissionDeniedError
from logoscore.interface import MethodInfo, PluginInterface, invokable
from logoscore.locks import Thread
from logoscore.plugins.discovery import process_path
from logoscore.session.execution import current_caller

__all__ = ["CoreManager", "ManagedCore"]


class ManagedCore(Protocol):
    """What the core manager needs of the core."""

    registry: Any
    """``logoscore.registry.Registry``, which is above this floor: its ``lock`` and ``get``."""

    def set_plugins_dir(self, path: str) -> None: ...
    def start(self) -> None: ...
    def cleanup(self) -> None: ...
    def get_loaded_plugins(self) -> list[str]: ...
    def get_known_plugins(self) -> list[str]: ...
    def load(self, name: str) -> None: ...
    def unload_plugin(self, name: str) -> None: ...
    def reload(self, name: str) -> None: ...
    def process_plugin(self, path: str) -> str: ...
    def get_plugin_methods(self, name: str) -> list[MethodInfo]: ...
    def get_module_stats(self) -> list[dict[str, Any]]: ...


class CoreManager(PluginInterface):
    """Manages the core from modules and from the app."""

    def __init__(self, core: ManagedCore) -> None:
        self._core = core

    @invokable
    def initialize(self, argc: int = 0, argv: list[str] | None = None) -> bool:  # noqa: ARG002 - the seed's signature
        """Prepare the module. The core that it manages is prepared already; always True."""
        return True

    @invokable
    def set_plugins_directory(self, directory: str) -> bool:
        """Set the plugins directory. The core runs, so this is a StateError, as for ``Core.set_plugins_dir``."""
        self._core.set_plugins_dir(directory)
        return True

    @invokable
    def start(self) -> bool:
        """Start the core; it runs, so nothing happens. True."""
        self._core.start()
        return True

    @invokable
    def cleanup(self) -> bool:
        """End the core and every module. Returns at once; the end comes right after."""
        # Not daemon: an app whose main thread has ended must not cut the clean-up short.
        Thread(target=self._core.cleanup, name="logos-cleanup", daemon=False).start()
        return True

    @invokable
    def get_loaded_plugins(self) -> list[str]:
        """Names of the loaded modules, sorted."""
        return self._core.get_loaded_plugins()

    @invokable
    def get_known_plugins(self) -> list[str]:
        """Names of all known modules, sorted."""
        return self._core.get_known_plugins()

    @invokable
    def load_plugin(self, name: str) -> bool:
        """Load a module and what it depends on; True, or the error of ``Core.load_plugin``."""
        self._core.load(name)
        return True

    @invokable
    def unload_plugin(self, name: str) -> bool:
        """Unload a module, its dependents first; True, or the error of ``Core.unload_plugin``."""
        self._core.unload_plugin(name)
        return True

    @invokable
    def reload_plugin(self, name: str) -> bool:
        """Unload and load a module; True, or the error of ``Core.reload_plugin``."""
        self._core.reload(name)
        return True

    @invokable
    def process_plugin(self, path: str) -> str:
        """Read the metadata of the module at ``path`` and make it known; returns its name.

        Raises:
            PermissionDeniedError: a module of that name is known from another place, and it is not the app that asks:
                whoever replaces a module gets its rights, and what others tell it.
        """
        caller = current_caller().name
        if caller == "core":
            return self._core.process_plugin(path)
        spec = process_path(path)  # (its name is its folder's: it is no other when the core reads it again)
        with self._core.registry.lock:
            known = self._known_path(spec.name)
            if known is not None and known != spec.path:
                raise PermissionDeniedError(
                    f"{caller} may not replace the module {spec.name!r} of {known} by that of {spec.path}",
                    requester=caller,
                    target=spec.name,
                )
            return self._core.process_plugin(path)

    def _known_path(self, name: str) -> Any:
        record = self._core.registry.find(name)
        return record.spec.path if record is not None else None

    @invokable
    def get_plugin_methods(self, name: str) -> list[MethodInfo]:
        """The invokable methods of a loaded module."""
        return self._core.get_plugin_methods(name)

    @invokable
    def get_module_stats(self) -> list[dict[str, Any]]:
        """What each loaded module uses: see ``Core.get_module_stats``."""
        return self._core.get_module_stats()

    # The seed's names for the same.
    setPluginsDirectory = set_plugins_directory
    getLoadedPlugins = get_loaded_plugins
    getKnownPlugins = get_known_plugins
    loadPlugin = load_plugin
    unloadPlugin = unload_plugin
    reloadPlugin = reload_plugin
    processPlugin = process_plugin
    getPluginMethods = get_plugin_methods
    getModuleStats = get_module_stats
