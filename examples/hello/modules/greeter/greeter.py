"""The smallest module: this file, and a metadata.json beside it."""

from logoscore import PluginInterface, invokable


class Greeter(PluginInterface):
    @invokable  # what is not marked cannot be called
    def greet(self, name: str) -> str:
        self.api.trigger("greeted", name)
        return f"Hello, {name}!"
