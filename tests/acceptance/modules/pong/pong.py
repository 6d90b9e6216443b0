"""Calls ping, which calls back."""

from typing import Any

from logoscore import PluginInterface, invokable


class Pong(PluginInterface):
    @invokable
    def bounce(self, times: int) -> list[Any]:
        if times == 0:
            return [self.api.name]
        return [self.api.name, *self.api.get_client("ping").call("bounce", times - 1)]
