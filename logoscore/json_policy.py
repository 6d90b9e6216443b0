"""What the C library's apps say in JSON of who may reach whom, and over what.

Pure. A policy is ``{"version": 1, "mode": "enforce", "restrictions": {"target": {"allowedCallers": ["name", …]}}}``. Under
``enforce`` a target that is named lets in those callers, itself, and nobody else: the app too is let in only as ``core`` in
the list. What is not named follows the default policy, as does everything under another mode. Unknown keys are ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from logoscore.bounded_json import WrongValueError, kind, loads
from logoscore.metadata import BUILTIN_NAMES
from logoscore.policy import AccessRequest, Decision

__all__ = ["check_transports", "parse_policy", "refuse_all"]

_VERSION = 1
_LOCAL = "local"


def parse_policy(text: str) -> Callable[[AccessRequest], Decision | None]:
    """The policy that ``text`` says. Raises ValueError naming the key that is wrong."""
    policy = _require(_loads(text, "access policy"), dict, "the access policy")
    if policy.get("version", _VERSION) != _VERSION:
        raise ValueError(f"access policy: version: is {policy['version']!r}; known is {_VERSION}")
    allowed = {}
    for target, restriction in _require(policy.get("restrictions", {}), dict, "restrictions").items():
        callers = _require(restriction, dict, f"restrictions.{target}").get("allowedCallers", [])
        key = f"restrictions.{target}.allowedCallers"
        allowed[target] = frozenset(_require(caller, str, f"{key}[]") for caller in _require(callers, list, key))
    enforced = policy.get("mode") == "enforce"

    def decide(request: AccessRequest) -> Decision | None:
        callers = allowed.get(request.target) if enforced else None
        if callers is None or request.requester == request.target:
            return None
        if request.requester in callers:
            return Decision(True, f"the access policy lets {request.requester} in")
        return Decision(False, f"the access policy of {request.target} does not list {request.requester}")

    return decide


def refuse_all(request: AccessRequest) -> Decision | None:
    """In place of a policy that cannot be read: nobody reaches anybody but the built-in modules."""
    if request.target in BUILTIN_NAMES:
        return None
    return Decision(False, "the access policy could not be read")


def check_transports(name: str, text: str) -> None:
    """Check that the wished transports of module ``name`` are those that there are. Raises ValueError."""
    wishes = _require(_loads(text, f"transports of {name}"), list, f"transports of {name}")
    for index, wish in enumerate(wishes):
        protocol = _require(wish, dict, f"transports of {name}[{index}]").get("protocol", _LOCAL)
        if protocol != _LOCAL:
            raise ValueError(
                f"transports of {name}[{index}]: there is no {protocol!r}; the one there is, {_LOCAL!r}, is shared memory"
            )


def _loads(text: str, what: str) -> Any:
    try:
        return loads(text.encode("utf-8", "surrogateescape"))
    except WrongValueError as exc:
        raise ValueError(f"{what}: {exc.key}{' ' if exc.key else ''}{exc.reason}") from None


def _require(value: Any, expected: type, where: str) -> Any:
    if not isinstance(value, expected):
        raise ValueError(f"{where}: is {kind(value)}, not {kind(expected())}")  # noqa: TRY004 - it is their JSON
    return value
