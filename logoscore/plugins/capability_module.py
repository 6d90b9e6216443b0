"""The built-in capability module: who may reach whom. Runs in a host of its own, like any module.

    A ─ requestModule("A", "B") ─▶ here ─ policy? (the core asks its hooks) ─▶ token_AB
                                     ─ informModuleToken(token_1, "A", token_AB) ─▶ B saves it
    A ◀──────── token_AB ───────────┘

Rules: a module asks only in its own name, and its name is its channel's. Tokens are random UUIDs, a fresh one for each
request; once it is presented, those before it are void. Denials are logged with both names and without a token.
"""

from __future__ import annotations

from typing import Any

from logoscore.errors import (
    AuthenticationError,
    LogosError,
    ModuleNotLoadedError,
    PermissionDeniedError,
    UnknownModuleError,
)
from logoscore.interface import PluginInterface, invokable
from logoscore.session.api import LogosAPI
from logoscore.session.deadlines import deadline_after
from logoscore.session.execution import current_call, yield_turn
from logoscore.session.system_methods import INFORM_TOKEN
from logoscore.tokens import new_token
from logoscore.transport.messages import Authorize

__all__ = ["CapabilityModule"]


class CapabilityModule(PluginInterface):
    """Issues the tokens for calls between modules."""

    def init_logos(self, api: LogosAPI) -> None:
        self.api = api
        self._node = api._node

    @invokable
    def request_module(self, from_module_name: Any, module_name: Any) -> str:
        """Get a token with which ``from_module_name``, who must be the caller, may call ``module_name``.

        ``module_name`` may also be a capability that a module provides.
        """
        return self._request(from_module_name, module_name)

    requestModule = request_module  # the seed's name for it

    def _request(self, requester: Any, target: Any) -> str:
        caller = self.api.current_caller().name
        if requester != caller:
            raise AuthenticationError(f"{caller} may not ask for tokens in the name of {str(requester)[:64]!r}")
        if not isinstance(target, str) or not target:
            raise UnknownModuleError(f"{caller} asked for a token without saying for which module")
        name = self._authorize(caller, target)
        token = new_token()
        self._inform(name, caller, token)
        return token

    def _inform(self, name: str, caller: str, token: str) -> None:
        """Tell a module which token ``caller`` will present."""
        while True:
            own_token = self._node.tokens.held(name)
            if own_token is None:
                raise ModuleNotLoadedError(
                    f"module {name!r} has just been unloaded; client.wait_ready() waits until it is loaded again",
                    module=name,
                )
            try:
                self._node.client(name).system(INFORM_TOKEN.decode(), own_token, caller, token)
                return
            except AuthenticationError:
                if self._node.tokens.held(name) == own_token:
                    raise
                # It was reloaded just then, and has another one now.

    def _authorize(self, requester: str, target: str) -> str:
        """The name of the module that ``target`` means, if the policy allows it."""
        call = current_call.get()
        deadline = call.deadline if call is not None else deadline_after(self._node.default_timeout)
        try:
            with yield_turn():
                name: str = self._node.request(lambda number: Authorize(number, requester, target), deadline)
        except PermissionDeniedError:
            import logging

            logging.getLogger("logoscore").warning("%s was denied access to %s", requester, target)
            raise
        except LogosError:
            raise
        return name
