"""A dataclass that only this module knows: the app sees it as a Record."""

from dataclasses import dataclass, field
from typing import Any

from logoscore import PluginInterface, invokable


@dataclass
class Note:
    text: str
    stars: int = 0
    tags: list[str] = field(default_factory=list)


class LocalRecords(PluginInterface):
    @invokable
    def make(self, text: str) -> Note:
        return Note(text, 3, ["draft"])

    @invokable
    def make_many(self) -> Any:
        return {"first": [Note("one"), Note("two", 2)]}

    @invokable
    def is_note(self, value: Any) -> bool:
        return isinstance(value, Note)

    @invokable
    def text_of(self, note: Note) -> str:
        return note.text

    @invokable
    def echo(self, value: Any) -> Any:
        return value
