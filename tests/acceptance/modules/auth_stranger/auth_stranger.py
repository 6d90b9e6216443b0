"""May reach nobody but the built-ins."""

from typing import Any

from logoscore import PluginInterface, invokable


class Stranger(PluginInterface):
    @invokable
    def ping(self) -> str:
        return "pong"

    @invokable
    def attempt(self, target: str, method: str, args: list[Any]) -> Any:
        return self.api.get_client(target).call(method, *args)

    @invokable
    def touch(self) -> int:
        return self.api.get_client("auth_vault").call("touch")

    @invokable
    def touch_with(self, token: str) -> int:
        """Present ``token`` to the vault instead of the one that was granted."""
        self.api.tokens.hold("auth_vault", token)
        return self.api.get_client("auth_vault").call("touch")

    @invokable
    def held(self, target: str) -> str | None:
        """Tell my own token, as only a module that misbehaves would."""
        return self.api.tokens.held(target)

    @invokable
    def forget(self, target: str) -> None:
        self.api.tokens.remove(target)

    @invokable
    def describe_tokens(self) -> str:
        return repr(self.api.tokens) + repr(self.api) + repr(self.api.get_client("auth_vault"))
