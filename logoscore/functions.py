"""The seed's functions, on one default Core: ``logos_core_start()`` is ``logoscore.start()``, and so on.

For programs that want Logos Core's shape, and for the C library, each of whose functions calls one of these. Each acts on
the default Core, which ``initialize`` (or the first function that needs it) makes and ``cleanup`` ends; after that a new
one can be made.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from logoscore.core import Core
from logoscore.errors import UnknownModuleError
from logoscore.session import api as session_api

if TYPE_CHECKING:
    from logoscore.interface import MethodInfo
    from logoscore.registry import PluginInfo
    from logoscore.session.client import LogosAPIClient
    from logoscore.session.subscription import Subscription

Callback = Callable[[int, str], Any]

_lock = threading.Lock()
_default: Core | None = None


def default_core() -> Core:
    """The default Core, made when there is none."""
    global _default
    with _lock:
        if _default is None:
            _default = Core()
        return _default


session_api.default_api = lambda: default_core().api


def initialize(plugins_dir: str | None = None) -> None:
    """Make the default Core, optionally with a plugins directory. Idempotent until ``cleanup``."""
    core = default_core()
    if plugins_dir is not None:
        core.set_plugins_dir(plugins_dir)


def set_plugins_dir(path: str) -> None:
    """See ``Core.set_plugins_dir``."""
    default_core().set_plugins_dir(path)


def add_plugins_dir(path: str) -> None:
    """See ``Core.add_plugins_dir``."""
    default_core().add_plugins_dir(path)


def set_persistence_dir(path: str) -> None:
    """See ``Core.set_persistence_dir``."""
    default_core().set_persistence_dir(path)


def set_access_policy(policy: str | None) -> None:
    """Say in JSON who may reach whom; see ``logoscore.json_policy``. None or ``""``: the default policy.

    Raises:
        ValueError: it cannot be read. Until it is replaced, nobody may reach anybody but the built-in modules.
        StateError: after ``start()``.
    """
    from logoscore.json_policy import parse_policy, refuse_all

    core = default_core()
    try:
        core.set_policy(parse_policy(policy) if policy else None)
    except ValueError:
        core.set_policy(refuse_all)
        raise


def set_module_transports(name: str, transports: str | None) -> None:
    """Say in JSON over what a module may be reached: ``[{"protocol": "local"}]``, the one transport that there is.

    None or ``""``: no wish, which means the same.

    Raises:
        ValueError: it cannot be read, or wants another transport.
    """
    from logoscore.json_policy import check_transports

    if transports:
        check_transports(name, transports)


def start() -> None:
    """See ``Core.start``."""
    default_core().start()


def exec() -> int:  # noqa: A001 - the seed's name
    """See ``Core.exec``."""
    return default_core().exec()


def quit(code: int = 0) -> None:  # noqa: A001 - the seed's name
    """See ``Core.quit``."""
    default_core().quit(code)


def cleanup() -> None:
    """End the default Core; the next function makes a new one. See ``Core.cleanup``."""
    global _default
    with _lock:
        core, _default = _default, None
    if core is not None:
        core.cleanup()


def refresh_plugins() -> list[str]:
    """See ``Core.refresh_plugins``."""
    return default_core().refresh_plugins()


def get_loaded_plugins() -> list[str]:
    """See ``Core.get_loaded_plugins``."""
    return default_core().get_loaded_plugins()


def get_known_plugins() -> list[str]:
    """See ``Core.get_known_plugins``."""
    return default_core().get_known_plugins()


def load_plugin(name: str, with_dependencies: bool = True) -> LogosAPIClient:
    """See ``Core.load_plugin``."""
    return default_core().load_plugin(name, with_dependencies=with_dependencies)


def load_plugin_async(name: str, callback: Callback) -> None:
    """``load_plugin`` on a thread of its own; ``callback(1 or 0, text)`` later, inside ``process_events`` or ``exec``."""
    default_core().load_plugin_async(name, callback)


def unload_plugin(name: str, with_dependents: bool = True) -> None:
    """See ``Core.unload_plugin``."""
    default_core().unload_plugin(name, with_dependents=with_dependents)


def reload_plugin(name: str) -> None:
    """See ``Core.reload_plugin``."""
    default_core().reload_plugin(name)


def process_plugin(path: str) -> str:
    """See ``Core.process_plugin``."""
    return default_core().process_plugin(path)


def get_plugin_dependencies(name: str, recursive: bool = False) -> list[str]:
    """The modules that ``name`` depends on, sorted: what it lists, or with ``recursive`` all of theirs too.

    Of an unknown module: none.
    """
    return _closure(name, _dependency_graph(), recursive)


def get_plugin_dependents(name: str, recursive: bool = False) -> list[str]:
    """The known modules that depend on ``name``, loaded or not, sorted; with ``recursive`` theirs too."""
    graph: dict[str, list[str]] = {}
    for module, dependencies in _dependency_graph().items():
        for dependency in dependencies:
            graph.setdefault(dependency, []).append(module)
    return _closure(name, graph, recursive)


def _dependency_graph() -> dict[str, list[str]]:
    return {info.name: info.dependencies for info in _infos()}


def _infos() -> list[PluginInfo]:
    core = default_core()
    infos = []
    for name in core.get_known_plugins():
        try:
            infos.append(core.get_plugin_info(name))
        except UnknownModuleError:
            pass  # forgotten meanwhile
    return infos


def _closure(name: str, graph: dict[str, list[str]], recursive: bool) -> list[str]:
    found: set[str] = set()
    pending = [name]
    while pending:
        new = set(graph.get(pending.pop(), ())) - found
        found |= new
        pending += new if recursive else ()
    return sorted(found - {name})


def get_plugins_info() -> list[dict[str, Any]]:
    """Of each known module ``name path loaded loaded_at dependencies dependents metadata state pid``, JSON-able.

    ``loaded_at``: seconds since the epoch, 0 while it is not loaded. ``dependents``: the known ones, loaded or not.
    """
    infos = _infos()
    return [
        {
            "name": info.name,
            "path": str(info.path),
            "loaded": info.state == "loaded",
            "loaded_at": int(info.loaded_at or 0) if info.state == "loaded" else 0,
            "dependencies": info.dependencies,
            "dependents": sorted(other.name for other in infos if info.name in other.dependencies),
            "metadata": info.metadata.to_dict(),
            "state": info.state,
            "pid": info.pid,
        }
        for info in infos
    ]


def get_plugin_info(name: str) -> PluginInfo:
    """See ``Core.get_plugin_info``."""
    return default_core().get_plugin_info(name)


def get_plugin_methods(name: str) -> list[MethodInfo]:
    """See ``Core.get_plugin_methods``."""
    return default_core().get_plugin_methods(name)


def get_client(name: str) -> LogosAPIClient:
    """See ``Core.get_client``."""
    return default_core().get_client(name)


def get_module_stats() -> list[dict[str, Any]]:
    """See ``Core.get_module_stats``."""
    return default_core().get_module_stats()


def get_token(name: str) -> str:
    """See ``Core.get_token``."""
    return default_core().get_token(name)


def call_plugin_method_async(plugin: str, method: str, params: Any, callback: Callback) -> None:
    """See ``Core.call_plugin_method_async``."""
    default_core().call_plugin_method_async(plugin, method, params, callback)


def async_operation(data: str | None, callback: Callback) -> None:
    """The seed's example of a callback: it is told ``data`` again, inside ``process_events`` or ``exec``."""
    default_core().async_operation(data, callback)


def register_event_listener(plugin: str, event: str, callback: Callback) -> Subscription:
    """See ``Core.register_event_listener``."""
    return default_core().register_event_listener(plugin, event, callback)


def clear_event_listeners() -> None:
    """Cancel every listener of :func:`register_event_listener`."""
    default_core().clear_event_listeners()


def process_events() -> int:
    """See ``Core.process_events``."""
    return default_core().process_events()
