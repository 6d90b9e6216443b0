"""Channels between two parties, which are links to the core: who may have one, how both ends get it, how it ends.

    calls      caller      Resolve, OpenLink ─▶ core ─▶ Opened    callee     ◀─ Attach ─ core ◀─ Attached
    events     subscriber              Watch ─▶ core ─▶ Attach    publisher  ◀─ Attach, SetFilter ─ core
    the end    either               LinkFailed ─▶ core ─▶ CloseLink    the other

The capability module asks for the policy's word with Authorize. Tokens travel in calls to it, but for its own: Plant.
"""

from typing import Final

import msgspec

from logoscore.transport.messages.base import Message, SecretMessage, WireError

CALLS: Final = "calls"
"""Purpose of a link: two rings, requests from caller to callee and replies back."""
EVENTS: Final = "events"
"""Purpose of a link: one ring, from publisher (the callee) to subscriber (the caller)."""

CODEC_IDS: Final = {"safe": 0, "cloudpickle": 1}
"""Names of codecs, as in metadata, and their numbers in a frame."""


class LinkInfo(msgspec.Struct, array_like=True, frozen=True):
    """One channel as a party gets it. The memory's descriptor travels beside the message."""

    link: int
    peer: str
    """The name of the party at the other end: the caller's identity, for the callee."""
    purpose: str
    capacities: tuple[int, ...]
    semaphores: tuple[str, ...]
    """Their names; none: they are in the memory."""
    codec: str = "safe"
    filter: tuple[str, ...] | None = None
    """For the publisher's end of an events link: which events the subscriber wants; None: all."""
    places: int = 0
    """How many pieces of memory can be lent in each direction; 0: everything goes through the rings."""


# --- core → party ---------------------------------------------------------------------------------------------------


class Opened(Message):
    """Answer to OpenLink. Comes with the memory's descriptor."""

    request: int
    link: LinkInfo


class Attach(Message):
    """A link that this party did not ask for: it is the callee, or the core re-armed its subscription."""

    link: LinkInfo
    publishes: bool


class CloseLink(Message):
    """The other end is gone or no longer entitled, or (``by_peer``) has given this end up."""

    link: int
    error: WireError
    by_peer: bool = False
    publisher: str | None = None
    """Of an events link that the subscriber has not got yet, and will not get: whose events it cannot hear."""


class SetFilter(Message):
    """The subscriber of an events link wants other events now. Answered with Done."""

    request: int
    link: int
    names: tuple[str, ...] | None


class Lost(Message):
    """``publisher``, to whose events this party has subscribed, has crashed, and is not restarted (any more)."""

    publisher: str
    error: WireError


class Plant(SecretMessage):
    """Tokens between this party and ``peer`` that come from the core itself. Answered with Done."""

    request: int
    peer: str
    incoming: str
    outgoing: str


class Forget(Message):
    """``peer`` was gone at the time ``before``: what tokens are older are worth nothing any more. Answered with Done."""

    request: int
    peer: str
    before: int
    """Monotonic nanoseconds, as the deadlines of calls: one clock for all processes of a machine."""


# --- party → core ---------------------------------------------------------------------------------------------------


class Authorize(Message):
    """The capability module asks for the policy's decision. Answered with Done (value: the target's name) or Failed."""

    request: int
    requester: str
    target: str


class Resolve(Message):
    """Ask which module ``target``, a name or a capability, means. Answered with Done (value: the name) or Failed."""

    request: int
    target: str


class OpenLink(Message):
    """Ask for a calls link to ``target``. Answered with Opened or Failed."""

    request: int
    target: str


class AwaitLoaded(Message):
    """Answered with Done when ``target`` is loaded; with Failed if it is not there, or its load fails.

    Only the app waits for it. Modules may need each other while they come up: for them it is there already.
    """

    request: int
    target: str


class Attached(Message):
    """The party has opened memory and semaphores of this link."""

    link: int


class LinkFailed(Message):
    """This link is of no use: it could not be opened, or the other end does not keep to the protocol."""

    link: int
    error: WireError


class Watch(Message):
    """The whole of what this party now wants to hear of ``target``: event names, None for all, () for nothing.

    Answered with Done when the publisher's filter is in place.
    """

    request: int
    target: str
    names: tuple[str, ...] | None


# --- both ways ------------------------------------------------------------------------------------------------------


class CancelCall(Message):
    """The caller gave the call up."""

    link: int
    call: int
