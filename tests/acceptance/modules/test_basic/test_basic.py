"""The plain calls that every runtime must get right."""

from typing import Any

from logoscore import PluginInterface, invokable


class Basic(PluginInterface):
    limit = 3

    @invokable
    def do_nothing(self) -> None:
        """Return nothing."""

    @invokable
    def do_nothing_with_args(self, first: Any, second: Any, third: Any) -> None:
        """Take three arguments and return nothing."""

    @invokable
    def return_true(self) -> bool:
        return True

    @invokable
    def return_false(self) -> bool:
        return False

    @invokable
    def is_positive(self, number: int) -> bool:
        return number > 0

    @invokable
    def return_int(self) -> int:
        return 42

    @invokable
    def add_ints(self, a: int, b: int) -> int:
        """Add two integers."""
        return a + b

    @invokable
    def string_length(self, text: str) -> int:
        return len(text)

    @invokable
    def return_string(self) -> str:
        return self.api.name

    @invokable
    def echo(self, value: Any) -> Any:
        return value

    @invokable
    def concat(self, a: str, b: str) -> str:
        return a + b

    @invokable
    def caller_name(self) -> str:
        return self.api.current_caller().name

    def helper(self) -> str:
        """Not marked, so not for others."""
        return "unmarked"

    def _secret(self) -> str:
        return "private"
