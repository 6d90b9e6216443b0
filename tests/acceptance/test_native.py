"""The sample module native: C libraries inside a host."""

from __future__ import annotations

import math
import zlib
from typing import Any

import pytest

from logoscore import Core


@pytest.fixture(scope="module")
def native(shared_core: Core) -> Any:
    return shared_core.load_plugin("native")


@pytest.mark.parametrize("data", [b"", b"hello", bytes(range(256)), b"\0" * 100_000])
def test_libz(native: Any, data: bytes) -> None:
    assert native.call("crc32", data) == zlib.crc32(data)


def test_libz_version(native: Any) -> None:
    assert native.call("zlib_version").split(".")[0] == "1"


@pytest.mark.parametrize("number", [0.0, 1.0, 2.0, 1e10])
def test_libm(native: Any, number: float) -> None:
    assert native.call("cos", number) == pytest.approx(math.cos(number))
    assert native.call("sqrt", number) == pytest.approx(math.sqrt(number))


def test_native_code_calls_back_into_python(native: Any) -> None:
    assert native.call("native_callback", [5, -1, 3, 0]) == [-1, 0, 3, 5]
