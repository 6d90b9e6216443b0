"""Annotated methods: what fits is converted, what does not is refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from logoscore import PluginInterface, invokable

Unsigned = Annotated[int, msgspec.Meta(ge=0)]


def _seen(value: Any) -> list[Any]:
    return [type(value).__name__, value]


class Coercion(PluginInterface):
    def init_logos(self, api: Any) -> None:
        self.api = api
        self._calls = 0

    @invokable
    def calls(self) -> int:
        """How many of the methods below ran."""
        return self._calls

    def _saw(self, value: Any) -> list[Any]:
        self._calls += 1
        return _seen(value)

    @invokable
    def take_int(self, value: int) -> list[Any]:
        return self._saw(value)

    @invokable
    def take_float(self, value: float) -> list[Any]:
        return self._saw(value)

    @invokable
    def take_unsigned(self, value: Unsigned) -> list[Any]:
        return self._saw(value)

    @invokable
    def take_bool(self, value: bool) -> list[Any]:
        return self._saw(value)

    @invokable
    def take_str(self, value: str) -> list[Any]:
        return self._saw(value)

    @invokable
    def take_list(self, values: list[str]) -> list[Any]:
        return self._saw(values)

    @invokable
    def take_dict(self, values: dict[str, int]) -> list[Any]:
        return self._saw(values)

    @invokable
    def take_optional(self, value: int | None = None) -> list[Any]:
        return self._saw(value)

    @invokable
    def take_literal(self, mode: Literal["read", "write"]) -> list[Any]:
        return self._saw(mode)

    @invokable
    def take_nested(self, rows: list[dict[str, list[int]]]) -> list[Any]:
        return self._saw(rows)

    @invokable
    def take_second(self, label: str, values: list[int]) -> list[Any]:
        return self._saw([label, values])

    @invokable
    def take_rest(self, *values: int) -> list[Any]:
        return self._saw(list(values))

    @invokable
    def give_wrong(self) -> int:
        return "not a number"  # type: ignore[return-value]  # the point of the method

    @invokable
    def give_wrong_inside(self) -> list[int]:
        return [1, 2, "three"]  # type: ignore[list-item]  # the point of the method

    @invokable
    def give_float_for_int(self) -> int:
        return 3.0  # type: ignore[return-value]  # the point of the method
