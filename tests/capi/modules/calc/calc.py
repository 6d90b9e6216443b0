from __future__ import annotations

import signal
from typing import Any

from logoscore import LogosResult, PluginInterface, invokable


class Calc(PluginInterface):
    @invokable
    def add(self, left: int, right: int) -> int:
        return left + right

    @invokable
    def divide(self, left: float, right: float) -> float:
        return left / right

    @invokable
    def echo(self, value: Any) -> Any:
        return value

    @invokable
    def kind(self, value: Any) -> str:
        """The value as Python shows it: how exactly it arrived."""
        return f"{type(value).__name__} {value!r}"

    @invokable
    def count(self, *values: Any) -> int:
        return len(values)

    @invokable
    def greeting(self) -> str:
        return "hello, wörld ☃"

    @invokable
    def nothing(self) -> None:
        return None

    @invokable
    def table(self) -> dict[str, Any]:
        return {"name": "calc", "list": [1, 2.5, True, None], "nested": {"ä": "ö"}}

    @invokable
    def outcome(self) -> LogosResult:
        return LogosResult(True, {"a": 1}, None)

    @invokable
    def emit(self, event: str, *data: Any) -> None:
        self.api.trigger(event, *data)

    @invokable
    def emit_odd(self) -> None:
        """An event whose data JSON has no words for."""
        self.api.trigger("odd", float("nan"), b"\0\xff", {1: "a", "1": "b"}, 'quote " and \n', 2**70, {3})

    @invokable
    def die(self) -> None:
        signal.raise_signal(signal.SIGSEGV)
