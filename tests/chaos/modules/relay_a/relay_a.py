from typing import Any

from chaos.party import Victim

from logoscore import invokable


class RelayA(Victim):
    """The first of the chain; needs nobody until it is called."""

    @invokable
    def relay(self, value: Any) -> Any:
        return (self.name, self.api.get_client("relay_b").call("relay", value))
