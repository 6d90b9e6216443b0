"""Where a module's folder is, for somebody who names a file: the layouts of the seed's C-style clients.

    <plugins_dir>/chat/metadata.json        ours, always there: the module
    <plugins_dir>/chat/manifest.json        "main": {"linux-x86_64": "any.file"}: where clients look for a file
    <plugins_dir>/chat/any.file             which they then name to us
    <plugins_dir>/chat_plugin.so            or this, beside the folder

The files that only clients look for are placeholders: nothing reads what is in them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["MANIFEST_FILE", "METADATA_FILE", "module_folder"]

METADATA_FILE = "metadata.json"
MANIFEST_FILE = "manifest.json"
_PLACEHOLDER = re.compile(r"(?P<name>.+)_plugin\.(?:so|dylib|dll)")
_DEEPEST = 3
"""A manifest may name a file in a folder of the module's folder, so many levels down."""


def module_folder(path: Path) -> Path:
    """The folder of the module that ``path``, which is absolute, belongs to; ``path`` itself where nothing tells."""
    if path.name in (METADATA_FILE, MANIFEST_FILE):
        return path.parent
    if not path.is_file():
        return path
    placeholder = _PLACEHOLDER.fullmatch(path.name)
    if placeholder is not None and (path.parent / placeholder["name"]).is_dir():
        return path.parent / placeholder["name"]
    return next((each for each in path.parents[:_DEEPEST] if os.path.lexists(each / METADATA_FILE)), path)
