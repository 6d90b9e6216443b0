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

if TYPE_CHECKING:  # "X as X": type checkers see it as exported
    from logoscore.core import Core as Core
    from logoscore.functions import add_plugins_dir as add_plugins_dir
    from logoscore.functions import call_plugin_method_async as call_plugin_method_async
    from logoscore.functions import cleanup as cleanup
    from logoscore.functions import exec as exec
    from logoscore.functions import get_client as get_client
    from logoscore.functions import get_known_plugins as get_known_plugins
    from logoscore.functions import get_loaded_plugins as get_loaded_plugins
    from logoscore.functions import get_module_stats as get_module_stats
    from logoscore.functions import get_plugin_info as get_plugin_info
    from logoscore.functions import get_plugin_methods as get_plugin_methods
    from logoscore.functions import get_token as get_token
    from logoscore.functions import initialize as initialize
    from logoscore.functions import load_plugin as load_plugin
    from logoscore.functions import process_events as process_events
    from logoscore.functions import process_plugin as process_plugin
    from logoscore.functions import quit as quit
    from logoscore.functions import refresh_plugins as refresh_plugins
    from logoscore.functions import register_event_listener as register_event_listener
    from logoscore.functions import reload_plugin as reload_plugin
    from logoscore.functions import set_plugins_dir as set_plugins_dir
    from logoscore.functions import start as start
    from logoscore.functions import unload_plugin as unload_plugin
    from logoscore.interface import Event as Event
    from logoscore.interface import LogosResult as LogosResult
    from logoscore.interface import MethodInfo as MethodInfo
    from logoscore.interface import ParameterInfo as ParameterInfo
    from logoscore.interface import PluginInterface as PluginInterface
    from logoscore.interface import invokable as invokable
    from logoscore.metadata import Metadata as Metadata
    from logoscore.plugins.hookspecs import hookimpl as hookimpl
    from logoscore.policy import AccessRequest as AccessRequest
    from logoscore.policy import Decision as Decision
    from logoscore.registry import PluginInfo as PluginInfo
    from logoscore.session.api import LogosAPI as LogosAPI
    from logoscore.session.call import Call as Call
    from logoscore.session.client import LogosAPIClient as LogosAPIClient
    from logoscore.session.execution import Caller as Caller
    from logoscore.session.module_proxy import ModuleProxy as ModuleProxy
    from logoscore.session.provider import LogosAPIProvider as LogosAPIProvider
    from logoscore.session.streams import Stream as Stream
    from logoscore.session.subscription import Subscription as Subscription
    from logoscore.tokens import TokenManager as TokenManager
    from logoscore.transport.codec.records import Record as Record
    from logoscore.transport.codec.records import register as register

# Where each public name lives. Imported when first used: a module's host needs few of them, and its start is counted.
_HOMES = {
    "Core": "core",
    "Event": "interface",
    "LogosResult": "interface",
    "MethodInfo": "interface",
    "ParameterInfo": "interface",
    "PluginInterface": "interface",
    "invokable": "interface",
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
    "ModuleProxy": "session.module_proxy",
    "Stream": "session.streams",
    "Subscription": "session.subscription",
    "TokenManager": "tokens",
    "Record": "transport.codec.records",
    "register": "transport.codec.records",
} | dict.fromkeys(
    (
        "add_plugins_dir", "call_plugin_method_async", "cleanup", "exec", "get_client", "get_known_plugins",
        "get_loaded_plugins", "get_module_stats", "get_plugin_info", "get_plugin_methods", "get_token", "initialize",
        "load_plugin", "process_events", "process_plugin", "quit", "refresh_plugins", "register_event_listener",
        "reload_plugin", "set_plugins_dir", "start", "unload_plugin",
    ),
    "functions",
)  # fmt: skip

__all__ = [
    "errors",
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
