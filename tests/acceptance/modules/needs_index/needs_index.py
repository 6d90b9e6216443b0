"""Depends on a range that index is in."""

from logoscore import PluginInterface, invokable


class NeedsIndex(PluginInterface):
    @invokable
    def ping(self) -> str:
        return self.api.name
