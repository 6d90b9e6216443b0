"""Numbers at their edges."""

import math
from typing import Any

from logoscore import PluginInterface, invokable

EDGES: dict[str, Any] = {
    "int64_min": -(2**63),
    "int64_max": 2**63 - 1,
    "float_gap": 2**53 + 1,
    "uint64_max": 2**64 - 1,
    "huge": 2**200,
    "negative_huge": -(2**200),
    "infinity": math.inf,
    "negative_infinity": -math.inf,
    "nan": math.nan,
    "negative_zero": -0.0,
}


class Numbers(PluginInterface):
    @invokable
    def echo(self, value: Any) -> Any:
        return value

    @invokable
    def echo_int(self, value: int) -> int:
        return value

    @invokable
    def echo_float(self, value: float) -> float:
        return value

    @invokable
    def make(self, which: str) -> Any:
        return EDGES[which]

    @invokable
    def as_text(self, value: Any) -> str:
        return repr(value)

    @invokable
    def kinds(self, values: Any) -> list[str]:
        """The type of each value as this side sees it."""
        return [type(value).__name__ for value in values]
