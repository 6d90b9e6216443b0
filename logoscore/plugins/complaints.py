"""What discovery has to complain of, as warnings of the logger ``logoscore``: each once, not at every scan.

Two kinds: what was found and cannot be used (also in ``get_discovery_failures``), and keys of a metadata.json that nobody
knows but that look like a known one. Those are kept, as all unknown keys are: a newer logoscore may know them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice

from logoscore.metadata import Metadata
from logoscore.plugins.layout import METADATA_FILE
from logoscore.plugins.spec import DiscoveryFailure, ModuleSpec

__all__ = ["Complaints"]

_MOST = 16  # unknown keys of one file that are looked at
_REMEMBERED = 1000  # texts
_ALWAYS_GIVEN = frozenset({"name", "version", "extra"})


class Complaints:
    """Of one core."""

    def __init__(self) -> None:
        self._standing: set[str] = set()  # as of the last scan: what comes back after it was mended is said again
        self._added: set[str] = set()

    def scanned(self, specs: Iterable[ModuleSpec], failures: Iterable[DiscoveryFailure]) -> None:
        """A scan has found these: say what the scan before it had not found."""
        texts = [f"discovery cannot use {failure.name!r}: {failure.error}" for failure in failures]
        texts += [text for spec in specs for text in _misspelt(spec)]
        before, self._standing = self._standing | self._added, set(texts)
        _warn(text for text in dict.fromkeys(texts) if text not in before)

    def added(self, spec: ModuleSpec) -> None:
        """Somebody has made this one known himself."""
        texts = list(_misspelt(spec))
        _warn(text for text in texts if text not in self._added and text not in self._standing)
        if len(self._added) > _REMEMBERED:
            self._added.clear()  # said once more, perhaps
        self._added.update(texts)


def _warn(texts: Iterable[str]) -> None:
    for text in texts:
        import logging  # 12 ms that who has nothing to complain of does not pay

        logging.getLogger("logoscore").warning("%s", text)


def _misspelt(spec: ModuleSpec) -> Iterator[str]:
    """A text for each unknown key that is near to one that is not given."""
    metadata = spec.metadata
    if not metadata.extra:
        return
    from logoscore.near import nearest

    blank = Metadata(name=metadata.name, version=metadata.version)
    absent = [
        key
        for key in Metadata.__struct_fields__
        if key not in _ALWAYS_GIVEN and getattr(metadata, key) == getattr(blank, key)
    ]
    where = f"the metadata of the class {spec.name}" if spec.source == "class" else os.fspath(spec.path / METADATA_FILE)
    for key in islice(metadata.extra, _MOST):
        meant = nearest(key, absent)
        if meant is not None:
            yield f"{where}: {key}: is no key that logoscore knows, and does nothing; did you mean {meant!r}?"
