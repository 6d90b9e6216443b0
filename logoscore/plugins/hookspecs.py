"""The hooks that an app's or a distribution's pluggy plugins may implement, in the app's process.

A plugin is any object with functions marked :data:`hookimpl`::

    from logoscore.plugins.hookspecs import hookimpl

    class OnlyAtNight:
        @hookimpl
        def logos_check_access(self, request):
            return None if is_night() else Decision(False, "come back later")
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from pathlib import Path

    from logoscore.plugins.spec import DiscoveryFailure, ModuleSpec
    from logoscore.policy import AccessRequest, Decision

__all__ = ["PROJECT", "hookimpl", "hookspec", "logos_check_access", "logos_discover_modules"]

PROJECT = "logoscore"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def logos_discover_modules(
    plugins_dirs: tuple[Path, ...], entry_points: bool
) -> Iterable[ModuleSpec | DiscoveryFailure]:
    """Find modules, without importing or executing any of their code.

    Called at ``start()`` and at each ``refresh_plugins()``. What the plugins directories and the installed
    distributions hold is found already; return what only you know of. May be a generator. What it raises is reported
    as one failure and costs nobody else's modules.

    Args:
        plugins_dirs: the app's plugins directories, absolute, in search order.
        entry_points: whether the app wants the modules of installed distributions.

    Returns:
        A ``ModuleSpec`` per module that can be loaded, a ``DiscoveryFailure`` per module that is there but wrong. A
        name that was found before stays with whom it was found first.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def logos_check_access(request: AccessRequest) -> bool | Decision | None:
    """Decide whether ``request.requester`` may get a token for ``request.target``.

    Called in the capability module's place of decision each time a token is asked for; the first answer that is not
    None counts. Return None to leave it to the next plugin, and at last to the app's policy.
    """
    raise NotImplementedError
