"""What ``bridge.c`` asks of Python besides ``logoscore.functions``."""

from __future__ import annotations

import logging
import os

from logoscore.json_values import as_text
from logoscore.session.wire_errors import safe_text, summary

__all__ = ["as_text", "failed", "take_environment"]


def failed(function: str, error: BaseException | None) -> str:
    """Log what a function of the C library could not do; returns it as a text for ``logos_core_get_last_error``."""
    text = f"{function}: {safe_text(error) if error is None else summary(error)}"
    logging.getLogger("logoscore").warning("%s", text)
    return text


def take_environment(entries: list[bytes]) -> None:
    """Let ``os.environ`` say what the program's environment says, ``entries`` of the form ``NAME=value``.

    Python has read it when it was started, and does not see what the program sets since.
    """
    now = {name: value for name, equals, value in (entry.partition(b"=") for entry in entries) if name and equals}
    for name in os.environb.keys() - now.keys():
        del os.environb[name]
    for name, value in now.items():
        if os.environb.get(name) != value:
            os.environb[name] = value
