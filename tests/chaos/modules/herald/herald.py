import zlib

from chaos.party import Victim

from logoscore import invokable


class Herald(Victim):
    """Publishes; each event carries a check of what it says."""

    @invokable
    def announce(self, nonce: int, number: int) -> int:
        for each in range(number):
            text = f"{self.api.instance_id}/{nonce}/{each}"
            self.api.trigger("news", self.api.instance_id, text, zlib.crc32(text.encode()))
        return number
