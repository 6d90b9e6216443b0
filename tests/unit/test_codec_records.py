"""Records: what a peer names is never imported nor run, and what is not there goes out as it came."""

from __future__ import annotations

import enum
import gc
import sys
import weakref
from dataclasses import dataclass, make_dataclass
from types import ModuleType
from typing import Any

import msgspec
import pytest
from codec_support import (
    HOME,
    RAN,
    Base,
    Checked,
    Colour,
    Evil,
    Frozen,
    Hostile,
    Number,
    Perm,
    Plain,
    Point,
    Tagged,
    Word,
    record,
    same,
    show,
    trip,
)

from logoscore.errors import ProtocolViolationError
from logoscore.interface import LogosResult
from logoscore.transport.codec import SAFE, records
from logoscore.transport.codec import extensions as x
from logoscore.transport.codec.extensions import Ext, pack
from logoscore.transport.codec.records import Record, register, unstructure


def test_a_class_that_is_not_there_arrives_as_a_record_and_goes_out_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = ModuleType("shop")
    cls = make_dataclass("Item", [("x", int), ("y", int)], frozen=True)
    cls.__module__ = "shop"
    shop.Item = cls  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shop", shop)
    value = {"k": (cls(1, 2), cls(2**90, {"b", "\ud800"}))}
    head, _ = SAFE.encode(value)
    assert same(SAFE.decode(head), value)
    head = head.replace(b"shop:Item", b"shop:Gone")
    there = SAFE.decode(head)
    first = there["k"][0]
    assert type(first) is Record
    assert (first.type_name, first.kind, first.fields) == ("shop:Gone", "dataclass", {"x": 1, "y": 2})
    assert (first.x, first.y) == (1, 2)
    assert repr(first) == "Record<shop:Gone>(x=1, y=2)"
    assert first == Record("dataclass", "shop:Gone", {"x": 1, "y": 2})
    assert first != Record("dataclass", "shop:Gone", {"x": 1, "y": 3})
    assert hash(first) == hash(Record("dataclass", "shop:Gone", {"x": 1, "y": 2}))
    assert SAFE.encode(there) == (head, ())
    with pytest.raises(AttributeError):
        first.x = 2
    with pytest.raises(AttributeError):
        del first.x
    with pytest.raises(AttributeError, match="no field 'z'"):
        _ = first.z
    with pytest.raises(TypeError):
        hash(there["k"][1])


@pytest.mark.parametrize("value", [Colour.DEEP, Tagged(first_name="n"), Perm.R | Perm.X, Point(1)], ids=show)
def test_every_kind_of_record_echoes_through_a_stranger(value: Any) -> None:
    head, _ = SAFE.encode((value, 1))
    strange = head.replace(HOME.encode() + b":", b"q" * len(HOME) + b":")
    there = SAFE.decode(strange)
    assert type(there[0]) is Record
    assert SAFE.encode(there) == (strange, ())


def test_other_fields_than_the_class_has_arrive_as_a_record() -> None:
    name = f"{HOME}:Base"
    assert SAFE.decode(record(x.DATACLASS, name, a=1)) == Base(1)
    for fields in ({}, {"b": 1}, {"a": 1, "b": 2}, {"__class__": 1}, {"a": 1, "__class__": Base}):
        fields = dict.fromkeys(fields, 1)
        assert SAFE.decode(record(x.DATACLASS, name, **fields)) == Record("dataclass", name, fields)
    assert type(SAFE.decode(record(x.STRUCT, name, a=1))) is Record
    assert type(SAFE.decode(record(x.DATACLASS, f"{HOME}:Plain", a=1, b=1))) is Record
    assert type(SAFE.decode(record(x.ENUM, f"{HOME}:Colour", name="NO", value=1))) is Record


@pytest.mark.parametrize("kind", [x.DATACLASS, x.STRUCT, x.ENUM])
@pytest.mark.parametrize(
    "name",
    [
        "os:system", "subprocess:Popen", "builtins:eval", "builtins:list", "sys:modules", "antigravity:geohash",
        "this:s", ":", "", "os",
        "os:", ":x", "os:path.join", "builtins:object.__class__", "logoscore.errors:LogosError", f"{HOME}:RAN",
        f"{HOME}:trip",
        f"{HOME}:Point.__init__", f"{HOME}:Point.x", "a:b:c", "logoscore.transport.codec:Point", "enum:Enum",
        "msgspec:Struct",
    ],
)  # fmt: skip
def test_what_a_peer_names_is_neither_imported_nor_called(kind: int, name: str) -> None:
    before = set(sys.modules)
    there = SAFE.decode(record(kind, name, name="touch", value=1))
    assert type(there) is Record
    assert there.type_name == name
    assert set(sys.modules) == before


def test_a_class_under_another_name_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    alias = ModuleType("alias")
    alias.Point = Base  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "alias", alias)
    assert type(SAFE.decode(record(x.DATACLASS, "alias:Point", a=1))) is Record


def test_a_lazy_module_is_not_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lazy(ModuleType):
        def __getattribute__(self, name: str) -> Any:
            RAN.append(f"module {name}")
            raise AssertionError

    monkeypatch.setitem(sys.modules, "lazy", Lazy("lazy"))
    RAN.clear()
    assert type(SAFE.decode(record(x.DATACLASS, "lazy:Thing", a=1))) is Record
    assert RAN == []


def test_putting_a_record_together_runs_nothing_of_its_class() -> None:
    RAN.clear()
    there = SAFE.decode(record(x.DATACLASS, f"{HOME}:Evil", x=5))
    assert type(there) is Evil
    assert there.x == 5
    assert type(SAFE.decode(record(x.DATACLASS, f"{HOME}:Guarded", x=5))) is Record
    assert type(SAFE.decode(record(x.STRUCT, f"{HOME}:Checked", a=5))) is Record
    assert type(SAFE.decode(record(x.ENUM, f"{HOME}:Colour", name="GREEN", value=77))) is Record
    assert type(SAFE.decode(record(x.DATACLASS, f"{HOME}:Deleter", path="/"))) is Record
    assert RAN == []


def test_a_struct_with_a_post_init_is_put_together_once_this_process_chose_it() -> None:
    class Local(msgspec.Struct):
        a: int

        def __post_init__(self) -> None:
            if self.a < 0:
                raise ValueError("negative")

    head = record(x.STRUCT, f"{__name__}:{Local.__qualname__}", a=5)
    assert type(SAFE.decode(head)) is Record
    assert register(Local) is Local
    assert SAFE.decode(head) == Local(5)
    negative = SAFE.decode(record(x.STRUCT, f"{__name__}:{Local.__qualname__}", a=-5))
    assert type(negative) is Record


def test_what_this_process_sent_comes_back_as_its_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_registered", weakref.WeakValueDictionary())  # others want it not to be chosen

    @dataclass
    class Local:
        a: int

    class LocalEnum(enum.Enum):
        A = 1

    assert trip([Local(1), LocalEnum.A]) == [Local(1), LocalEnum.A]
    assert type(trip(Checked(1))) is Checked
    RAN.clear()  # its __post_init__ did: we chose it


def test_registering_keeps_no_class_alive() -> None:
    local = weakref.ref(register(make_dataclass("Shortlived", ["a"])))
    name = f"{local().__module__}:Shortlived"  # type: ignore[union-attr]
    assert type(trip(local()(1))).__name__ == "Shortlived"  # type: ignore[misc]
    gc.collect()
    assert local() is None
    assert type(SAFE.decode(record(x.DATACLASS, name, a=1))) is Record
    with pytest.raises(TypeError, match="not a dataclass"):
        register(int)


def test_flags_are_combined_without_their_hooks_and_within_bounds() -> None:
    wide: Any = enum.Flag("wide", [f"F{bit}" for bit in range(14)], module=__name__)
    register(wide)
    name = f"{__name__}:wide"
    kept = [SAFE.decode(record(x.ENUM, name, name=None, value=value)) for value in range(3, 10_000)]
    assert type(kept[0]) is wide
    assert type(kept[-1]) is Record

    class Hooked(enum.Flag):
        A = 1
        B = 2

        @classmethod
        def _missing_(cls, value: object) -> Any:
            RAN.append("missing")
            return super()._missing_(value)

    RAN.clear()
    register(Hooked)
    there = SAFE.decode(record(x.ENUM, f"{__name__}:{Hooked.__qualname__}", name="A|B", value=3))
    assert type(there) is Record
    assert RAN == []


def test_unstructure_makes_dicts_of_records_and_values_of_enums() -> None:
    kept = [1, {"k": (1, {2})}]
    assert unstructure(kept) is kept
    result = LogosResult.ok(Point(1))
    assert unstructure(result) is result
    value = {
        "p": Frozen(Point(1, 2.0, ["t"]), (1,)),
        "s": [Tagged(first_name="n", next_one=Plain(1, Colour.RED))],
        "r": (Record("dataclass", "no:A", {"e": Record("enum", "no:E", {"name": "A", "value": 7})}),),
        Word.HELLO: {Number.ONE},
    }
    assert same(
        unstructure(value),
        {
            "p": {"inner": {"x": 1, "y": 2.0, "tags": ["t"], "area": 0.0}, "key": (1,)},
            "s": [{"first_name": "n", "next_one": {"a": 1, "b": 1}}],
            "r": ({"e": 7},),
            "hello": {1},
        },
    )
    assert unstructure({Base(1): {Base(2)}}) == {Base(1): {Base(2)}}
    assert msgspec.convert(unstructure(Record("dataclass", "no:Base", {"a": 1})), Base) == Base(1)


def test_an_exception_of_a_users_hash_is_contained() -> None:
    @register
    @dataclass(frozen=True)
    class Unhashable:
        a: int

        def __hash__(self) -> int:
            raise LookupError(Hostile())

    head = pack(Ext(x.SET, b"\x91" + record(x.DATACLASS, f"{__name__}:{Unhashable.__qualname__}", a=1)))
    with pytest.raises(ProtocolViolationError, match="LookupError"):
        SAFE.decode(head)
