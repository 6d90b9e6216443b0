"""The sample modules records (a class both sides import) and local_records (one that only the module knows)."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest

from logoscore import Core, Record
from logoscore.errors import InvalidArgumentsError


@pytest.fixture(scope="module")
def records(shared_core: Core) -> Any:
    return shared_core.load_plugin("records")


@pytest.fixture(scope="module")
def local(shared_core: Core) -> Any:
    return shared_core.load_plugin("local_records")


@pytest.fixture(scope="module")
def model(_installed: None) -> ModuleType:
    return importlib.import_module("logos_acceptance.records.module")


ANN = {"name": "Ann", "age": 30, "address": {"street": "Main 1", "city": "Bern"}}


def test_dataclass_in_dataclass(records: Any, model: Any) -> None:
    person = records.call("make_person")
    assert type(person) is model.Person
    assert type(person.address) is model.Address
    assert person == model.Person("Ann", 30, model.Address("Main 1", "Bern"), tags=["a", "b"])


def test_lists_and_dicts_of_dataclasses(records: Any, model: Any) -> None:
    team = records.call("make_team")
    assert type(team) is model.Team
    assert [type(member) for member in team.members] == [model.Person, model.Person]
    assert team.offices == {"head": model.Address("Hill 3", "Chur")}
    assert records.call("cities", team) == ["Bern", "Basel", "Chur"]
    assert records.call("echo", team) == team
    ann, bob = team.members
    assert records.call("oldest", [ann, bob]) == "Bob"
    assert records.call("by_key", {"x": ann, "y": bob}) == {"x": 30, "y": 31}


def test_unannotated_argument_keeps_its_class(records: Any, model: Any) -> None:
    person = model.Person("Cid", 5, model.Address("A", "B"))
    assert records.call("type_of", person) == "Person"
    answer = records.call("echo", {"deep": [(person,)]})
    assert answer == {"deep": [(person,)]}
    assert type(answer["deep"][0][0]) is model.Person


def test_dict_fits_a_dataclass_annotation(records: Any, model: Any) -> None:
    assert records.call("describe", ANN) == "Ann (30) of Bern"
    answer = records.call("echo_person", ANN)
    assert answer == model.Person("Ann", 30, model.Address("Main 1", "Bern"))


@pytest.mark.parametrize(
    ("extra", "expected"),
    [({}, [None, False]), ({"nickname": None}, [None, False]), ({"nickname": ""}, ["", True]),
     ({"nickname": "Annie"}, ["Annie", True])],
)  # fmt: skip
def test_optional_field(records: Any, extra: dict[str, Any], expected: list[Any]) -> None:
    assert records.call("nickname", {**ANN, **extra}) == expected


@pytest.mark.parametrize("nickname", [None, "", "Annie"])
def test_optional_field_of_an_instance(records: Any, model: Any, nickname: str | None) -> None:
    person = model.Person("Ann", 30, model.Address("Main 1", "Bern", nickname), nickname)
    answer = records.call("echo_person", person)
    assert answer == person
    assert answer.nickname is None if nickname is None else answer.nickname == nickname
    assert records.call("nickname", person) == [nickname, nickname is not None]


@pytest.mark.parametrize(
    ("method", "argument", "words"),
    [
        ("describe", {"name": "Ann", "address": ANN["address"]}, ["args[0]", "age"]),
        ("describe", {**ANN, "address": {"street": "Main 1"}}, ["args[0]", "address", "city"]),
        ("describe", {**ANN, "age": "thirty"}, ["args[0]", "age"]),
        ("describe", {**ANN, "tags": ["fine", 2]}, ["args[0]", "tags", "[1]"]),
        ("describe", "Ann", ["args[0]"]),
        ("describe", None, ["args[0]"]),
        ("oldest", [ANN, {"name": "Bob"}], ["args[0][1]"]),
    ],
)
def test_what_does_not_fit_is_refused(records: Any, method: str, argument: Any, words: list[str]) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        records.call(method, argument)
    for word in [*words, "records", method]:
        assert word in str(caught.value)
    assert records.call("describe", ANN) == "Ann (30) of Bern"


def test_class_unknown_here_is_a_record(local: Any) -> None:
    note = local.call("make", "hello")
    assert isinstance(note, Record)
    assert (note.text, note.stars, note.tags) == ("hello", 3, ["draft"])
    assert list(note.fields) == ["text", "stars", "tags"]
    assert "Note" in note.type_name
    with pytest.raises(AttributeError, match="colour"):
        _ = note.colour


def test_record_goes_back_as_the_original_class(local: Any) -> None:
    note = local.call("make", "hello")
    assert local.call("is_note", note) is True
    assert local.call("text_of", note) == "hello"
    nested = local.call("make_many")
    assert [each.text for each in nested["first"]] == ["one", "two"]
    assert local.call("is_note", nested["first"][1]) is True
    assert local.call("is_note", {"text": "hello"}) is False


@dataclass
class Ticket:
    """A class that the host has no reason to know."""

    number: int
    parts: list[str] = field(default_factory=list)
    parent: Ticket | None = None


def test_class_of_the_app_comes_back_as_itself(records: Any, local: Any) -> None:
    ticket = Ticket(1, ["a"], Ticket(0))
    for module in (records, local):
        answer = module.call("echo", ticket)
        assert type(answer) is Ticket
        assert answer == ticket
        assert type(answer.parent) is Ticket


def test_fields_of_a_record_fit_an_annotation(local: Any) -> None:
    assert local.call("text_of", {"text": "from a dict"}) == "from a dict"
    with pytest.raises(InvalidArgumentsError, match="text"):
        local.call("text_of", {"stars": 3})
