"""What is called: one typed method."""

from logoscore import PluginInterface, invokable


class Adder(PluginInterface):
    @invokable
    def add(self, left: int, right: int) -> int:
        return left + right
