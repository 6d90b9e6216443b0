"""The right side of the diamond."""

from logoscore import PluginInterface, invokable


class DRight(PluginInterface):
    @invokable
    def ping(self) -> str:
        return self.api.name
