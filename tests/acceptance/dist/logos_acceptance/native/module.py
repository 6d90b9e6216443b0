"""Wraps C libraries, so that native code runs inside a host."""

import ctypes
import sys
from typing import Any

from logoscore import PluginInterface, invokable

_SUFFIX = ".dylib" if sys.platform == "darwin" else None
_LIBZ = f"libz{_SUFFIX}" if _SUFFIX else "libz.so.1"
_LIBM = f"libm{_SUFFIX}" if _SUFFIX else "libm.so.6"


class Native(PluginInterface):
    def init_logos(self, api: Any) -> None:
        self.api = api
        self._z = ctypes.CDLL(_LIBZ)
        self._z.crc32.restype = ctypes.c_ulong
        self._z.crc32.argtypes = [ctypes.c_ulong, ctypes.c_char_p, ctypes.c_uint]
        self._z.zlibVersion.restype = ctypes.c_char_p
        self._m = ctypes.CDLL(_LIBM)
        for name in ("cos", "sqrt"):
            function = getattr(self._m, name)
            function.restype = ctypes.c_double
            function.argtypes = [ctypes.c_double]

    @invokable
    def crc32(self, data: bytes) -> int:
        return self._z.crc32(0, data, len(data))

    @invokable
    def zlib_version(self) -> str:
        return self._z.zlibVersion().decode("ascii")

    @invokable
    def cos(self, angle: float) -> float:
        return self._m.cos(angle)

    @invokable
    def sqrt(self, number: float) -> float:
        return self._m.sqrt(number)

    @invokable
    def native_callback(self, values: list[int]) -> list[int]:
        """Sort with libc's qsort, which calls back into Python."""
        array = (ctypes.c_int * len(values))(*values)
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
        compare = kind(lambda a, b: (a[0] > b[0]) - (a[0] < b[0]))
        ctypes.CDLL(None).qsort(array, len(values), ctypes.sizeof(ctypes.c_int), compare)
        return list(array)
