"""Depends on a range that index is not in."""

from logoscore import PluginInterface, invokable


class NeedsNewerIndex(PluginInterface):
    @invokable
    def ping(self) -> str:
        return self.api.name
