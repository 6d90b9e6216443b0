from typing import Any

from chaos.party import Victim

from logoscore import invokable


class RelayB(Victim):
    """The second of the chain; depends on the third."""

    @invokable
    async def relay(self, value: Any) -> Any:
        return (self.name, await self.api.get_client("relay_c").submit("relay", value))
