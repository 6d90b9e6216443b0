"""Raises and returns what is hard to report."""

import threading
from typing import Any

from logoscore import PluginInterface, invokable
from logoscore.errors import UnknownModuleError


class CustomError(Exception):
    """An exception class that only this module knows."""


class BadStrError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no str for you")


class BadReprError(Exception):
    def __repr__(self) -> str:
        raise RuntimeError("no repr for you")

    __str__ = __repr__


class OutsideError(BaseException):
    """Not even an Exception."""


def _failures() -> dict[str, BaseException]:
    return {
        "value": ValueError("deliberate"),
        "custom": CustomError("deliberate"),
        "bad_str": BadStrError("deliberate"),
        "bad_repr": BadReprError("deliberate"),
        "unpicklable": CustomError(threading.Lock()),
        "base": OutsideError("deliberate"),
        "group": ExceptionGroup("deliberate", [ValueError("one"), KeyError("two")]),
        "stop": StopIteration("deliberate"),
        "logos": UnknownModuleError("deliberate", module="nobody"),
    }


class Raiser(PluginInterface):
    @invokable
    def fail(self, kind: str) -> None:
        raise _failures()[kind]

    @invokable
    def fail_with_cause(self) -> None:
        try:
            _ = {}["root of it"]
        except KeyError as error:
            raise ValueError("deliberate") from error

    @invokable
    def return_object(self) -> Any:
        return object()

    @invokable
    def return_nested_object(self) -> Any:
        return [1, {"k": object()}]

    @invokable
    def answer(self) -> int:
        return 42
