"""The top of the diamond."""

from logoscore import PluginInterface, invokable


class DTop(PluginInterface):
    @invokable
    def ping(self) -> str:
        return self.api.name
