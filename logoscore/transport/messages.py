"""The words of the control plane: what the core says to a party, and what a party says to the core.

A *party* is whoever has a name: a module in its host, and in the app's process ``core`` and ``core_manager``. Parties in
the app's process get the very same messages, without a pipe between.

Rules: every message is a typed structure, checked when it is decoded; what does not fit is a ProtocolViolationError of
the host that sent it. What a host may say has no field of any type: keys are texts, because numbers that collide as keys
would keep the core busy for minutes. ``request`` numbers are chosen by the asking side; the answer carries them back.
"""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

from logoscore.errors import ProtocolViolationError

CALLS: Final = "calls"
"""Purpose of a link: two rings, requests from caller to callee and replies back."""
EVENTS: Final = "events"
"""Purpose of a link: one ring, from publisher (the callee) to subscriber (the caller)."""

PROTOCOL_VERSION: Final = 2

MAX_STATE: Final = 16 << 20
"""Bytes of the largest state that a module may hand over at a reload."""

CODEC_IDS: Final = {"safe": 0, "cloudpickle": 1}
"""Names of codecs, as in metadata, and their numbers in a frame."""


class _Message(msgspec.Struct, array_like=True, tag=True):
    pass


class _SecretMessage(_Message):
    """A message that carries tokens: its repr shows none."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class WireError(msgspec.Struct, array_like=True, frozen=True):
    """An error of ``logoscore.errors``: class name, message, fields."""

    kind: str
    message: str
    fields: dict[str, str | int | None] = {}


class LinkInfo(msgspec.Struct, array_like=True, frozen=True):
    """One channel as a party gets it. The memory's descriptor travels beside the message."""

    link: int
    peer: str
    """The name of the party at the other end: the caller's identity, for the callee."""
    purpose: str
    capacities: tuple[int, ...]
    semaphores: tuple[str, ...]
    codec: str = "safe"
    filter: tuple[str, ...] | None = None
    """For the publisher's end of an events link: which events the subscriber wants; None: all."""
    places: int = 0
    """How many pieces of memory can be lent in each direction; 0: everything goes through the rings."""


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


class Bootstrap(_SecretMessage):
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
    limits: dict[str, int | float] = {}
    changes: Changes | None = None  # for a warm host
    buffer_memory: int = 0  # bytes that it may lend, over all its channels


class Start(_Message):
    """Load the module's code and initialise it: everything that had to be in place before is."""


class Opened(_Message):
    """Answer to OpenLink. Comes with the memory's descriptor."""

    request: int
    link: LinkInfo


class Attach(_Message):
    """A link that this party did not ask for: it is the callee, or the core re-armed its subscription."""

    link: LinkInfo
    publishes: bool


class Failed(_Message):
    """Answer to any request that could not be met."""

    request: int
    error: WireError


class Done(_Message):
    """Answer to a request that has no other; ``value`` as the request's docstring says."""

    request: int
    value: str | dict[str, int] | list[tuple[int, int, int]] | None = None


class CloseLink(_Message):
    """The other end is gone or no longer entitled, or (``by_peer``) has given this end up."""

    link: int
    error: WireError
    by_peer: bool = False
    publisher: str | None = None
    """Of an events link that the subscriber has not got yet, and will not get: whose events it cannot hear."""


class Lost(_Message):
    """``publisher``, to whose events this party has subscribed, has crashed, and is not restarted (any more)."""

    publisher: str
    error: WireError


class SetFilter(_Message):
    """The subscriber of an events link wants other events now. Answered with Done."""

    request: int
    link: int
    names: tuple[str, ...] | None


class Plant(_SecretMessage):
    """Tokens between this party and ``peer`` that come from the core itself. Answered with Done."""

    request: int
    peer: str
    incoming: str
    outgoing: str


class Forget(_Message):
    """``peer`` is gone: its tokens are worth nothing any more. Answered with Done."""

    request: int
    peer: str


class _Buffer(_Message):
    """About one piece of memory that large buffers are lent in, between the ends of ``link``.

    ``back``: it goes with the ring from callee to caller. ``piece``: the writer's number of it, never used again.
    """

    link: int
    back: bool
    piece: int


class BufferMemory(_Buffer):
    """Answer to MakeBuffer, for the writer: here it is, with its descriptor. Answered with BufferMade."""


class TakeBuffer(_Buffer):
    """For the reader: this piece, with its descriptor, will be written to. Answered with BufferTaken."""

    size: int


class BufferReady(_Buffer):
    """For the writer: the reader has it, too; or (not ``usable``) it cannot be had."""

    usable: bool


class BufferDropped(_Buffer):
    """For the reader: the writer does not use it any more."""


class CancelCall(_Message):
    """The caller gave the call up."""

    link: int
    call: int


class Query(_Message):
    """Ask a host about itself. Answered with Done.

    ``"stats"`` → {"calls": int, "events": int}; ``"busy"`` → see ``Node.busy``.
    """

    request: int
    what: str


class Unload(_Message):
    """End: finish what runs within ``grace`` seconds, then exit.

    ``save``: send what ``save_state`` gives first, with StateSaved, or stay, after StateRefused.
    """

    grace: float
    save: bool = False


ToParty = (
    Bootstrap
    | Start
    | Opened
    | Attach
    | Failed
    | Done
    | CloseLink
    | Lost
    | SetFilter
    | Plant
    | Forget
    | BufferMemory
    | TakeBuffer
    | BufferReady
    | BufferDropped
    | CancelCall
    | Query
    | Unload
)

# --- party → core ---------------------------------------------------------------------------------------------------


class Hello(_Message):
    """A host is up and understands this protocol."""

    pid: int
    version: int


class Ready(_Message):
    """``init_logos`` has finished."""


class LoadFailed(_Message):
    """The module's code raised while it was loaded or initialised."""

    type_name: str
    message: str
    traceback: str


class StateSaved(_Message):
    """What ``save_state`` returned, encoded; None: the module has none, or its calls did not end."""

    state: bytes | None


class StateRefused(_Message):
    """``save_state`` raised: the module stays."""

    error: WireError


class HookFailed(_Message):
    """``about_to_unload`` raised; the host ends all the same."""

    error: WireError


class OpenLink(_Message):
    """Ask for a calls link to ``target``. Answered with Opened or Failed."""

    request: int
    target: str


class Attached(_Message):
    """The party has opened memory and semaphores of this link."""

    link: int


class LinkFailed(_Message):
    """This link is of no use: it could not be opened, or the other end does not keep to the protocol."""

    link: int
    error: WireError


class Watch(_Message):
    """The whole of what this party now wants to hear of ``target``: event names, None for all, () for nothing.

    Answered with Done when the publisher's filter is in place.
    """

    request: int
    target: str
    names: tuple[str, ...] | None


class Resolve(_Message):
    """Ask which module ``target``, a name or a capability, means. Answered with Done (value: the name) or Failed."""

    request: int
    target: str


class Authorize(_Message):
    """The capability module asks for the policy's decision. Answered with Done (value: the target's name) or Failed."""

    request: int
    requester: str
    target: str


class MakeBuffer(_Buffer):
    """The writer wants a piece of ``size`` bytes. Answered with BufferMemory, or BufferReady (not usable)."""

    size: int


class BufferMade(_Buffer):
    """The writer has mapped it and reserved its pages."""


class BufferTaken(_Buffer):
    """The reader has mapped it, or (not ``usable``) could not."""

    usable: bool


class DropBuffer(_Buffer):
    """The writer does not use it any more."""


FromParty = (
    Hello
    | Ready
    | LoadFailed
    | StateSaved
    | StateRefused
    | HookFailed
    | OpenLink
    | Attached
    | LinkFailed
    | Watch
    | Resolve
    | Authorize
    | MakeBuffer
    | BufferMade
    | BufferTaken
    | DropBuffer
    | CancelCall
    | Done
    | Failed
)

_encoder = msgspec.msgpack.Encoder()
_to_party: msgspec.msgpack.Decoder[ToParty] = msgspec.msgpack.Decoder(ToParty)
_from_party: msgspec.msgpack.Decoder[FromParty] = msgspec.msgpack.Decoder(FromParty)

encode = _encoder.encode


def decode_to_party(data: bytes) -> ToParty:
    """What the core sent. Raises ProtocolViolationError."""
    return cast("ToParty", _decode(_to_party, data))


def decode_from_party(data: bytes) -> FromParty:
    """What a host sent. Raises ProtocolViolationError."""
    return cast("FromParty", _decode(_from_party, data))


def _decode(decoder: msgspec.msgpack.Decoder[Any], data: bytes) -> Any:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise ProtocolViolationError(f"a control message cannot be read: {exc}") from None
