"""Dataclasses that both sides can import."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from logoscore import PluginInterface, invokable


@dataclass
class Address:
    street: str
    city: str
    zip_code: str | None = None


@dataclass
class Person:
    name: str
    age: int
    address: Address
    nickname: str | None = None
    tags: list[str] = field(default_factory=list)


@dataclass
class Team:
    name: str
    members: list[Person]
    offices: dict[str, Address] = field(default_factory=dict)


class Records(PluginInterface):
    @invokable
    def make_person(self) -> Person:
        return Person("Ann", 30, Address("Main 1", "Bern"), tags=["a", "b"])

    @invokable
    def make_team(self) -> Team:
        ann, bob = Person("Ann", 30, Address("Main 1", "Bern")), Person("Bob", 31, Address("Side 2", "Basel", "4000"))
        return Team("core", [ann, bob], {"head": Address("Hill 3", "Chur")})

    @invokable
    def echo(self, value: Any) -> Any:
        return value

    @invokable
    def echo_person(self, person: Person) -> Person:
        return person

    @invokable
    def describe(self, person: Person) -> str:
        return f"{person.name} ({person.age}) of {person.address.city}"

    @invokable
    def cities(self, team: Team) -> list[str]:
        return [member.address.city for member in team.members] + sorted(a.city for a in team.offices.values())

    @invokable
    def oldest(self, people: list[Person]) -> str:
        return max(people, key=lambda person: person.age).name

    @invokable
    def by_key(self, people: dict[str, Person]) -> dict[str, int]:
        return {key: person.age for key, person in people.items()}

    @invokable
    def nickname(self, person: Person) -> list[Any]:
        """The nickname and whether there is one: an empty text is one."""
        return [person.nickname, person.nickname is not None]

    @invokable
    def type_of(self, value: Any) -> str:
        return type(value).__name__
