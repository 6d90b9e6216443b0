"""One method as a host serves it: arguments through the codec, bound, checked and converted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from logoscore.errors import InvalidArgumentsError
from logoscore.session.signature import Method
from logoscore.transport.codec import SAFE


def bound(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What ``function`` returns for arguments that came over a channel."""
    method = Method("mod", "method", function)
    head, buffers = SAFE.encode_arguments(args, kwargs)
    there, named = method.arguments(SAFE, memoryview(head), buffers, bool(kwargs))
    return function(*there, **named)


def refused(function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """The message with which the arguments are refused."""
    with pytest.raises(InvalidArgumentsError) as caught:
        bound(function, *args, **kwargs)
    assert (caught.value.module, caught.value.method) == ("mod", "method")
    message = str(caught.value)
    assert message.startswith("mod.method(): ")
    return message.removeprefix("mod.method(): ")


def taking(hint: Any) -> Callable[[Any], Any]:
    """A function with one parameter of that annotation, which it returns."""

    def function(value: Any) -> Any:
        return value

    function.__annotations__ = {"value": hint}
    return function
