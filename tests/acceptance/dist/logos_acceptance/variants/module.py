"""Values of every kind, and methods of every arity."""

from enum import Enum
from typing import Any

from logoscore import PluginInterface, invokable


class Color(Enum):
    RED = "red"
    GREEN = "green"


class Variants(PluginInterface):
    @invokable
    def echo(self, value: Any) -> Any:
        return value

    @invokable
    def type_of(self, value: Any) -> str:
        return type(value).__name__

    @invokable
    def nbytes(self, buffer: Any) -> int:
        with memoryview(buffer) as view:
            return view.nbytes

    @invokable
    def get_int(self) -> int:
        return 42

    @invokable
    def get_string(self) -> str:
        return "text"

    @invokable
    def get_dict(self) -> dict[str, Any]:
        return {"name": "logos", "values": [1, 2.5, None]}

    @invokable
    def get_list(self) -> list[Any]:
        return [1, "two", {"three": 3}]

    @invokable
    def get_bytes(self) -> bytes:
        return bytes(range(256))

    @invokable
    def get_strings(self) -> list[str]:
        return ["a", "", "\N{SNOWMAN}"]

    @invokable
    def get_none(self) -> None:
        return None

    @invokable
    def with_defaults(self, first: int, second: int = 2, third: str = "three") -> list[Any]:
        """Defaults of two kinds."""
        return [first, second, third]

    @invokable
    def with_rest(self, first: Any, *rest: Any) -> list[Any]:
        return [first, list(rest)]

    @invokable
    def take_0(self) -> list[Any]:
        return []

    @invokable
    def take_1(self, a: Any) -> list[Any]:
        return [a]

    @invokable
    def take_2(self, a: Any, b: Any) -> list[Any]:
        return [a, b]

    @invokable
    def take_3(self, a: Any, b: Any, c: Any) -> list[Any]:
        return [a, b, c]

    @invokable
    def take_4(self, a: Any, b: Any, c: Any, d: Any) -> list[Any]:
        return [a, b, c, d]

    @invokable
    def take_5(self, a: Any, b: Any, c: Any, d: Any, e: Any) -> list[Any]:
        return [a, b, c, d, e]

    @invokable
    def take_6(self, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any) -> list[Any]:
        return [a, b, c, d, e, f]

    @invokable
    def take_7(self, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any) -> list[Any]:
        return [a, b, c, d, e, f, g]

    @invokable
    def take_8(self, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any) -> list[Any]:
        return [a, b, c, d, e, f, g, h]

    @invokable
    def take_9(self, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any, i: Any) -> list[Any]:
        return [a, b, c, d, e, f, g, h, i]

    @invokable
    def take_10(self, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any, i: Any, j: Any) -> list[Any]:
        return [a, b, c, d, e, f, g, h, i, j]

    @invokable
    def take_11(self, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any, i: Any, j: Any, k: Any) -> list[Any]:
        return [a, b, c, d, e, f, g, h, i, j, k]

    @invokable
    def take_12(self, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any, i: Any, j: Any, k: Any, l: Any) -> list[Any]:
        return [a, b, c, d, e, f, g, h, i, j, k, l]
