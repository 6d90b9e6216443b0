"""What all messages of the control plane are made of, and the answers that any request may get.

The files of this package have their annotations as they are, not as texts (``from __future__``), which msgspec would have
to compile one by one at every host's start.
"""

import msgspec


class Message(msgspec.Struct, array_like=True, tag=True):
    """One message: an array that begins with the name of its class."""


class SecretMessage(Message):
    """A message that carries tokens: its repr shows none."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class WireError(msgspec.Struct, array_like=True, frozen=True):
    """An error of ``logoscore.errors``: class name, message, fields."""

    kind: str
    message: str
    fields: dict[str, str | int | None] = {}


# --- both ways ------------------------------------------------------------------------------------------------------


class Failed(Message):
    """Answer to any request that could not be met."""

    request: int
    error: WireError


class Done(Message):
    """Answer to a request that has no other; ``value`` as the request's docstring says."""

    request: int
    value: str | dict[str, int] | list[tuple[int, int, int]] | None = None
