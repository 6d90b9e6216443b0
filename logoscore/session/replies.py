"""What a reply to a call says: the value in it, or the error that it carries; and what there is to say where none came.

The quickest kind, a plain value, the client reads itself (``LogosAPIClient._outcome``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from logoscore.errors import (
    AuthenticationError,
    CallError,
    CallTimeoutError,
    LogosError,
    ProtocolViolationError,
    RemoteError,
    SerializationError,
    TransportError,
)
from logoscore.session.execution import running_call
from logoscore.session.wire_errors import from_wire, safe_text
from logoscore.transport import frame as fr
from logoscore.transport.codec import Codec
from logoscore.transport.messages import WireError

__all__ = ["named", "no_reply", "read_value"]

#: Modules of ours. They speak for the platform: of any module, with any error.
_PLATFORM: Final = frozenset({"core_manager", "capability_module"})
#: Errors that the host of any other module has reason to send. The rest is for the platform to say.
_A_HOST_S: Final = (AuthenticationError, CallError, SerializationError, TransportError)
_wire_error: msgspec.msgpack.Decoder[WireError] = msgspec.msgpack.Decoder(WireError)


def read_value(reply: bytes, codec: Codec, target: str, method: str, peer: str) -> Any:
    """The value in the reply of ``target``, the module ``peer``, or the error that it carries, raised."""
    frame = fr.parse(reply)
    if frame.kind == fr.ERROR:
        try:
            error = _error_of(_wire_error.decode(frame.payload), method, peer)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
            raise ProtocolViolationError(f"{target} sent an error that cannot be read: {exc}") from None
        raise named(error, target, method) if type(error) is SerializationError else error
    if frame.kind not in {fr.REPLY, fr.STREAM_ITEMS}:
        raise ProtocolViolationError(f"{target} replied with a frame of kind {frame.kind}")
    if frame.codec != codec.ID:
        raise ProtocolViolationError(f"{target} replied with codec {frame.codec}, agreed is {codec.ID}")
    try:
        return codec.decode(*fr.split_payload(frame.payload, frame.flags))
    except SerializationError as exc:
        raise named(exc, target, method) from None


def _error_of(wire: WireError, method: str, peer: str) -> LogosError:
    """What ``peer`` says, as what it may say: of itself, of this call, and no more than a host of ours would."""
    if peer in _PLATFORM:
        return from_wire(wire)
    fields = {name: safe_text(value) if isinstance(value, str) else value for name, value in wire.fields.items()}
    kind, message = safe_text(wire.kind), safe_text(wire.message)
    error = from_wire(WireError(kind, message, fields))
    if not isinstance(error, _A_HOST_S):
        text = f"{peer}.{method}: {kind}: {message}"
        return RemoteError(text, module=peer, method=method, type_name=kind, message=message)
    if isinstance(error, CallError):
        error.module, error.method = peer, method
    return error


def named(error: SerializationError, target: str, method: str) -> SerializationError:
    """The codec knows where in a value the trouble is; here we know whose value it is."""
    return SerializationError(f"{target}.{method}: {error}", path=error.path, type_name=error.type_name)


def no_reply(target: str, method: str, limit: float, earlier: Sequence[str] = ()) -> CallTimeoutError:
    """None came within ``limit`` seconds, or within what the running call has left.

    ``earlier``: the methods of our own calls that were begun before and are not done: what was waited for may be these.
    """
    call = running_call()
    whose = f"{limit:g} s" if call is None else f"{limit:g} s, or what was left of the deadline of {call.peer}'s call"
    others = ""
    if len(earlier) == 1:
        others = f" (an earlier call to {target} was still under way: {earlier[0]})"
    elif earlier:
        others = f" ({len(earlier)} earlier calls to {target} were still under way, the first: {earlier[0]})"
    return CallTimeoutError(f"{target}.{method} did not reply within {whose}{others}", module=target, method=method)
