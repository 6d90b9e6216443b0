"""The C library: ``python -m logoscore.capi --output DIR`` builds it (``build.py``); it embeds this Python.

your program ─▶ logos_core.c ─▶ bridge.c ─▶ logoscore.functions ─▶ the default Core
                a line each     the way in
"""

from __future__ import annotations
