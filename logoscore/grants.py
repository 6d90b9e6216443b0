"""Who may have a channel to whom: what the capability module was granted for others. Pure; its owner locks.

Looked up at both ends, so that a party that leaves costs what it had, however many others there are.
"""

from __future__ import annotations

from logoscore.links import Party

__all__ = ["Grants"]


class Grants:
    """The grants of one core."""

    def __init__(self) -> None:
        self._callees: dict[Party, set[Party]] = {}
        self._callers: dict[Party, set[Party]] = {}

    def add(self, caller: Party, callee: Party) -> None:
        """``caller`` may reach ``callee``."""
        self._callees.setdefault(caller, set()).add(callee)
        self._callers.setdefault(callee, set()).add(caller)

    def __contains__(self, pair: tuple[Party, Party]) -> bool:
        caller, callee = pair
        return callee in self._callees.get(caller, ())

    def leave(self, party: Party) -> set[Party]:
        """Forget all that ``party`` has a part in; returns whom it could reach."""
        callees, callers = self._callees.pop(party, set()), self._callers.pop(party, set())
        for callee in callees - {party}:
            self._callers[callee].discard(party)
        for caller in callers - {party}:
            self._callees[caller].discard(party)
        return callees
