"""What tests of every kind share."""

from __future__ import annotations

from logoscore.leaks import Holdings, descendants, is_alive, wait_until

__all__ = ["Holdings", "descendants", "is_alive", "wait_until"]
