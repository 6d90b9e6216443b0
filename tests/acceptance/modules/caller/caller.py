"""Calls test_basic from every place that a module's code can be at."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from logoscore import PluginInterface, invokable


class Caller(PluginInterface):
    def init_logos(self, api: Any) -> None:
        self.api = api
        self._basic = api.get_client("test_basic")
        self._from_init = self._basic.call("add_ints", 3, 4)
        self._chain_from_init = api.get_client("chain_d").call("walk", ["chain_e"])
        self._lock = threading.Lock()
        self._from_callback: list[Any] = []
        self._from_own_thread: list[Any] = []
        self._subscription = api.on_event("events", "tick", self._on_tick)
        self._thread = threading.Thread(target=self._own_thread, daemon=True)
        self._thread.start()

    def _on_tick(self, event: Any) -> None:
        answer = self._basic.call("add_ints", event.data[0], 100)
        with self._lock:
            self._from_callback.append(answer)

    def _own_thread(self) -> None:
        self._from_own_thread.append(self._basic.call("concat", "from ", "a thread"))

    @invokable
    def call_basic(self, method: str, args: list[Any]) -> Any:
        return self._basic.call(method, *args)

    @invokable
    def from_init(self) -> list[Any]:
        return [self._from_init, self._chain_from_init]

    @invokable
    def from_own_thread(self) -> list[Any]:
        """What the thread that init_logos started got."""
        self._thread.join()
        return self._from_own_thread

    @invokable
    def from_callback(self) -> list[Any]:
        with self._lock:
            return list(self._from_callback)

    @invokable
    def from_threads(self, count: int) -> list[Any]:
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(lambda number: self._basic.call("add_ints", number, number), range(count)))

    @invokable
    def call_myself(self, depth: int) -> list[Any]:
        """A to A: each level is a call of its own through the module's own name."""
        if depth == 0:
            return [self.api.current_caller().name]
        return [self.api.current_caller().name, *self.api.get_client("caller").call("call_myself", depth - 1)]
