"""Depends on what nobody has."""

from logoscore import PluginInterface, invokable


class NeedsMissing(PluginInterface):
    @invokable
    def ping(self) -> str:
        return self.api.name
