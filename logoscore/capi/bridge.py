"""What ``bridge.c`` asks of Python besides ``logoscore.functions``."""

from __future__ import annotations

import logging

from logoscore.json_values import as_text
from logoscore.session.wire_errors import safe_text, summary

__all__ = ["as_text", "failed"]


def failed(function: str, error: BaseException | None) -> str:
    """Log what a function of the C library could not do; returns it as a text for ``logos_core_get_last_error``."""
    text = f"{function}: {safe_text(error) if error is None else summary(error)}"
    logging.getLogger("logoscore").warning("%s", text)
    return text
