"""A module's metadata: ``parse_metadata`` of the bytes of a file, and of a class's ``metadata``.

The input is a metadata.json. Property: MetadataError with file and reason that can be shown, or Metadata which, through
``to_dict``, JSON and the message that tells a host of it, becomes equal Metadata again; bytes and mapping are one.
"""

from __future__ import annotations

import json

from fuzz.target import Target
from logoscore.errors import MetadataError
from logoscore.metadata import Metadata, parse_metadata
from logoscore.transport import messages as m

_FILE = "chat/metadata.json"


def check(data: bytes) -> bool:
    try:
        metadata = parse_metadata(data, _FILE)
    except MetadataError as error:
        _check_words(error)
        return False
    content = metadata.to_dict()
    assert parse_metadata(json.dumps(content).encode(), _FILE) == metadata
    assert parse_metadata(content, _FILE) == metadata
    assert _at_the_host(metadata) == metadata
    return True


def _check_words(error: MetadataError) -> None:
    str(error).encode()
    assert error.file == _FILE
    assert error.reason


def _at_the_host(metadata: Metadata) -> Metadata:
    bootstrap = m.Bootstrap("a", "i", "t", metadata.to_dict(), "directory", "/p", "m:C", b"", (), None, 20.0, 50)
    received = m.decode_to_party(m.encode(bootstrap))
    assert isinstance(received, m.Bootstrap)
    return parse_metadata(received.metadata, _FILE)


def seeds() -> list[bytes]:
    full = {
        "name": "chat",
        "version": "1.0.0-rc.1+build",
        "description": "é",
        "author": "me",
        "type": "core",
        "dependencies": ["index>=1.2,<2", "other", "third ~= 1.0"],
        "capabilities": ["talk"],
        "include": ["lib/a.so", "data"],
        "main": "chat.py:Chat",
        "calls": ["clock"],
        "concurrency": "multi",
        "max_workers": 4,
        "restart": "on-failure",
        "limits": {"address_space": 1 << 30, "cpu_time": 5},
        "interpreter": "python3.12",
        "codec": "cloudpickle",
        "unknown": {"kept": [1, None, True, 2.5]},
    }
    each = [
        {"name": "a", "version": "1!2.0.post1", key: value}
        for key, value in full.items()
        if key not in ("name", "version")
    ]
    nullable = {"name": "a", "version": "1.0.0", "main": None, "max_workers": None, "interpreter": None}
    return [json.dumps(content).encode() for content in (full, nullable, *each, {"name": "_", "version": "0.0.1"})]


TARGET = Target("metadata", check, seeds)
