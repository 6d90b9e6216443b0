"""The bottom of the diamond."""

from logoscore import PluginInterface, invokable


class DBase(PluginInterface):
    @invokable
    def ping(self) -> str:
        return self.api.name
