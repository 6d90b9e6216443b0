from typing import Any

from chaos.party import Spoiler

from logoscore import invokable


class Vandal(Spoiler):
    """Calls, publishes, and spoils its own channels."""

    @invokable
    def pass_on(self, value: Any) -> Any:
        self.api.trigger("passed", value)
        return self.api.get_client("echo").call("echo", value)
