"""Values to bytes and back: the safe codec, and cloudpickle where both sides were allowed it.

Rules
-----
1. Decoding with the safe codec runs no code of the peer's choosing and raises nothing but ProtocolViolationError - save
   SerializationError, where the value is sound but this process lacks what it takes (numpy, a time zone).
2. Encoding raises nothing but SerializationError, which names the path and the type; a failure has no other effect.
3. What is all plain is one call of msgspec in each direction. Everything else pays for itself.
4. A message is a head and buffers. The head of arguments is an array of them, or, where there are keyword arguments,
   an array of that array and a map: the frame says which.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Protocol, TypeVar

from logoscore.errors import ProtocolViolationError, SerializationError
from logoscore.transport.codec.diagnosis import explain, explain_arguments, key_text, type_name
from logoscore.transport.codec.extensions import (
    CERTAIN,
    MAX_DEPTH,
    SHORT,
    ExtensionFound,
    is_plain,
    may_be_deep,
    pack,
    unpack_plain,
    violation,
)
from logoscore.transport.codec.hashed import LONG, check_maps
from logoscore.transport.codec.reader import measure, read
from logoscore.transport.codec.writer import Writer

Encoded = tuple[bytes, tuple[memoryview, ...]]
"""The head, and the buffers that travel out of band."""

_T = TypeVar("_T")

__all__ = ["CLOUDPICKLE", "SAFE", "CloudpickleCodec", "Codec", "Encoded", "SafeCodec", "by_id"]


class Codec(Protocol):
    """What a channel needs of a codec."""

    ID: int

    def encode(self, value: Any, path: str = "value") -> Encoded: ...
    def decode(self, head: bytes | memoryview, buffers: Sequence[memoryview] = ()) -> Any: ...
    def encode_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Encoded: ...
    def decode_arguments(
        self, head: bytes | memoryview, buffers: Sequence[memoryview] = (), has_kwargs: bool = False
    ) -> tuple[list[Any], dict[str, Any]]: ...


class SafeCodec:
    """The default: carries data of many types without loss, and runs nothing."""

    __slots__ = ()

    ID = 0

    def encode(self, value: Any, path: str = "value") -> Encoded:
        """``value`` as head and buffers; ``path`` is what an error calls it.

        Raises:
            SerializationError: something in it cannot travel.
        """
        try:
            if type(value) in SHORT or is_plain(value, MAX_DEPTH):
                return pack(value), ()
        except (OverflowError, UnicodeEncodeError, RuntimeError):  # a long int, a lone surrogate, changed meanwhile
            pass
        # (No lambda: ``value`` would be a cell variable then, and the quick way above slower, too.)
        encoded = _encode(Writer.lower, value)
        if encoded is None:
            raise explain(value, path)
        return encoded

    def encode_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Encoded:
        """The arguments of a call as head and buffers.

        Raises:
            SerializationError: something in them cannot travel; the path begins with ``args[i]`` or ``kwargs["name"]``.
        """
        if not kwargs:
            try:
                for value in args:
                    if type(value) not in SHORT and not is_plain(value, MAX_DEPTH - 1):
                        break
                else:
                    return pack(args), ()
            except (OverflowError, UnicodeEncodeError, RuntimeError):
                pass
        return _encode_arguments(args, kwargs or {})

    def decode(self, head: bytes | memoryview, buffers: Sequence[memoryview] = ()) -> Any:
        """The value of a message.

        Raises:
            ProtocolViolationError: this is no message that ``encode`` could have made.
            SerializationError: numpy, or a time zone, is needed and missing.
        """
        try:
            size = len(head)
            if size > LONG:
                check_maps(head)
            try:
                value = unpack_plain(head)
            except ExtensionFound:
                value = read(head, buffers)
            if size > MAX_DEPTH and may_be_deep(head) and not is_plain(value, MAX_DEPTH):
                measure(value)
        except SerializationError:
            raise
        except Exception as error:  # whatever a malformed message leads to, the peer is to blame
            raise violation(error) from error
        return value

    def decode_arguments(
        self, head: bytes | memoryview, buffers: Sequence[memoryview] = (), has_kwargs: bool = False
    ) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of a call. Raises as :meth:`decode` does."""
        value = self.decode(head, buffers)
        if has_kwargs:
            return _both(value)
        if type(value) is not list:
            raise ProtocolViolationError("the peer sent arguments that are no list")
        return value, {}


def _encode(lower: Callable[[Writer, _T], Any], value: _T) -> Encoded | None:
    """What ``lower`` makes of ``value`` with a fresh writer, packed; None if it cannot be encoded."""
    for plain in (SHORT, CERTAIN):
        writer = Writer(plain)
        try:
            return pack(lower(writer, value)), tuple(writer.buffers)
        except (OverflowError, UnicodeEncodeError):
            continue  # once more, looking at every int and str
        except Exception:  # noqa: BLE001 - the diagnosis finds out, and user code may raise anything
            return None
    return None


def _lower_arguments(writer: Writer, both: tuple[tuple[Any, ...], dict[str, Any]]) -> Any:
    args, kwargs = both
    if not kwargs:
        return writer.items(args)
    writer.depth = 1
    return [writer.items(args), dict(zip(kwargs, writer.items(kwargs.values()), strict=True))]


def _encode_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Encoded:
    encoded = _encode(_lower_arguments, (args, kwargs))
    if encoded is None:
        raise explain_arguments(args, kwargs)
    return encoded


def _both(value: Any) -> tuple[list[Any], dict[str, Any]]:
    if type(value) is list and len(value) == 2:
        args, kwargs = value
        if type(args) is list and type(kwargs) is dict and set(map(type, kwargs)) <= {str}:
            return args, kwargs
    raise ProtocolViolationError("the peer sent arguments that are no list and map")


class CloudpickleCodec:
    """Carries nearly everything, classes and functions too, and runs what it receives.

    Only from a parent to the host that it spawned, and between modules whose metadata and the policy both allow it.
    """

    __slots__ = ()

    ID = 1

    def encode(self, value: Any, path: str = "value") -> Encoded:
        """As :meth:`SafeCodec.encode`."""
        try:
            return self._dumps(value)
        except Exception as error:
            name = type_name(value)
            text = f"{path} ({name}) cannot be pickled: {type_name(error)}"
            raise SerializationError(text, path=path, type_name=name) from error

    def _dumps(self, value: Any) -> Encoded:
        cloudpickle: Any = import_module("cloudpickle")  # not typed
        buffers: list[Any] = []
        head: bytes = cloudpickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        return head, tuple(buffer.raw() for buffer in buffers)

    def decode(self, head: bytes | memoryview, buffers: Sequence[memoryview] = ()) -> Any:
        """The value of a message.

        Raises:
            ProtocolViolationError: the head is no pickle, or buffers are missing.
            SerializationError: something that it needs (a module, an attribute) is not to be had here.
        """
        import pickle

        try:
            return pickle.loads(head, buffers=buffers)  # noqa: S301 - for peers that were allowed to run code here
        except (pickle.UnpicklingError, EOFError) as error:
            raise violation(error) from error
        except Exception as error:
            raise SerializationError(f"a pickled value cannot be put together here: {type_name(error)}") from error

    def encode_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Encoded:
        """As :meth:`SafeCodec.encode_arguments`."""
        try:
            return self._dumps([list(args), kwargs] if kwargs else list(args))
        except Exception:  # the loop below finds which, and says so
            for index, value in enumerate(args):
                self.encode(value, f"args[{index}]")
            for name, value in (kwargs or {}).items():
                self.encode(value, f"kwargs[{key_text(name)}]")
            raise

    def decode_arguments(
        self, head: bytes | memoryview, buffers: Sequence[memoryview] = (), has_kwargs: bool = False
    ) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of a call. Raises as :meth:`decode` does."""
        value = self.decode(head, buffers)
        if has_kwargs:
            return _both(value)
        if type(value) is not list:
            raise ProtocolViolationError("the peer sent arguments that are no list")
        return value, {}


SAFE = SafeCodec()
CLOUDPICKLE = CloudpickleCodec()
_BY_ID: dict[int, Codec] = {SAFE.ID: SAFE, CLOUDPICKLE.ID: CLOUDPICKLE}


def by_id(number: int) -> Codec:
    """The codec that a frame names.

    Raises:
        ProtocolViolationError: there is none of that number.
    """
    codec = _BY_ID.get(number)
    if codec is None:
        raise ProtocolViolationError(f"the peer named a codec that does not exist: {number!r}")
    return codec
