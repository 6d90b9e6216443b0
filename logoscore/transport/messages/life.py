"""A host from its first word to its last.

    core   Bootstrap, Start ─▶           Query ─▶        Unload ─▶
    host             Hello ─▶ Ready ─▶            Done ─▶          StateSaved ─▶ HookFailed ─▶ exit
                              LoadFailed ─▶                        StateRefused ─▶ and on it goes

``HookFailed`` and ``StateSaved`` come where there is something to say.
"""

from typing import Any, Final

import msgspec

from logoscore.transport.messages.base import Message, SecretMessage, WireError

PROTOCOL_VERSION: Final = 4

MAX_STATE: Final = 16 << 20
"""Bytes of the largest state that a module may hand over at a reload."""


# --- core → party ---------------------------------------------------------------------------------------------------


class Changes(msgspec.Struct, array_like=True, frozen=True):
    """What is different now from when a warm host was started; a fresh one would have it so."""

    set: dict[bytes, bytes]
    """Of the environment."""
    unset: tuple[bytes, ...]
    path: tuple[bytes, ...]
    """``sys.path``, all of it."""
    directory: bytes

    def __repr__(self) -> str:
        return "<Changes>"  # an environment may hold secrets


class Bootstrap(SecretMessage):
    """The first message to a host: who it is and what it loads."""

    name: str
    instance: str
    token: str
    metadata: dict[str, Any]
    source: str  # "directory", "distribution", "builtin", "class"
    path: str
    main: str
    pickled: bytes  # for "class"
    include: tuple[str, ...]
    persistence_path: str | None
    default_timeout: float
    spin_microseconds: int
    state: bytes | None = None  # what the instance before it saved, encoded by itself; nobody else reads it
    limits: dict[str, int | float] = {}  # noqa: RUF012 - msgspec gives each its own
    changes: Changes | None = None  # for a warm host
    buffer_memory: int = 0  # bytes that it may lend, over all its channels


class Start(Message):
    """Load the module's code and initialise it: everything that had to be in place before is."""


class Query(Message):
    """Ask a host about itself. Answered with Done.

    ``"stats"`` → {"calls": int, "events": int}; ``"busy"`` → see ``Node.busy``.
    """

    request: int
    what: str


class Unload(Message):
    """End: finish what runs within ``grace`` seconds, then exit.

    ``save``: send what ``save_state`` gives first, with StateSaved, or stay, after StateRefused.
    """

    grace: float
    save: bool = False


# --- party → core ---------------------------------------------------------------------------------------------------


class Hello(Message):
    """A host is up and understands this protocol."""

    pid: int
    version: int
    in_memory: bool = False
    """Whether it can use semaphores in a channel's memory. No code of the module has run yet, so this is the host's word."""


class Ready(Message):
    """``init_logos`` has finished."""


class LoadFailed(Message):
    """The module's code raised while it was loaded or initialised."""

    type_name: str
    message: str
    traceback: str


class StateSaved(Message):
    """What ``save_state`` returned, encoded; None: the module has none, or its calls did not end."""

    state: bytes | None


class StateRefused(Message):
    """``save_state`` raised: the module stays."""

    error: WireError


class HookFailed(Message):
    """``about_to_unload`` raised; the host ends all the same."""

    error: WireError
