"""Depends on itself."""

from logoscore import PluginInterface, invokable


class NeedsItself(PluginInterface):
    @invokable
    def ping(self) -> str:
        return self.api.name
