from chaos.hearing import Checker
from chaos.party import Victim

from logoscore import LogosAPI, invokable


class Listener(Victim):
    """Subscribes to the herald, and checks what it hears."""

    def init_logos(self, api: LogosAPI) -> None:
        super().init_logos(api)
        self.checker = Checker()
        api.on_event("herald", "news", self.checker.take)

    @invokable
    def heard(self) -> tuple[int, list[str]]:
        """How many events, and what was wrong with them, since this was asked last."""
        return self.checker.result()
