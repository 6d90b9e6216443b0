"""Half of a cycle of dependencies."""

from logoscore import PluginInterface, invokable


class CycleA(PluginInterface):
    @invokable
    def ping(self) -> str:
        return self.api.name
