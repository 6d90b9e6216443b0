"""JSON from strangers: ``bounded_json.loads`` and ``plain``.

The input is the text. Property: WrongValueError with a reason that can be shown, or a value that, written as JSON and read
again, is the same, and that nests no deeper than allowed.
"""

from __future__ import annotations

import json
from typing import Any

from fuzz.equality import same
from fuzz.target import Target
from logoscore.bounded_json import MAX_DEPTH, WrongValueError, loads, plain


def check(data: bytes) -> bool:
    try:
        value = plain(loads(data))
    except WrongValueError as error:
        _check_words(error)
        return False
    assert _depth(value) <= MAX_DEPTH
    for ascii_only in (True, False):
        text = json.dumps(value, ensure_ascii=ascii_only, allow_nan=False).encode()
        assert same(plain(loads(text)), value), f"{value!r} does not survive being written"
    return True


def _check_words(error: WrongValueError) -> None:
    assert error.reason, "a refusal without a reason"
    f"{error.key}: {error.reason}".encode()
    assert len(error.key) < 80 * MAX_DEPTH, "a path as long as the text, made for each value of it, takes for ever"


def _depth(value: Any) -> int:
    if isinstance(value, dict | list):
        return 1 + max(map(_depth, value.values() if isinstance(value, dict) else value), default=0)
    return 0


def seeds() -> list[bytes]:
    return [
        b'{"name": "chat", "version": "1.0.0", "dependencies": ["index>=1.2,<2"], "x": {"y": [1, 2.5, null, true]}}',
        b'\xef\xbb\xbf["byte order mark", -0.0, 1e308, 18446744073709551615]',
        b'["\\u00e9\\ud834\\udd1e \\" [ { \\\\", "\xc3\xa9"]',
        b"[" * 60 + b"]" * 60,
        b" 7 ",
    ]


TARGET = Target("bounded_json", check, seeds)
