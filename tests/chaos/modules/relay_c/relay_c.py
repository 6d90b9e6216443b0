from typing import Any

from chaos.party import Victim

from logoscore import invokable


class RelayC(Victim):
    """The last of the chain."""

    @invokable
    def relay(self, value: Any) -> Any:
        return (self.name, value)
