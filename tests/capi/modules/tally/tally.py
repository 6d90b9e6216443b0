from __future__ import annotations

from logoscore import PluginInterface, invokable


class Tally(PluginInterface):
    @invokable
    def total(self, *values: int) -> int:
        calc = self.api.get_client("calc")
        total = 0
        for value in values:
            total = calc.call("add", total, value)
        return total
