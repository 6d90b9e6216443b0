"""Has a version for others to ask for."""

from logoscore import PluginInterface, invokable


class Index(PluginInterface):
    @invokable
    def ping(self) -> str:
        return self.api.name
