"""Counts the calls that got through."""

from typing import Any

from logoscore import PluginInterface, invokable


class Vault(PluginInterface):
    def init_logos(self, api: Any) -> None:
        self.api = api
        self._touched = 0

    @invokable
    def touch(self) -> int:
        self._touched += 1
        return self._touched

    @invokable
    def count(self) -> int:
        return self._touched

    @invokable
    def revoke(self, peer: str) -> None:
        self.api.tokens.revoke(peer)

    @invokable
    def accepts(self, peer: str, token: str) -> bool:
        return self.api.tokens.check_valid(peer, token)

    @invokable
    def reach_probe(self) -> str | None:
        """Call auth_probe, and tell the token that this direction uses."""
        self.api.get_client("auth_probe").call("ping")
        return self.api.tokens.held("auth_probe")
