"""The other half of a cycle of dependencies."""

from logoscore import PluginInterface, invokable


class CycleB(PluginInterface):
    @invokable
    def ping(self) -> str:
        return self.api.name
