"""What the brokerage asks of the core: who is meant, who may, in which codec."""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from logoscore.errors import LogosError, ModuleNotLoadedError, PermissionDeniedError
from logoscore.metadata import BUILTIN_NAMES
from logoscore.policy import AccessRequest, Decision, decide
from logoscore.registry import KNOWN, LOADING, RESTARTING, ModuleRecord, Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from logoscore.metadata import Metadata

__all__ = ["CoreRights"]

_CORE: Final = "core"
_MOST: Final = 64  # errors of the policy that are remembered as logged


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
        self._logged: set[tuple[str, str, str]] = set()  # errors of the policy whose traceback was logged

    def resolve(self, target: str, requester: str = "") -> str:
        """The module's name for a name or a capability. Raises UnknownModuleError, to the app with a guess."""
        if target == _CORE or self._registry.find(target) is not None:
            return target
        provider = self._registry.provider_of(target)
        if provider is None:
            raise self._registry.unknown(target, guess=requester == _CORE)
        return provider

    def absent(self, name: str, requester: str) -> LogosError:
        """The error for somebody who is not there."""
        record = self._registry.find(name)
        if record is None:
            return self._registry.unknown(name, guess=requester == _CORE)
        if requester in BUILTIN_NAMES or record.state in {LOADING, RESTARTING}:
            return self._registry.not_loaded(record)
        return _not_loaded(record, requester)

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
        except Exception as exc:  # noqa: BLE001 - a policy may raise anything; it is logged, and a no
            answer = Decision(False, f"the policy raised {self._raised(exc, requester, target)}")
        answer = _understood(answer, requester, target)
        decision = decide(request) if answer is None else answer
        if not decision:
            reason = decision.reason if isinstance(decision, Decision) else "the policy said no"
            raise PermissionDeniedError(
                f"{requester} may not reach {target}: {reason}", requester=requester, target=target
            )

    def _raised(self, exc: Exception, requester: str, target: str) -> str:
        """Log what the policy raised, the same traceback once; returns what ``requester`` is told of it."""
        import logging

        from logoscore.session.wire_errors import class_name, summary

        text = summary(exc)
        error = requester, target, text
        known = error in self._logged  # a module that subscribes and calls asks twice while it is loaded
        if len(self._logged) >= _MOST:
            self._logged.clear()
        self._logged.add(error)
        logging.getLogger("logoscore").error(
            "the policy raised%s; %s may not reach %s",
            f" once more: {text}" if known else "",
            requester,
            target,
            exc_info=None if known else exc,
        )
        # The policy is the app's, and what it says of its own trouble is not for every module.
        return text if requester in BUILTIN_NAMES else f"{class_name(exc)} (the log of the app has the rest)"

    def codec(self, caller: str, callee: str) -> str:
        """cloudpickle where both sides' metadata want it (and the policy let them meet); else the safe codec."""
        sides = [self._metadata(caller), self._metadata(callee)]
        return "cloudpickle" if all(side is not None and side.codec == "cloudpickle" for side in sides) else "safe"

    def _metadata(self, name: str) -> Metadata | None:
        record = self._registry.find(name)
        return record.spec.metadata if record is not None else None


def _not_loaded(record: ModuleRecord, requester: str) -> LogosError:
    """For a module, whose author has no ``core``."""
    name = record.name
    is_not = "" if record.state == KNOWN else "is not loaded: it "
    return ModuleNotLoadedError(
        f"module {name!r} {is_not}{record.standing}; the app loads it, or {requester} lists it in 'dependencies', "
        f"so that it is loaded first; client.wait_ready() waits until it is loaded",
        module=name,
    )


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
