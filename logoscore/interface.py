"""What a module's author touches: :class:`PluginInterface`, :func:`invokable`, and the values that calls pass around.

Pure: no processes, no channels. A module's class is defined with these names alone. Values are msgspec Structs, since
``dataclasses`` brings ``inspect`` along: a fifth of what a host's imports would take.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec

from logoscore.errors import StateError

if TYPE_CHECKING:
    from logoscore.session.api import LogosAPI

__all__ = ["Event", "LogosResult", "MethodInfo", "ParameterInfo", "PluginInterface", "invokable", "is_invokable"]

MARK = "__logos_invokable__"
"""The attribute of a function that is invokable."""
_F = TypeVar("_F", bound=Callable[..., Any])


def invokable(function: _F = None) -> _F:  # type: ignore[assignment]  # None: who calls it is told what to write
    """Mark a method as callable from other modules and the app (Logos Core's ``Q_INVOKABLE``).

    What is not marked cannot be called. Names that begin with an underscore cannot be marked.

    Raises:
        TypeError: the thing marked is not a function, or its name begins with an underscore; or ``@invokable()`` was
            written, with parentheses.
    """
    if function is None:
        raise TypeError("use @invokable without parentheses: it takes the function that it marks, and no options")
    name = getattr(function, "__name__", None)
    if not callable(function) or name is None:
        raise TypeError(f"@invokable marks functions, not {type(function).__name__}")
    if name.startswith("_"):
        raise TypeError(f"@invokable cannot mark {name!r}: names that begin with an underscore are private")
    setattr(function, MARK, True)
    return function


def is_invokable(function: object) -> bool:
    """Whether ``function`` carries the mark of :func:`invokable`."""
    return getattr(function, MARK, False) is True


class PluginInterface:
    """The base of every module's class.

    A module has one class derived from this. Its host creates it without arguments, in a process of its own, and calls
    :meth:`init_logos` once.

    Class attributes, all optional and all overruled by ``metadata.json`` where there is one:

    ``name``
        the module's name (default for a class that the app loads directly: its class name in snake_case);
    ``version``
        its semantic version;
    ``metadata``
        further metadata keys (``dependencies``, ``calls``, ``concurrency``, …) of a class that the app loads directly.
    """

    name: str | None = None
    version: str | None = None
    metadata: ClassVar[dict[str, Any]] = {}

    api: LogosAPI

    def init_logos(self, api: LogosAPI) -> None:
        """Called once after loading; ``load_plugin`` returns when this has. Other modules may be called from here.

        ``api`` is ``self.api`` already, so there is no need to call the default, which does no more than that.
        """
        self.api = api

    def about_to_unload(self) -> None:
        """Called once before the module is unloaded or reloaded, in its turn; calls to other modules still work.

        Not called when the process dies. It has the app's ``unload_timeout`` (3 s); then the process is ended. What it
        raises is raised by ``unload_plugin``, after the module was unloaded all the same.

        Two more methods are optional, for modules that keep something over a reload: ``save_state()`` returns it, any
        value of the safe codec (at most 16 MiB), before ``about_to_unload``; the new instance's ``restore_state(state)``
        gets it after ``init_logos``, before anybody can call. No call runs meanwhile. If ``save_state`` raises, the
        module stays loaded, and ``reload_plugin`` raises that.
        """


def give_api(instance: PluginInterface, api: LogosAPI) -> None:
    """Before ``init_logos``: whoever overrides that need not keep it. Who has an ``api`` of his own keeps his own."""
    if not hasattr(type(instance), "api") and "api" not in getattr(instance, "__dict__", ()):
        with contextlib.suppress(AttributeError):  # its attributes cannot be set: init_logos has the api, too
            instance.api = api


def default_name(cls: type[PluginInterface]) -> str:
    """The name of a class that the app loads directly: its ``name``, or its class name in snake_case."""
    if isinstance(cls.name, str):
        return cls.name
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__).lower()


class LogosResult:
    """A result that may be a failure, as a value: ``LogosResult(success, value, error)``.

    Unlike an exception it travels as the method's ordinary result. ``value`` of a failure raises
    :class:`~logoscore.errors.StateError` with the failure's text; ``error`` of a success is None.
    """

    __slots__ = ("_value", "error", "success")

    def __init__(self, success: bool, value: Any = None, error: Any = None) -> None:
        self.success = success
        self._value = value
        self.error = error

    @classmethod
    def ok(cls, value: Any = None) -> LogosResult:
        """A success that carries ``value``."""
        return cls(True, value)

    @classmethod
    def fail(cls, error: Any) -> LogosResult:
        """A failure that carries ``error``, usually a text."""
        return cls(False, None, error)

    @property
    def value(self) -> Any:
        """The value of a success; of a failure it raises StateError."""
        if not self.success:
            raise StateError(f"this LogosResult is a failure and has no value: {self.error}")
        return self._value

    def value_or(self, default: Any) -> Any:
        """The value of a success, ``default`` for a failure."""
        return self._value if self.success else default

    def __bool__(self) -> bool:
        return self.success

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LogosResult):
            return NotImplemented
        return (self.success, self._value, self.error) == (other.success, other._value, other.error)

    def __hash__(self) -> int:
        return hash((LogosResult, self.success))

    def __repr__(self) -> str:
        return f"LogosResult.ok({self._value!r})" if self.success else f"LogosResult.fail({self.error!r})"


class Event(msgspec.Struct, frozen=True):
    """One event as a subscriber sees it."""

    module: str
    """Who triggered it."""
    name: str
    data: tuple[Any, ...]
    sequence: int
    """Counts the events of one publisher instance from 1; a subscriber of some names sees a rising, not a dense, series."""
    timestamp: float
    """When it was triggered, in seconds since the epoch."""
    gap: bool = False
    """True on the first event after the publisher was reloaded or restarted: events may have been missed before it."""


class ParameterInfo(msgspec.Struct, frozen=True):
    """One parameter of a method: its ``name``, its annotation as text (``""`` if none), and its default."""

    name: str
    type: str
    default: Any = None
    required: bool = True
    kind: str = "positional"
    """``"positional"``, ``"keyword"``, ``"var_positional"`` (``*args``) or ``"var_keyword"`` (``**kwargs``)."""


class MethodInfo(msgspec.Struct, frozen=True):
    """An invokable method as introspection shows it."""

    name: str
    parameters: list[ParameterInfo] = []
    return_type: str = ""
    doc: str = ""
    is_async: bool = False
    is_stream: bool = False
    """True for generator methods: call them with ``client.stream``."""
