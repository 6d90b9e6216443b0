"""From Python files to symbols. Knows nothing of logoscore; listed in metadata.json as part of the module."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from pathlib import Path

from logos_code_search.model import Symbol

_OTHERS = {"site-packages", "dist-packages", "__pycache__"}  # not the standard library's own
_TESTS = {"test", "tests", "idle_test"}

#: What a file may do to us: it cannot be read, is no Python (ValueError: NUL or a wrong encoding), or nests too deep.
UNREADABLE = (OSError, SyntaxError, ValueError, RecursionError, MemoryError)

_Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_Block = ast.stmt | ast.ExceptHandler | ast.match_case  # where definitions can be: never inside expressions


def source_files(root: Path, *, tests: bool) -> list[Path]:
    """The Python files below ``root``, sorted."""
    skipped = _OTHERS if tests else _OTHERS | _TESTS
    return sorted(file for file in root.rglob("*.py") if skipped.isdisjoint(file.relative_to(root).parts))


def symbols_of(file: Path, root: Path) -> list[Symbol]:
    """The module that ``file`` is, and all classes and functions in it. Raises one of UNREADABLE."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd escapes and such in the code that we read
        tree = ast.parse(file.read_bytes())
    place = file.relative_to(root)
    parts = place.with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
    module = Symbol(name, "module", str(place), 1, ast.get_docstring(tree) or "")
    return [module, *_definitions(tree, name, str(place))]


def _definitions(parent: ast.AST, path: str, file: str) -> Iterator[Symbol]:
    """Everything that is defined somewhere below ``parent``, also under ``if`` and ``try``."""
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, _Definition):
            name = f"{path}.{node.name}"
            kind = "class" if isinstance(node, ast.ClassDef) else "function"
            yield Symbol(name, kind, file, node.lineno, ast.get_docstring(node) or "")
            yield from _definitions(node, name, file)
        elif isinstance(node, _Block):
            yield from _definitions(node, path, file)
