"""Calls pong, which calls back."""

from typing import Any

from logoscore import PluginInterface, invokable


class Ping(PluginInterface):
    @invokable
    def bounce(self, times: int) -> list[Any]:
        if times == 0:
            return [self.api.name]
        return [self.api.name, *self.api.get_client("pong").call("bounce", times - 1)]
