"""The words of the control plane: what the core says to a party, and what a party says to the core.

    life.py      a host comes up, loads its module, is asked about itself, and ends
    links.py     channels between two parties: grants and tokens, both ends of a link, subscriptions
    buffers.py   lent memory
    base.py      what any request may be answered with; errors

A *party* is whoever has a name: a module in its host, and in the app's process ``core`` and ``core_manager``. Parties in
the app's process get the very same messages, without a pipe between.

Rules: every message is a typed structure, checked when it is decoded; what does not fit is a ProtocolViolationError of
the host that sent it. What a host may say has no field of any type: keys are texts, because numbers that collide as keys
would keep the core busy for minutes. ``request`` numbers are chosen by the asking side; the answer carries them back.
"""

from functools import cache
from typing import Any, cast

import msgspec

from logoscore.errors import ProtocolViolationError
from logoscore.transport.messages.base import Done as Done
from logoscore.transport.messages.base import Failed as Failed
from logoscore.transport.messages.base import WireError as WireError
from logoscore.transport.messages.buffers import BufferDropped as BufferDropped
from logoscore.transport.messages.buffers import BufferMade as BufferMade
from logoscore.transport.messages.buffers import BufferMemory as BufferMemory
from logoscore.transport.messages.buffers import BufferReady as BufferReady
from logoscore.transport.messages.buffers import BufferTaken as BufferTaken
from logoscore.transport.messages.buffers import DropBuffer as DropBuffer
from logoscore.transport.messages.buffers import MakeBuffer as MakeBuffer
from logoscore.transport.messages.buffers import TakeBuffer as TakeBuffer
from logoscore.transport.messages.life import MAX_STATE as MAX_STATE
from logoscore.transport.messages.life import PROTOCOL_VERSION as PROTOCOL_VERSION
from logoscore.transport.messages.life import Bootstrap as Bootstrap
from logoscore.transport.messages.life import Changes as Changes
from logoscore.transport.messages.life import Hello as Hello
from logoscore.transport.messages.life import HookFailed as HookFailed
from logoscore.transport.messages.life import LoadFailed as LoadFailed
from logoscore.transport.messages.life import Query as Query
from logoscore.transport.messages.life import Ready as Ready
from logoscore.transport.messages.life import Start as Start
from logoscore.transport.messages.life import StateRefused as StateRefused
from logoscore.transport.messages.life import StateSaved as StateSaved
from logoscore.transport.messages.life import Unload as Unload
from logoscore.transport.messages.links import CALLS as CALLS
from logoscore.transport.messages.links import CODEC_IDS as CODEC_IDS
from logoscore.transport.messages.links import EVENTS as EVENTS
from logoscore.transport.messages.links import Attach as Attach
from logoscore.transport.messages.links import Attached as Attached
from logoscore.transport.messages.links import Authorize as Authorize
from logoscore.transport.messages.links import AwaitLoaded as AwaitLoaded
from logoscore.transport.messages.links import CancelCall as CancelCall
from logoscore.transport.messages.links import CloseLink as CloseLink
from logoscore.transport.messages.links import Forget as Forget
from logoscore.transport.messages.links import LinkFailed as LinkFailed
from logoscore.transport.messages.links import LinkInfo as LinkInfo
from logoscore.transport.messages.links import Lost as Lost
from logoscore.transport.messages.links import Opened as Opened
from logoscore.transport.messages.links import OpenLink as OpenLink
from logoscore.transport.messages.links import Plant as Plant
from logoscore.transport.messages.links import Resolve as Resolve
from logoscore.transport.messages.links import SetFilter as SetFilter
from logoscore.transport.messages.links import Watch as Watch

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

FromParty = (
    Hello
    | Ready
    | LoadFailed
    | StateSaved
    | StateRefused
    | HookFailed
    | OpenLink
    | AwaitLoaded
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

encode = _encoder.encode


@cache
def _from_party() -> msgspec.msgpack.Decoder[FromParty]:
    """Made when it is needed: a host never does, and would have to wait for it at its start."""
    return msgspec.msgpack.Decoder(FromParty)


def decode_to_party(data: bytes) -> ToParty:
    """What the core sent. Raises ProtocolViolationError."""
    return cast("ToParty", _decode(_to_party, data))


def decode_from_party(data: bytes) -> FromParty:
    """What a host sent. Raises ProtocolViolationError."""
    return cast("FromParty", _decode(_from_party(), data))


def _decode(decoder: msgspec.msgpack.Decoder[Any], data: bytes) -> Any:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise ProtocolViolationError(f"a control message cannot be read: {exc}") from None
