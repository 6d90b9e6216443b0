"""Core: the app's runtime. Modules are discovered, loaded, brokered to each other, and ended.

    Core (what the app holds) ─▶ Runtime (what the threads hold) ─▶ Registry     who is known, in which state
                                                                 ├▶ Brokerage    tokens, channels, subscriptions
                                                                 ├▶ SupervisedHost × n
                                                                 └▶ Node "core", Node "core_manager"

The split lets a Core that nobody holds any more be collected, and end its Runtime on the way.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from logoscore.interface import MethodInfo, PluginInterface
from logoscore.limit_rules import app_limits
from logoscore.metadata import BUILTIN_NAMES
from logoscore.plugins.spec import DiscoveryFailure
from logoscore.policy import AccessRequest, Decision
from logoscore.registry import PluginInfo
from logoscore.runtime import Runtime
from logoscore.session.api import LogosAPI
from logoscore.session.client import LogosAPIClient
from logoscore.session.subscription import Subscription
from logoscore.settings import RestartLimits, Settings, default_buffer_memory
from logoscore.transport.spin import DEFAULT_SPIN_MICROSECONDS

__all__ = ["Core"]

Policy = Callable[[AccessRequest], "bool | Decision | None"]
PathLike = str | os.PathLike[str]


_LONGEST = 1e8
"""Seconds; infinity means this long, since nothing waits for ever (some three years, and the system's limits are near)."""


class Core:
    """The runtime that an app embeds. Thread-safe. Nothing happens until :meth:`start` or ``with``.

    Args:
        plugins_dir: a directory of module folders, or several.
        entry_points: whether modules of installed distributions are known too.
        persistence_dir: where modules and the app may keep files, each in a folder of its own; None: nowhere.
        policy: who may reach whom: ``policy(request) -> bool | Decision | None`` with ``request.requester`` and
            ``request.target``; None, and a policy that returns None, mean the default policy.
        default_timeout: seconds for calls that do not say.
        load_timeout: seconds within which a module must be up.
        unload_timeout: seconds that a module has to end when asked, and again after SIGTERM, before SIGKILL.
        spin_microseconds: how long a waiting thread looks before it sleeps; 0: never.
        restart_intensity, restart_period: a module whose metadata asks for restarts is given up after so many of them
            within so many seconds.
        restart_backoff: seconds before the second restart in a row; doubles up to 10.
        limits: what modules may use of the machine, over what their metadata says: a mapping of module name, or
            ``"*"`` for every module, to limits, as ``{"chat": {"cpu_time": 10}, "*": {"core_size": 0}}``. The keys are
            those of the metadata key ``limits`` (see ``docs/modules.md``).
        warm_hosts: how many hosts are kept started ahead, so that a load does not wait for an interpreter to start:
            milliseconds instead of tens of them, for some 10 MB of memory each. Replaced in the background.
        buffer_memory: bytes of shared memory that one party (a module, or the app) may hold to send large buffers in, and
            use again; None: a quarter of the machine's memory, at most 4 GiB; 0: large buffers go through the rings.
            It is made when it is needed and given back when it has not been used for some seconds.
        plugins: objects with pluggy hook implementations (see ``logoscore.plugins.hookspecs``).

    Raises:
        TypeError, ValueError: a setting is not what it should be.
    """

    def __init__(
        self,
        plugins_dir: PathLike | Iterable[PathLike] | None = None,
        *,
        entry_points: bool = True,
        persistence_dir: PathLike | None = None,
        policy: Policy | None = None,
        default_timeout: float = 20.0,
        load_timeout: float = 30.0,
        unload_timeout: float = 3.0,
        spin_microseconds: int = DEFAULT_SPIN_MICROSECONDS,
        limits: Mapping[str, Mapping[str, int | float]] | None = None,
        plugins: Iterable[object] = (),
        restart_intensity: int = 5,
        restart_period: float = 60.0,
        restart_backoff: float = 0.1,
        warm_hosts: int = 0,
        buffer_memory: int | None = None,
    ) -> None:
        _check_policy(policy)
        for name, value in (
            ("default_timeout", default_timeout), ("load_timeout", load_timeout), ("unload_timeout", unload_timeout),
            ("restart_period", restart_period), ("restart_backoff", restart_backoff),
        ):  # fmt: skip
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
                raise ValueError(f"{name} is a positive number of seconds, not {value!r}")
        for name, number in (
            ("restart_intensity", restart_intensity), ("warm_hosts", warm_hosts), ("spin_microseconds", spin_microseconds),
        ):  # fmt: skip
            if isinstance(number, bool) or not isinstance(number, int) or number < 0:
                raise ValueError(f"{name} is a whole number of at least 0, not {number!r}")
        if buffer_memory is None:
            buffer_memory = default_buffer_memory()
        if isinstance(buffer_memory, bool) or not isinstance(buffer_memory, int) or buffer_memory < 0:
            raise ValueError(f"buffer_memory is a number of bytes of at least 0, or None, not {buffer_memory!r}")
        self._runtime = Runtime(
            Settings(
                plugins_dirs=[Path(path) for path in _several(plugins_dir)],
                entry_points=entry_points,
                persistence_dir=Path(persistence_dir).absolute() if persistence_dir is not None else None,
                policy=policy,
                default_timeout=float(default_timeout),
                load_timeout=min(float(load_timeout), _LONGEST),
                unload_timeout=min(float(unload_timeout), _LONGEST),
                spin_microseconds=spin_microseconds,
                plugins=tuple(plugins),
                restarts=RestartLimits(restart_intensity, float(restart_period), float(restart_backoff)),
                warm_hosts=warm_hosts,
                limits=app_limits(limits, BUILTIN_NAMES),
                buffer_memory=buffer_memory,
            )
        )
        # Also runs at interpreter exit, before the modules that we need are torn down.
        self._finalizer = weakref.finalize(self, self._runtime.cleanup_collected)

    # --- life -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Scan for modules and start the built-in ones. Idempotent.

        Raises:
            StateError: after :meth:`cleanup`, or in a forked child.
            ModuleLoadError: the capability module did not come up.
        """
        self._runtime.start()

    def cleanup(self) -> None:
        """Unload everything, reap every process, free everything. Idempotent; the Core cannot be started again."""
        self._runtime.cleanup()

    def __enter__(self) -> Core:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.cleanup()

    # --- modules ----------------------------------------------------------------------------------------------------

    def set_plugins_dir(self, path: PathLike | Iterable[PathLike]) -> None:
        """Say where modules are; replaces earlier ones. Raises StateError after ``start()``."""
        self._runtime.set_plugins_dirs([Path(item) for item in _several(path)])

    def add_plugins_dir(self, path: PathLike) -> None:
        """Add a directory of modules. After ``start()`` its modules become known with :meth:`refresh_plugins`."""
        self._runtime.add_plugins_dir(Path(path))

    def set_persistence_dir(self, path: PathLike | None) -> None:
        """Say where modules may keep files; None: nowhere. Raises StateError after ``start()``."""
        self._runtime.set_persistence_dir(Path(path).absolute() if path is not None else None)

    def set_policy(self, policy: Policy | None) -> None:
        """Say who may reach whom, as the argument ``policy`` does. Raises TypeError; StateError after ``start()``."""
        _check_policy(policy)
        self._runtime.set_policy(policy)

    def refresh_plugins(self) -> list[str]:
        """Scan again: new modules become known, vanished ones that are not loaded are forgotten. Returns all names."""
        self._runtime.refresh()
        return self.get_known_plugins()

    def get_discovery_failures(self) -> list[DiscoveryFailure]:
        """What the last scan could not make known, each with ``name``, ``path`` and ``error``."""
        return self._runtime.failures()

    def get_known_plugins(self) -> list[str]:
        """Names of all known modules, sorted; the built-in ones are among them once started."""
        return self._runtime.get_known_plugins()

    def get_loaded_plugins(self) -> list[str]:
        """Names of the loaded modules, sorted; the built-in ones are among them once started."""
        return self._runtime.get_loaded_plugins()

    def process_plugin(self, path: PathLike) -> str:
        """Read the metadata of the module at ``path`` (its folder) and make it known; loads nothing. Returns its name.

        Raises:
            MetadataError: it is malformed.
        """
        return self._runtime.process_plugin(os.fspath(path))

    def load_plugin(self, name: str | type[PluginInterface], *, with_dependencies: bool = True) -> LogosAPIClient:
        """Load a module; returns its client when its ``init_logos`` has finished. Loaded already: just the client.

        Args:
            name: a known module's name, or a ``PluginInterface`` subclass of the app's own.
            with_dependencies: load what it depends on first, side by side where possible; otherwise that must be
                loaded already.

        Raises:
            UnknownModuleError: there is none of that name.
            MetadataError: there is one, and it is malformed.
            DependencyError: a dependency is missing, circular, or of the wrong version.
            ModuleLoadError: it, or a dependency, did not come up. What this call had loaded is unloaded again.
        """
        name = self._name(name, "load_plugin")
        self._runtime.load(name, with_dependencies=with_dependencies)
        return self.get_client(name)

    def load_plugins(
        self, names: Iterable[str | type[PluginInterface]], *, with_dependencies: bool = True
    ) -> list[LogosAPIClient]:
        """Load many modules at once, side by side where none needs the other; returns their clients in the same order.

        All of them or none: if one does not come up, what this call had loaded is unloaded again.

        Args:
            names: as for :meth:`load_plugin`; in any order.
            with_dependencies: load what they depend on too; otherwise that must be among them, or loaded already.

        Raises: as :meth:`load_plugin`, what went wrong first.
        """
        if isinstance(names, (str, type)):
            raise TypeError("load_plugins takes several names or classes; load_plugin takes one")
        wanted = [self._name(each, "load_plugins") for each in names]
        self._runtime.load_all(wanted, with_dependencies=with_dependencies)
        return [self.get_client(each) for each in wanted]

    def _name(self, module: str | type[PluginInterface], method: str) -> str:
        if isinstance(module, type):
            return self._runtime.add_class(module)
        if not isinstance(module, str):
            raise TypeError(f"{method} takes names and PluginInterface subclasses, not {type(module).__name__}")
        return module

    def unload_plugin(self, name: str, *, with_dependents: bool = True) -> None:
        """End a module's process, those of its dependents first.

        Raises:
            UnknownModuleError, ModuleNotLoadedError: there is nothing to unload.
            DependencyError: something loaded depends on it, and ``with_dependents`` is false.
            StateError: it is built in.
        """
        self._runtime.unload_plugin(name, with_dependents=with_dependents)

    def reload_plugin(self, name: str) -> LogosAPIClient:
        """Unload and load it again, with its dependents. Clients and subscriptions held by others go on working.

        Raises: as :meth:`unload_plugin` and :meth:`load_plugin`.
        """
        self._runtime.reload(name)
        return self.get_client(name)

    # --- introspection ----------------------------------------------------------------------------------------------

    def get_plugin_methods(self, name: str) -> list[MethodInfo]:
        """The invokable methods of a loaded module. Raises UnknownModuleError, ModuleNotLoadedError."""
        return self._runtime.get_plugin_methods(name)

    def get_plugin_info(self, name: str) -> PluginInfo:
        """All that is known of a module. Raises UnknownModuleError."""
        return self._runtime.registry.info(name)

    def get_module_stats(self) -> list[dict[str, Any]]:
        """Per loaded module: ``name cpu_percent cpu_time_seconds memory_mb calls events uptime_seconds``."""
        return self._runtime.get_module_stats()

    def get_token(self, name: str) -> str:
        """The auth token of a loaded module: a secret. Raises UnknownModuleError, ModuleNotLoadedError."""
        return self._runtime.get_token(name)

    # --- the app as a party -----------------------------------------------------------------------------------------

    @property
    def api(self) -> LogosAPI:
        """The app's own LogosAPI, named ``core``. Raises StateError before ``start()``."""
        return self._runtime.api

    def get_client(self, name: str) -> LogosAPIClient:
        """Shorthand for ``core.api.get_client(name)``."""
        return self.api.get_client(name)

    def call_plugin_method_async(
        self, plugin: str, method: str, params: Any, callback: Callable[[int, str], Any]
    ) -> None:
        """The seed's experimental call: ``callback(result, message)`` later, inside :meth:`process_events`/:meth:`exec`.

        Args:
            params: a list of values, or JSON: ``[{"name": …, "value": "…", "type": "int"}, …]`` or an array of values.
            callback: gets 1 and ``"Method call successful. Result: …"``, or 0 and what went wrong. Exactly once.
        """
        self._runtime.callbacks.call(plugin, method, params, callback)

    def register_event_listener(self, plugin: str, event: str, callback: Callable[[int, str], Any]) -> Subscription:
        """The seed's experimental listener: ``callback(1, '{"event": …, "data": […]}')`` inside :meth:`process_events`."""
        return self._runtime.callbacks.listen(plugin, event, callback)

    def clear_event_listeners(self) -> None:
        """Cancel every listener of :meth:`register_event_listener`."""
        self._runtime.callbacks.clear_listeners()

    def load_plugin_async(self, name: str, callback: Callable[[int, str], Any]) -> None:
        """The seed's experimental load: ``callback(1 or 0, text)`` later, inside :meth:`process_events`/:meth:`exec`."""
        self._runtime.load_async(name, callback)

    def async_operation(self, data: str | None, callback: Callable[[int, str], Any]) -> None:
        """The seed's example of a callback: it is told ``data`` again, inside :meth:`process_events`."""
        self._runtime.callbacks.echo(data, callback)

    def process_events(self) -> int:
        """Run the callbacks that are due, on this thread, without waiting; returns how many ran."""
        return self._runtime.callbacks.process_events()

    def exec(self) -> int:
        """Run callbacks as they become due, until :meth:`quit` or :meth:`cleanup`; returns the exit code given there."""
        return self._runtime.callbacks.exec()

    def quit(self, code: int = 0) -> None:
        """Make :meth:`exec` return. From any thread or callback."""
        self._runtime.callbacks.quit(code)

    def __repr__(self) -> str:
        return f"<Core {self._runtime.state}: {len(self.get_loaded_plugins())} modules loaded>"


def _check_policy(policy: object) -> None:
    if policy is not None and not callable(policy):
        raise TypeError(f"policy is a callable or None, not {type(policy).__name__}")


def _several(paths: PathLike | Iterable[PathLike] | None) -> list[PathLike]:
    if paths is None:
        return []
    if isinstance(paths, (str, os.PathLike)):
        return [paths]
    return list(paths)
