"""logoscore: process-isolated modules, authenticated calls and events over shared-memory rings.

import logoscore

with logoscore.Core(plugins_dir="modules") as core:
    chat = core.load_plugin("chat")
    chat.call("say", "#lobby", "hello")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from logoscore import errors
from logoscore.errors import *  # noqa: F403
from logoscore.errors import __all__ as _errors_all
from logoscore.interface import Event, LogosResult, MethodInfo, ParameterInfo, PluginInterface, invokable

if TYPE_CHECKING:
    from logoscore.core import Core
    from logoscore.functions import (
        add_plugins_dir,
        call_plugin_method_async,
        cleanup,
        exec,  # noqa: A004 - the seed's name
        get_known_plugins,
        get_loaded_plugins,
        get_token,
        initialize,
        load_plugin,
        process_events,
        process_plugin,
        quit,  # noqa: A004 - likewise
        register_event_listener,
        set_plugins_dir,
        start,
        unload_plugin,
    )
    from logoscore.metadata import Metadata
    from logoscore.plugins.hookspecs import hookimpl
    from logoscore.policy import AccessRequest, Decision
    from logoscore.registry import PluginInfo
    from logoscore.session.api import LogosAPI
    from logoscore.session.call import Call
    from logoscore.session.client import LogosAPIClient
    from logoscore.session.execution import Caller
    from logoscore.session.provider import LogosAPIProvider, ModuleProxy
    from logoscore.session.streams import Stream
    from logoscore.session.subscription import Subscription
    from logoscore.tokens import TokenManager
    from logoscore.transport.records import Record, register

# Where each public name lives. Imported when first used: a module's host needs few of them, and its start is counted.
_HOMES = {
    "Core": "core",
    "Metadata": "metadata",
    "hookimpl": "plugins.hookspecs",
    "AccessRequest": "policy",
    "Decision": "policy",
    "PluginInfo": "registry",
    "LogosAPI": "session.api",
    "Call": "session.call",
    "LogosAPIClient": "session.client",
    "Caller": "session.execution",
    "LogosAPIProvider": "session.provider",
    "ModuleProxy": "session.provider",
    "Stream": "session.streams",
    "Subscription": "session.subscription",
    "TokenManager": "tokens",
    "Record": "transport.records",
    "register": "transport.records",
} | dict.fromkeys(
    (
        "add_plugins_dir", "call_plugin_method_async", "cleanup", "exec", "get_known_plugins", "get_loaded_plugins",
        "get_token", "initialize", "load_plugin", "process_events", "process_plugin", "quit",
        "register_event_listener", "set_plugins_dir", "start", "unload_plugin",
    ),
    "functions",
)  # fmt: skip

__all__ = [
    "Event", "LogosResult", "MethodInfo", "ParameterInfo", "PluginInterface", "errors", "invokable",
    *_HOMES, *_errors_all,
]  # fmt: skip

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'logoscore' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"logoscore.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
