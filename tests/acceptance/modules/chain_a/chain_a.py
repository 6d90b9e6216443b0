"""One link of a chain of calls."""

from typing import Any

from logoscore import PluginInterface, invokable


class ChainA(PluginInterface):
    @invokable
    def walk(self, hops: list[str]) -> list[Any]:
        """My name, then the names of all that the call reached through me."""
        if not hops:
            return [self.api.name]
        return [self.api.name, *self.api.get_client(hops[0]).call("walk", hops[1:])]
