"""The left side of the diamond."""

from logoscore import PluginInterface, invokable


class DLeft(PluginInterface):
    @invokable
    def ping(self) -> str:
        return self.api.name
