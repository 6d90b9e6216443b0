"""The module ``query``: makes an expression of plain words, asks ``index``, and ranks."""

from __future__ import annotations

import re

from logos_code_search.member import Member
from logos_code_search.model import Answer, Hit, IndexService, Symbol
from logoscore import LogosAPI, invokable

_WORD = re.compile(r"\w+")
#: A match in the symbol's own name says most, then one in the names around it, then one in its docstring.
_WEIGHTS = [10.0, 2.0, 1.0]
#: Private and undocumented symbols come after others that match about as well.
_LESSER = 0.6
_CANDIDATES = 10  # per hit wanted: enough for our order to differ from the index's


class Query(Member):
    """Depends on ``index`` (see metadata.json): loading this loads that first, and the policy lets this call it."""

    def init_logos(self, api: LogosAPI) -> None:
        super().init_logos(api)
        # A typed view of another process: checkers know its methods, and results are checked against the annotations.
        self._index = api.get_client("index").bind(IndexService)

    @invokable
    def search(self, text: str, limit: int = 5) -> Answer:
        """The best hits that have every word of ``text``; where there are none, those that have any."""
        words = _WORD.findall(text)
        if not words:
            raise ValueError(f"there is no word in {text!r}")  # our caller gets a RemoteError with this message
        hits = self._match(" AND ".join(map(_quoted, words)), limit)
        every_word = bool(hits)
        if not hits:
            hits = self._match(" OR ".join(map(_quoted, words)), limit)
        self.api.trigger("answered", text, len(hits))
        return Answer(text, every_word, hits)

    def _match(self, expression: str, limit: int) -> list[Hit]:
        candidates = self._index.match(expression, _WEIGHTS, limit * _CANDIDATES)
        ranked = [Hit(hit.symbol, hit.score * _worth(hit.symbol)) for hit in candidates]
        ranked.sort(key=lambda hit: -hit.score)
        return ranked[:limit]


def _quoted(word: str) -> str:
    """As FTS5 wants text that is no operator, whatever is in it."""
    return f'"{word}"'


def _worth(symbol: Symbol) -> float:
    private = any(part.startswith("_") for part in symbol.name.split("."))
    return (_LESSER if private else 1.0) * (1.0 if symbol.doc else _LESSER)
