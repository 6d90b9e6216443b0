"""What the brokerage asks of the core: who is meant, who may, in which codec."""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any

from logoscore.errors import LogosError, PermissionDeniedError
from logoscore.policy import AccessRequest, Decision, decide
from logoscore.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from logoscore.metadata import Metadata

__all__ = ["CoreRights"]

_CORE = "core"


class CoreRights:
    """Answers from the registry, the hooks and the app's policy.

    Args:
        hooks: the pluggy plugin manager.
        policy: the app's, or None.
    """

    def __init__(self, registry: Registry, hooks: Any, policy: Callable[[AccessRequest], Any] | None) -> None:
        self._registry = registry
        self._hooks = hooks
        self._policy = policy

    def resolve(self, target: str, requester: str = "") -> str:
        """The module's name for a name or a capability. Raises UnknownModuleError, to the app with a guess."""
        if target == _CORE or self._registry.find(target) is not None:
            return target
        provider = self._registry.provider_of(target)
        if provider is None:
            raise self._registry.unknown(target, guess=requester == _CORE)
        return provider

    def absent(self, name: str) -> LogosError:
        """The error for somebody who is not there."""
        try:
            return self._registry.not_loaded(self._registry.get(name))
        except LogosError as error:
            return error

    def check(self, requester: str, target: str, requested: str) -> None:
        """Hooks first, then the app's policy, then the default. Raises PermissionDeniedError."""
        request = AccessRequest(
            requester=requester,
            target=target,
            requester_metadata=self._metadata(requester),
            target_metadata=self._metadata(target),
            requested=requested,
        )
        try:
            answer = self._hooks.hook.logos_check_access(request=request)
            if answer is None and self._policy is not None:
                answer = self._policy(request)
        except Exception as exc:
            import logging

            logging.getLogger("logoscore").exception("the policy raised; %s may not reach %s", requester, target)
            answer = Decision(False, f"the policy raised {type(exc).__name__}")
        answer = _understood(answer, requester, target)
        decision = decide(request) if answer is None else answer
        if not decision:
            reason = decision.reason if isinstance(decision, Decision) else "the policy said no"
            raise PermissionDeniedError(
                f"{requester} may not reach {target}: {reason}", requester=requester, target=target
            )

    def codec(self, caller: str, callee: str) -> str:
        """cloudpickle where both sides' metadata want it (and the policy let them meet); else the safe codec."""
        sides = [self._metadata(caller), self._metadata(callee)]
        return "cloudpickle" if all(side is not None and side.codec == "cloudpickle" for side in sides) else "safe"

    def _metadata(self, name: str) -> Metadata | None:
        record = self._registry.find(name)
        return record.spec.metadata if record is not None else None


def _understood(answer: Any, requester: str, target: str) -> bool | Decision | None:
    """A policy's answer; whatever else is none is a no. Not whatever is true: a coroutine is, for one."""
    if answer is None or isinstance(answer, (bool, Decision)):
        return answer
    import logging

    if isinstance(answer, CoroutineType):
        answer.close()  # else it says later, at some other place, that nobody has awaited it
    reason = f"the policy answered with a {type(answer).__name__}, which is neither bool nor Decision nor None"
    logging.getLogger("logoscore").error("%s; %s may not reach %s", reason, requester, target)
    return Decision(False, reason)
