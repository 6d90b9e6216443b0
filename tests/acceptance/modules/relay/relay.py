"""Calls whom it is told to, so that a test can look at the world from inside a module."""

from typing import Any

from logoscore import PluginInterface, invokable


class Relay(PluginInterface):
    @invokable
    def call(self, target: str, method: str, args: list[Any]) -> Any:
        return self.api.get_client(target).call(method, *args)

    @invokable
    def call_within(self, target: str, method: str, args: list[Any], timeout: float) -> Any:
        return self.api.get_client(target).call(method, *args, timeout=timeout)
