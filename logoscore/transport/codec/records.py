"""Records: dataclasses, msgspec Structs and Enum members, and how they are put together again without running code.

Rules
-----
1. A record travels as ``[["module:qualname", field names], *values]``.
2. The receiver looks the class up among what it has loaded, through ``__dict__`` alone: nothing is imported, no
   ``__getattr__`` or descriptor runs. Otherwise only classes that this process chose count: those it registered, and
   those it sent.
3. Putting a record together calls no ``__new__``, ``__init__``, ``__post_init__``, ``__setattr__`` or ``_missing_``. A
   class that cannot do without, has other fields (or another order of them), or would run code when the record goes
   away, is not used. (Its ``__hash__`` and ``__eq__`` do run where a record is a key or an element of a set.)
4. What is not put together arrives as a :class:`Record`, which goes out again as the bytes that came in.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Iterable, Mapping
from types import MemberDescriptorType, ModuleType
from typing import Any, Literal, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

import msgspec

from logoscore.transport.codec.extensions import PLAIN, pack

Kind = Literal["dataclass", "struct", "enum"]
_Class = TypeVar("_Class", bound=type)

_ENUM_FIELDS = ("name", "value")
_MAX_COMPOSITES = 4096
"""Combinations of a Flag are kept for ever by ``enum``: more than these are not made on a peer's behalf."""

_StructMeta: Any = type(msgspec.Struct)
_OWN_ENUMS = frozenset({enum.Enum, enum.Flag, enum.IntFlag, enum.IntEnum, enum.StrEnum, int, str, object})
# Of a class itself, past whatever its metaclass says.
_class_dict: Any = type.__dict__["__dict__"].__get__
_class_mro: Any = type.__dict__["__mro__"].__get__
_class_qualname: Any = type.__dict__["__qualname__"].__get__


class Record:
    """A record of a class that this process lacks, or may not put together.

    ``type_name`` is ``"module:qualname"``, ``kind`` one of ``"dataclass"``, ``"struct"``, ``"enum"``. The fields are
    attributes, and all of them are in the dict ``fields``, in their order (an enum member has ``name`` and ``value``).
    """

    __slots__ = ("__weakref__", "fields", "kind", "type_name")

    kind: Kind
    type_name: str
    fields: dict[str, Any]

    def __init__(self, kind: Kind, type_name: str, fields: Mapping[str, Any]) -> None:
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "type_name", type_name)
        object.__setattr__(self, "fields", dict(fields))

    def __getattr__(self, name: str) -> Any:
        if name not in Record.__slots__ and name in self.fields:
            return self.fields[name]
        raise AttributeError(f"a Record<{self.type_name}> has no field {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Record cannot be changed, so {name!r} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Record cannot be changed, so {name!r} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        return (self.type_name, self.kind, self.fields) == (other.type_name, other.kind, other.fields)

    def __hash__(self) -> int:
        return hash((self.type_name, self.kind, tuple(self.fields.items())))

    def __repr__(self) -> str:
        return f"Record<{self.type_name}>({', '.join(f'{name}={value!r}' for name, value in self.fields.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Record, (self.kind, self.type_name, self.fields)


class Plan:
    """What is known of a record's class. It does not hold the class, which may be a local one that ends."""

    __slots__ = ("by_anyone", "by_registered", "kind", "names", "prefix", "type_name")

    def __init__(
        self, kind: Kind, type_name: str, names: tuple[str, ...], *, by_anyone: bool, by_registered: bool
    ) -> None:
        self.kind = kind
        self.type_name = type_name
        self.names = names
        self.prefix = prefix(type_name, names)
        self.by_anyone = by_anyone  # put together for whoever names it
        self.by_registered = by_registered  # or only if this process chose the class


_plans: WeakKeyDictionary[type, Plan | None] = WeakKeyDictionary()
_registered: WeakValueDictionary[str, type] = WeakValueDictionary()


def prefix(type_name: str, names: Iterable[str]) -> msgspec.Raw:
    """The constant part of a record's payload, packed."""
    return msgspec.Raw(pack((type_name, tuple(names))))


def register(cls: _Class) -> _Class:
    """Mark a dataclass, Struct or Enum as chosen by this process. Returns it, so it may decorate.

    Records of it are put together although it cannot be reached by name (a class made in a function), and a Struct
    although it has a ``__post_init__``, which then runs. What this process sends is registered by that. The newest
    class of a name counts; the registry does not keep a class alive.
    """
    plan = plan_of(cls)
    if plan is None:
        raise TypeError(f"{cls!r} is not a dataclass, a msgspec.Struct or an Enum, so it has no records")
    _registered[plan.type_name] = cls
    return cls


# --- what a class is, read without running its code -----------------------------------------------------------------


def plan_of(cls: type) -> Plan | None:
    """The plan of a record class; None for any other class."""
    try:
        return _plans[cls]
    except KeyError:
        plan = _plans[cls] = _make_plan(cls)
        return plan


def _static(cls: type, name: str) -> Any:
    """The class attribute ``name`` as it lies there, no descriptor run."""
    for base in _class_mro(cls):
        found = _class_dict(base)
        if name in found:
            return found[name]
    return None


def _make_plan(cls: type) -> Plan | None:
    type_name = f"{_class_dict(cls).get('__module__')}:{_class_qualname(cls)}"
    quiet = _static(cls, "__del__") is None
    if enum.Enum in _class_mro(cls):
        return Plan("enum", type_name, _ENUM_FIELDS, by_anyone=True, by_registered=True)
    if msgspec.Struct in _class_mro(cls):
        anyone = quiet and _static(cls, "__post_init__") is None
        names = _StructMeta.__struct_fields__.__get__(cls)
        return Plan("struct", type_name, names, by_anyone=anyone, by_registered=True)
    module = sys.modules.get("dataclasses")
    fields = _static(cls, "__dataclass_fields__")
    if module is None or type(fields) is not dict or not all(type(each) is module.Field for each in fields.values()):
        return None
    names = tuple(each.name for each in fields.values() if each._field_type is module._FIELD)
    possible = all(_settable(cls, name) for name in names)
    return Plan("dataclass", type_name, names, by_anyone=possible and quiet, by_registered=possible)


def _settable(cls: type, name: str) -> bool:
    """Whether ``object.__setattr__`` puts the field into a slot or the instance's dict, with nobody in between."""
    found = _static(cls, name)
    if type(found) is MemberDescriptorType:
        return True
    return all(_static(type(found), method) is None for method in ("__set__", "__delete__"))


def _find(kind: Kind, type_name: str) -> tuple[type, Plan] | None:
    """The loaded class of that name and kind which may be used for records from outside."""
    cls = _by_name(type_name)
    plan = None if cls is None else plan_of(cls)
    chosen = _registered.get(type_name)
    if cls is None or plan is None or plan.kind != kind or plan.type_name != type_name:
        cls, plan = chosen, None if chosen is None else plan_of(chosen)
    if cls is None or plan is None or plan.kind != kind:
        return None
    return (cls, plan) if plan.by_anyone or (plan.by_registered and cls is chosen) else None


def _by_name(type_name: str) -> type | None:
    module_name, _, qualname = type_name.partition(":")
    place: Any = sys.modules.get(module_name)
    if not issubclass(type(place), ModuleType):
        return None
    names: Any = object.__getattribute__(place, "__dict__")  # past a lazy module's own __getattribute__
    for part in qualname.split("."):
        place = names.get(part)
        if not issubclass(type(place), type):
            return None
        names = _class_dict(place)
    return place  # type: ignore[no-any-return]  # the loop ran at least once, so it is a class


# --- putting together -----------------------------------------------------------------------------------------------


def build(kind: Kind, items: list[Any]) -> Any:
    """The instance, or else the :class:`Record`, of a payload that was decoded to ``items``.

    Raises:
        ValueError: this is no payload of a record.
    """
    (type_name, names), *values = items
    if type(type_name) is not str or type(names) is not list or len(names) != len(values):
        raise ValueError("not a record")
    found = _find(kind, type_name)
    if found is None or tuple(names) != found[1].names:
        return _record(kind, type_name, names, values)
    cls = found[0]
    if kind == "enum":
        member = _member(cls, *values)
        return _record(kind, type_name, names, values) if member is None else member
    try:
        if kind == "dataclass":
            return _instance(cls, names, values)
        return _StructMeta.__call__(cls, **dict(zip(names, values, strict=True)))
    except Exception:  # noqa: BLE001 - an abstract class, no room for a field, a __post_init__ that objects
        return _record(kind, type_name, names, values)


def _record(kind: Kind, type_name: str, names: list[Any], values: list[Any]) -> Record:
    if not all(type(name) is str for name in names):  # before they are keys: others may collide
        raise ValueError("not the fields of a record")
    fields = dict(zip(names, values, strict=True))
    if len(fields) != len(names):
        raise ValueError("not the fields of a record")
    if kind == "enum" and tuple(names) != _ENUM_FIELDS:
        raise ValueError("not an enum member")
    return Record(kind, type_name, fields)


def _instance(cls: type, names: list[str], values: list[Any]) -> Any:
    instance: Any = object.__new__(cls)
    place = object.__setattr__
    for name, value in zip(names, values, strict=True):
        place(instance, name, value)
    return instance


def _member(cls: Any, name: Any, value: Any) -> Any:
    """The member of that name, or the Flag's combination of that value; None if there is none."""
    own: Any = _class_dict(cls)
    members = own.get("_member_map_")
    if type(members) is dict and type(name) is str and name in members:
        return members[name]
    if enum.Flag not in _class_mro(cls) or type(value) is not int or value < 0:
        return None
    known: dict[Any, Any] = own["_value2member_map_"]
    if value in known:
        return known[value]
    if len(known) >= _MAX_COMPOSITES or value.bit_length() > 256 or not _is_ordinary_flag(cls):
        return None
    try:
        made = enum.Flag.__dict__["_missing_"].__func__(cls, value)
    except ValueError:
        return None
    return made if type(made) is cls and made._value_ == value else None


def _is_ordinary_flag(cls: type) -> bool:
    """Whether nothing that the standard library does to combine flags was replaced."""
    hooks = {"_missing_", "__setattr__", "__getattr__", "__getattribute__", "__eq__", "__hash__", "_numeric_repr_"}
    mine = [base for base in _class_mro(cls) if base not in _OWN_ENUMS and base is not getattr(enum, "ReprEnum", None)]
    own = _class_dict(cls)
    return (
        type(cls) is enum.EnumType
        and own["_member_type_"] in (object, int)
        and not any(hooks & _class_dict(base).keys() for base in mine)
    )


# --- taking apart ---------------------------------------------------------------------------------------------------


def field_values(value: Any, plan: Plan) -> list[Any]:
    """The values of a record's fields in order, past any ``__getattr__``; a missing one is an AttributeError."""
    get = object.__getattribute__
    return [get(value, name) for name in plan.names]


def unstructure(value: Any) -> Any:
    """``value`` with every record as a dict of its fields and every enum member as its value, at any depth.

    Containers are made anew only if something in them changed. Keys and set elements that would become unhashable
    stay as they are, and so does a LogosResult.
    """
    cls = type(value)
    if cls in PLAIN:
        return value
    if cls in (list, tuple, set, frozenset):
        return _unstructured_items(value, cls)
    if cls is dict:
        pairs = [(_hashable(key), unstructure(item)) for key, item in value.items()]
        same = all(a is c and b is d for (a, b), (c, d) in zip(pairs, value.items(), strict=True))
        return value if same else dict(pairs)
    if cls is Record:
        fields = {name: unstructure(item) for name, item in value.fields.items()}
        return fields["value"] if value.kind == "enum" else fields
    plan = plan_of(cls)
    if plan is None:
        return value
    if plan.kind == "enum":
        return unstructure(value._value_)
    return {name: unstructure(item) for name, item in zip(plan.names, field_values(value, plan), strict=True)}


def _unstructured_items(value: Any, cls: Any) -> Any:
    convert = unstructure if cls in (list, tuple) else _hashable
    items = [convert(item) for item in value]
    return value if all(a is b for a, b in zip(items, value, strict=True)) else cls(items)


def _hashable(value: Any) -> Any:
    changed = unstructure(value)
    try:
        hash(changed)
    except TypeError:
        return value
    return changed
