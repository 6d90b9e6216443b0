"""Who may reach whom: the default answer. Apps replace it (``Core(policy=…)``), plugins overrule it with a hook.

Pure. The channel says who asks; nothing in here trusts a name that came in a message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from logoscore.metadata import BUILTIN_NAMES

if TYPE_CHECKING:
    from logoscore.metadata import Metadata

__all__ = ["AccessRequest", "Decision", "decide", "default_policy"]


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """``requester`` wants a token for ``target``. Without metadata a module has listed and provides nothing."""

    requester: str
    target: str
    requester_metadata: Metadata | None = None
    target_metadata: Metadata | None = None
    requested: str = ""
    """The name that was asked for: the target's, or a capability that was resolved to it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A policy's answer with its reason, for the log and the error. True in a condition if it allows."""

    allowed: bool
    reason: str

    # Without this a denial would be true, and the shortest way to use a hook's answer would let everybody in.
    def __bool__(self) -> bool:
        return self.allowed


def default_policy(request: AccessRequest) -> bool:
    """A module may reach itself, what it lists in ``dependencies`` or ``calls``, and the built-ins; the app everything.

    What it lists may be a module's name or a capability that the target provides. No entry is a wildcard.
    """
    return decide(request).allowed


def decide(request: AccessRequest) -> Decision:
    """What :func:`default_policy` answers, with the reason."""
    requester, target = request.requester, request.target
    if requester in BUILTIN_NAMES:
        return Decision(True, f"{requester} may reach every module")
    if requester == target:
        return Decision(True, f"{requester} may reach itself")
    if target in BUILTIN_NAMES:
        return Decision(True, f"every module may reach {target}")
    listed: set[str] = set()
    if request.requester_metadata is not None:
        listed.update(dependency.name for dependency in request.requester_metadata.dependencies)
        listed.update(request.requester_metadata.calls)
    if target in listed:
        return Decision(True, f"{requester} lists {target}")
    capabilities = request.target_metadata.capabilities if request.target_metadata is not None else ()
    for capability in capabilities:
        if capability in listed:
            return Decision(True, f"{requester} lists the capability {capability!r}, which {target} provides")
    asked = "" if request.requested in ("", target) else f" (asked for as {request.requested!r})"
    return Decision(
        False,
        f"{requester} lists neither {target}{asked} nor a capability of it in its 'dependencies' or 'calls'",
    )
