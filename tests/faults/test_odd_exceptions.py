"""Exceptions that answer no question about themselves: their call gets an error, and the module goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.support import write_module

from logoscore import Core
from logoscore.errors import RemoteError

HELPFUL = """
from logoscore import PluginInterface, invokable

class Odd(Exception):
    @property
    def __traceback__(self):
        raise KeyError("no traceback here")

    def __str__(self):
        raise KeyError("no text here")

class Helpful(PluginInterface):
    @invokable
    def odd(self):
        raise Odd

    @invokable
    async def odd_later(self):
        raise Odd

    @invokable
    def echo(self, value):
        return value
"""


@pytest.mark.parametrize("method", ["odd", "odd_later"])
def test_a_module_that_raises_what_cannot_be_described_goes_on(tmp_path: Path, method: str) -> None:
    write_module(tmp_path, "helpful", HELPFUL)
    with Core(plugins_dir=tmp_path, entry_points=False) as core:
        client = core.load_plugin("helpful")
        for _ in range(2):
            with pytest.raises(RemoteError, match="Odd"):
                client.call(method, timeout=20)
            assert client.call("echo", 1, timeout=20) == 1
