"""The seed's functions, on one default Core: ``logos_core_start()`` is ``logoscore.start()``, and so on.

For programs that want the seed's shape, and for the C library. Each acts on the default Core, which ``initialize`` (or
the first function that needs it) makes and ``cleanup`` ends; after that a new one can be made.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from logoscore.core import Core

if TYPE_CHECKING:
    from logoscore.session.client import LogosAPIClient
    from logoscore.session.subscription import Subscription

_lock = threading.Lock()
_default: Core | None = None


def default_core() -> Core:
    """The default Core, made when there is none."""
    global _default
    with _lock:
        if _default is None:
            _default = Core()
        return _default


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


def get_loaded_plugins() -> list[str]:
    """See ``Core.get_loaded_plugins``."""
    return default_core().get_loaded_plugins()


def get_known_plugins() -> list[str]:
    """See ``Core.get_known_plugins``."""
    return default_core().get_known_plugins()


def load_plugin(name: str) -> LogosAPIClient:
    """See ``Core.load_plugin``."""
    return default_core().load_plugin(name)


def unload_plugin(name: str) -> None:
    """See ``Core.unload_plugin``."""
    default_core().unload_plugin(name)


def process_plugin(path: str) -> str:
    """See ``Core.process_plugin``."""
    return default_core().process_plugin(path)


def get_token(name: str) -> str:
    """See ``Core.get_token``."""
    return default_core().get_token(name)


def call_plugin_method_async(plugin: str, method: str, params: Any, callback: Callable[[int, str], Any]) -> None:
    """See ``Core.call_plugin_method_async``."""
    default_core().call_plugin_method_async(plugin, method, params, callback)


def register_event_listener(plugin: str, event: str, callback: Callable[[int, str], Any]) -> Subscription:
    """See ``Core.register_event_listener``."""
    return default_core().register_event_listener(plugin, event, callback)


def process_events() -> int:
    """See ``Core.process_events``."""
    return default_core().process_events()
