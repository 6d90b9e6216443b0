"""Publishes whatever it is asked to."""

import threading
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from logoscore import PluginInterface, invokable

PAYLOADS: dict[str, Any] = {
    "none": None,
    "bool": True,
    "int": -7,
    "big_int": 2**200,
    "float": 1.5,
    "str": "grüße \N{SNOWMAN}",
    "bytes": bytes(range(256)),
    "list": [1, "two", [3.0]],
    "tuple": (1, ("two",)),
    "dict": {"k": {1: [None]}},
    "set": {1, 2, 3},
    "datetime": datetime(2024, 2, 29, 12, 30, tzinfo=UTC),
    "decimal": Decimal("1.10"),
    "uuid": UUID(int=5),
}


class Events(PluginInterface):
    def init_logos(self, api: Any) -> None:
        self.api = api
        api.trigger("ready", "from init_logos")

    @invokable
    def emit(self, event: str, *data: Any) -> None:
        self.api.trigger(event, *data)

    @invokable
    def emit_n(self, event: str, count: int) -> int:
        for number in range(count):
            self.api.trigger(event, number)
        return count

    @invokable
    def emit_payload(self, kind: str) -> None:
        self.api.trigger("payload", PAYLOADS[kind])

    @invokable
    def flood(self, event: str, count: int) -> int:
        """Trigger ``count`` numbered events, then one ``flood_done``."""
        self.emit_n(event, count)
        self.api.trigger("flood_done", count)
        return count

    @invokable
    def emit_from_threads(self, event: str, threads: int, each: int) -> None:
        """Trigger from several threads of this process at once."""

        def work(worker: int) -> None:
            for number in range(each):
                self.api.trigger(event, worker, number)

        workers = [threading.Thread(target=work, args=(worker,)) for worker in range(threads)]
        for thread in workers:
            thread.start()
        for thread in workers:
            thread.join()
