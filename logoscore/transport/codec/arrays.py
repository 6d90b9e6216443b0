"""What lies in memory as it is: numpy arrays and scalars, bytearray, array.array, memoryview, any buffer.

Rules
-----
1. Data travels out of band: the extension names a buffer by its index, and encoding does not copy what is contiguous.
   Each buffer may be named once, so a short message cannot make one buffer into many copies.
2. numpy arrays and memoryviews arrive as read-only views on the buffer; bytearray and array.array, which are there to
   be written to, arrive as copies; so do bytes, which must not change, and arrays of text, which are looked at first:
   the buffer may be memory that the peer can still write to.
3. A dtype is a checked text or a structure of checked texts: never an object dtype, never anything that numpy would
   evaluate. A shape has to account for every byte, and an array without bytes cannot claim to be huge.
4. numpy is looked up in sys.modules when sending, and imported only when an array arrives.
"""

from __future__ import annotations

import importlib
import math
import re
import sys
from collections.abc import Callable
from typing import Any, Protocol

from msgspec.msgpack import Decoder

from logoscore.errors import ProtocolViolationError, SerializationError
from logoscore.transport.codec import extensions as x
from logoscore.transport.codec.extensions import Ext, Refused, pack
from logoscore.transport.copies import to_bytearray

AddBuffer = Callable[[memoryview], int]


class Buffers(Protocol):
    """The buffers of one message. Raises ProtocolViolationError for one that is not there, or was taken already."""

    def take(self, index: int) -> memoryview: ...
    def take_bytes(self, index: int) -> bytes: ...


_FORMATS = frozenset("bBhHiIlLqQnNefd?c")
_FAMILIES = {
    **dict.fromkeys("bhilqn", "bhiq"),
    **dict.fromkeys("BHILQN", "BHIQ"),
    **dict.fromkeys("efd", "efd"),
    "?": "?",
    "c": "c",
}
_SIZES = {"b": 1, "c": 1, "?": 1, "h": 2, "e": 2, "i": 4, "f": 4, "q": 8, "d": 8}
_TYPECODES = frozenset("bBuwhHiIlLqQfd")
_DTYPE = r"[<>|=](?:[?biufcSUV][0-9]{1,9}|[mM]8(?:\[[0-9]{0,9}[a-zA-Zμ]{1,7}\])?)"
_MAX_DIMENSIONS = 32
_SUBCLASSES = frozenset({"memmap", "recarray", "matrix"})

_EMPTY = memoryview(b"")


# --- writing --------------------------------------------------------------------------------------------------------


def flat(view: memoryview) -> memoryview:
    """The bytes of ``view`` in a row; a copy only if they do not lie in a row."""
    if not view.nbytes:
        return _EMPTY
    if not view.c_contiguous:
        return memoryview(view.tobytes())
    if view.format in _FORMATS:
        return view.cast("B")
    from pickle import PickleBuffer  # takes formats that memoryview.cast does not

    return PickleBuffer(view).raw()


def _format(view: memoryview) -> str:
    """The native format that says the same as the view's, or bytes."""
    text = view.format
    if text in _FORMATS:
        return text
    # ctypes says "<l" for its 8-byte long: so the size decides.
    if len(text) == 2 and text[0] in ("@=<" if sys.byteorder == "little" else "@=>"):
        for same in _FAMILIES.get(text[1], ""):
            if _SIZES[same.lower()] == view.itemsize:
                return same
    return "B"


def write_buffer(add: AddBuffer, value: Any) -> Ext:
    view = memoryview(value)
    text = _format(view)
    shape = view.shape if text != "B" or view.itemsize == 1 else (view.nbytes,)
    return Ext(x.BUFFER, pack((add(flat(view)), text, shape)))


def write_bytearray(add: AddBuffer, value: bytearray) -> Ext:
    return Ext(x.BYTEARRAY, pack(add(memoryview(value))))


def write_array(add: AddBuffer, value: Any) -> Ext:
    return Ext(x.ARRAY, pack((add(flat(memoryview(value))), value.typecode, value.itemsize)))


def _spec(dtype: Any) -> Any:
    """A dtype as data: its text, ``[base, shape]``, or ``[names, formats, offsets, itemsize]``."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return [_spec(base), shape]
    if dtype.names is not None:
        fields = [dtype.fields[name] for name in dtype.names]
        return [dtype.names, [_spec(field[0]) for field in fields], [field[1] for field in fields], dtype.itemsize]
    if dtype.hasobject:
        raise Refused(f"its dtype {dtype!s} holds Python objects, which have no bytes to send")
    if not re.fullmatch(_DTYPE, dtype.str):
        raise Refused(f"its dtype {dtype!s} cannot be named to another process")
    return dtype.str


def _checked_spec(dtype: Any) -> Any:
    spec = _spec(dtype)
    if type(spec) is list and _dtype(spec) != dtype:
        raise Refused(f"its dtype {dtype!s} has more to it than names, formats and offsets")
    return spec


def write_ndarray(add: AddBuffer, value: Any) -> Ext:
    numpy = sys.modules["numpy"]
    spec = _checked_spec(value.dtype)
    if type(value) is not numpy.ndarray:
        if type(value).__name__ not in _SUBCLASSES or not type(value).__module__.startswith("numpy"):
            raise Refused("it is more than a plain array; send its parts")
        value = value.view(numpy.ndarray)
        if value.dtype.type is numpy.record:
            value = value.view(numpy.dtype((numpy.void, value.dtype)))
    if not value.size or not value.itemsize:
        if _claimed(value.shape) > x.MAX_EMPTY:
            raise Refused("it has no bytes, but a huge shape")
        return Ext(x.NDARRAY, pack((add(_EMPTY), spec, value.shape, "C")))
    order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    if order == "C" and not value.flags.c_contiguous:
        value = numpy.ascontiguousarray(value)
    # memoryview(array) would refuse a datetime64; its bytes it does not.
    data = memoryview(value.reshape(-1, order=order).view(numpy.uint8))
    return Ext(x.NDARRAY, pack((add(data), spec, value.shape, order)))


def write_numpy_scalar(value: Any) -> Ext:
    numpy = sys.modules["numpy"]
    # An array strips trailing zeros from text, a scalar keeps them.
    if isinstance(value, numpy.str_):
        return Ext(x.NUMPY_SCALAR, pack(("U", str.__str__(value).encode("utf-8", "surrogatepass"))))
    if isinstance(value, numpy.bytes_):
        return Ext(x.NUMPY_SCALAR, pack(("S", bytes(memoryview(value)))))
    return Ext(x.NUMPY_SCALAR, pack((_checked_spec(value.dtype), value.tobytes())))


# --- reading --------------------------------------------------------------------------------------------------------

_read_buffer = Decoder(tuple[int, str, list[int]]).decode
_read_index = Decoder(int).decode
_read_array = Decoder(tuple[int, str, int]).decode
_read_ndarray = Decoder(tuple[int, Any, list[int], str]).decode
_read_scalar = Decoder(tuple[Any, bytes]).decode


def _numpy() -> Any:
    try:
        return importlib.import_module("numpy")
    except ImportError as error:
        raise SerializationError(
            f"a numpy value arrived, and numpy cannot be imported here ({error}); install it for this interpreter",
            type_name="numpy.ndarray",
        ) from None


def _claimed(shape: Any) -> int:
    return math.prod(max(size, 1) for size in shape)


def _dtype(spec: Any) -> Any:
    numpy = _numpy()
    if type(spec) is str and re.fullmatch(_DTYPE, spec):
        return numpy.dtype(spec)
    if type(spec) is not list:
        raise ProtocolViolationError("the peer sent a dtype that is none")
    if len(spec) == 2:
        return numpy.dtype((_dtype(spec[0]), tuple(spec[1])))
    names, formats, offsets, itemsize = spec
    kinds = [_dtype(each) for each in formats]
    return numpy.dtype({"names": list(names), "formats": kinds, "offsets": list(offsets), "itemsize": itemsize})


def read_buffer(buffers: Buffers, data: memoryview) -> memoryview:
    index, text, shape = _read_buffer(data)
    view = buffers.take(index)
    if text not in _FORMATS or len(shape) > _MAX_DIMENSIONS:
        raise ProtocolViolationError("the peer sent a memoryview of an unknown format")
    if not view.nbytes and not math.prod(shape):
        return view.cast(text)  # type: ignore[call-overload,no-any-return]  # one of _FORMATS
    return view.cast(text, shape)  # type: ignore[call-overload,no-any-return]


def read_bytes(buffers: Buffers, data: memoryview) -> bytes:
    return buffers.take_bytes(_read_index(data))


def read_bytearray(buffers: Buffers, data: memoryview) -> bytearray:
    return to_bytearray(buffers.take(_read_index(data)))


def read_array(buffers: Buffers, data: memoryview) -> Any:
    from array import array

    index, typecode, itemsize = _read_array(data)
    view = buffers.take(index)
    if typecode not in _TYPECODES:
        raise ProtocolViolationError("the peer sent an array of an unknown type code")
    result = array(typecode)
    if result.itemsize != itemsize:
        raise ProtocolViolationError("the peer sent an array of another item size")
    result.frombytes(view)
    if typecode in "uw":
        result.tounicode()  # raises if there are numbers that are no characters
    return result


def read_ndarray(buffers: Buffers, data: memoryview) -> Any:
    index, spec, shape, order = _read_ndarray(data)
    view, dtype = buffers.take(index), _dtype(spec)
    if len(shape) > _MAX_DIMENSIONS or (shape and min(shape) < 0) or order not in ("C", "F") or dtype.hasobject:
        raise ProtocolViolationError("the peer sent an array of an impossible shape")
    if math.prod(shape) * dtype.itemsize != view.nbytes:
        raise ProtocolViolationError("the peer sent an array whose shape does not fit its data")
    if not view.nbytes and _claimed(shape) > x.MAX_EMPTY:
        raise ProtocolViolationError("the peer sent an array without data of a huge shape")
    if _has_text(dtype):
        array = _numpy().ndarray(tuple(shape), dtype, buffer=bytes(view), order=order)
        _check_text(array)
        return array
    return _numpy().ndarray(tuple(shape), dtype, buffer=view, order=order)


def _has_text(dtype: Any) -> bool:
    if dtype.subdtype is not None:
        return _has_text(dtype.subdtype[0])
    if dtype.fields is not None:
        return any(_has_text(dtype.fields[name][0]) for name in dtype.names)
    return bool(dtype.kind == "U")


def _check_text(array: Any) -> None:
    """numpy makes a str of any four bytes, also beyond the last code point: such a str breaks what Python's C code trusts."""
    dtype = array.dtype
    if dtype.fields is not None:
        for name in dtype.names:
            _check_text(array[name])
    elif dtype.kind == "U" and dtype.itemsize and array.size:
        codes = _numpy().ascontiguousarray(array).reshape(-1).view(dtype.byteorder + "u4")
        if codes.max() > sys.maxunicode:
            raise ProtocolViolationError("the peer sent an array of text that is no text")


def read_numpy_scalar(data: memoryview) -> Any:
    spec, content = _read_scalar(data)
    numpy = _numpy()
    if spec == "U":
        return numpy.str_(str(content, "utf-8", "surrogatepass"))
    if spec == "S":
        return numpy.bytes_(content)
    dtype = _dtype(spec)
    if dtype.itemsize != len(content) or dtype.hasobject or dtype.subdtype is not None:
        raise ProtocolViolationError("the peer sent a numpy scalar whose type does not fit its data")
    scalar = numpy.ndarray((), dtype, buffer=content)
    _check_text(scalar)
    return scalar[()]


READERS: dict[int, Callable[[Buffers, memoryview], Any]] = {
    x.BUFFER: read_buffer,
    x.BYTEARRAY: read_bytearray,
    x.BYTES: read_bytes,
    x.ARRAY: read_array,
    x.NDARRAY: read_ndarray,
}
