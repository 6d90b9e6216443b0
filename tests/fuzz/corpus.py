"""The corpus: one text file per subject, one input per line, written as a Python bytes literal.

A text that can be read, searched and compared beats a folder of thousands of nameless files. A comment (``#``) above a line
says what that input once did; what is kept only because it reaches a place of the code has none.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "corpus"


def path_of(name: str) -> Path:
    return FOLDER / f"{name}.txt"


def load(name: str) -> list[bytes]:
    """The inputs of a subject's corpus, in the file's order. One that is no bytes literal is a ValueError."""
    inputs = []
    for number, line in enumerate(path_of(name).read_text("ascii").splitlines(), 1):
        if line and not line.startswith("#"):
            data = ast.literal_eval(line)
            if not isinstance(data, bytes):
                raise ValueError(f"{path_of(name)}:{number}: {line[:60]} is no bytes literal")
            inputs.append(data)
    return inputs


def findings(name: str) -> list[str]:
    """The lines of what was once found: each comment with the inputs below it, up to the first blank line after."""
    kept: list[str] = []
    inside = False
    for line in path_of(name).read_text("ascii").splitlines() if path_of(name).exists() else []:
        inside = line.startswith("#") or (inside and bool(line))
        if inside:
            kept.append(line)
        elif kept and kept[-1]:
            kept.append("")
    return kept


def store(name: str, inputs: Iterable[bytes]) -> None:
    """Write a subject's corpus anew: what was found stays at its top, ``inputs`` follow."""
    head = findings(name)
    known = set(head)
    lines = [line for line in map(repr, inputs) if line not in known]
    path_of(name).write_text("\n".join([*head, *([""] if head and head[-1] else []), *lines, ""]), "ascii")
