"""Mock mode: a module's class run in the test's process, its calls to others answered by the test.

A mock stands for ``call``, ``submit``, ``on_event`` and ``trigger``. Values go through the real codec, so what cannot travel
fails here too, and an unknown method is the real error. For anything else use the ``logos_core`` fixture: real hosts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from logoscore.errors import LogosError, StateError, UnknownMethodError
from logoscore.interface import Event, PluginInterface, default_name, give_api
from logoscore.session.wire_errors import remote_error
from logoscore.transport.codec import SAFE

__all__ = ["MockClient", "MockLogosAPI", "MockPlatform", "Stub"]

_M = TypeVar("_M", bound=PluginInterface)


class Stub:
    """What a mocked method does; the last word counts."""

    def __init__(self, module: str, method: str) -> None:
        self._name = f"{module}.{method}"
        self._module, self._method = module, method
        self._answer: Callable[..., Any] = lambda *_: None

    def then_return(self, value: Any) -> Stub:
        """Every call gives ``value``."""
        self._answer = lambda *_: value
        return self

    def then_raise(self, error: BaseException) -> Stub:
        """Every call raises: a LogosError as it is, anything else as the RemoteError that a caller would get."""

        def answer(*_: Any) -> Any:
            raise error

        self._answer = answer
        return self

    def then_call(self, function: Callable[..., Any]) -> Stub:
        """Every call gives what ``function(*args)`` gives."""
        self._answer = function
        return self

    def __call__(self, *args: Any) -> Any:
        try:
            return self._answer(*args)
        except LogosError:
            raise
        except Exception as exc:
            raise remote_error(exc, self._module, self._method) from exc


class MockSubscription:
    """Stands for a Subscription that has a callback."""

    def __init__(self, remove: Callable[[], None]) -> None:
        self._remove: Callable[[], None] | None = remove

    def cancel(self) -> None:
        """The callback gets no more events. Idempotent."""
        remove, self._remove = self._remove, None
        if remove is not None:
            remove()


class _Mocked:
    """The origin of a mock's calls: these are settled before anybody sees them."""

    method = ""

    def outcome(self, reply: bytes) -> Any:
        return reply

    def abandon(self) -> None:
        pass

    def read(self, call: Any, until: int) -> None:
        pass

    def refuse_in_callback(self) -> None:
        """Nothing is waited for."""

    def timed_out(self) -> LogosError:
        return StateError("a mock does not time out")


_MOCKED = _Mocked()


class MockClient:
    """Stands for a LogosAPIClient."""

    def __init__(self, platform: MockPlatform, name: str) -> None:
        self._platform = platform
        self.name = name

    def call(self, method: str, *args: Any, timeout: float | None = None) -> Any:  # noqa: ARG002 - nothing waits here
        """As ``LogosAPIClient.call``: what the test said, after a trip through the codec."""
        return self._platform.answer(self.name, method, _travel(args))

    def submit(self, method: str, *args: Any, timeout: float | None = None) -> Any:  # noqa: ARG002 - likewise
        """As ``LogosAPIClient.submit``: a future that is settled already."""
        from logoscore.session.call import Call

        future = Call(_MOCKED)
        try:
            future.set_result(self.call(method, *args))
        except Exception as exc:  # noqa: BLE001 - it is the future's outcome
            future.set_exception(exc)
        return future

    def on_event(self, event: str | None, callback: Callable[[Event], Any]) -> MockSubscription:
        """As ``LogosAPIClient.on_event``; events come from ``MockPlatform.emit``."""
        listener = (self.name, event, callback)
        self._platform.listeners.append(listener)
        return MockSubscription(lambda: self._platform.listeners.remove(listener))


class MockLogosAPI:
    """Stands for a LogosAPI."""

    def __init__(self, platform: MockPlatform, name: str) -> None:
        self._platform = platform
        self.name = name
        self.metadata = None
        self.instance_id = "mock"
        self.persistence_path = None
        self.include = ()

    def get_client(self, target: str) -> MockClient:
        """A client whose calls the test answers."""
        return MockClient(self._platform, target)

    def trigger(self, event: str, *data: Any) -> None:
        """Note the event in ``MockPlatform.events``, and give it to listeners."""
        self._platform.emit(self.name, event, *data)

    def on_event(self, module: str, event: str | None, callback: Callable[[Event], Any]) -> MockSubscription:
        """See :meth:`MockClient.on_event`."""
        return self.get_client(module).on_event(event, callback)


class MockPlatform:
    """Mock mode, while it is entered: stubs, and a record of what happened.

    Attributes:
        calls: ``(module, method, args)`` of every call, in order.
        events: every event that was triggered, in order.
    """

    _active: ClassVar[list[MockPlatform]] = []

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, tuple[Any, ...]]] = []
        self.events: list[Event] = []
        self.listeners: list[tuple[str, str | None, Callable[[Event], Any]]] = []
        self._stubs: dict[tuple[str, str], Stub] = {}

    @classmethod
    def active(cls) -> MockPlatform:
        """The one that was entered last. Raises StateError."""
        if not cls._active:
            raise StateError("mock mode is not on: use the logos_mock fixture, or 'with MockPlatform():'")
        return cls._active[-1]

    def when(self, module: str, method: str) -> Stub:
        """Say what ``module.method`` does; without a further word it returns None."""
        return self._stubs.setdefault((module, method), Stub(module, method))

    def start(self, cls: type[_M]) -> _M:
        """Make and initialise a module's class here, with a mock LogosAPI."""
        module = cls()
        module.name = default_name(cls)
        api: Any = self.api(default_name(cls))  # (the mock stands for a LogosAPI)
        give_api(module, api)
        module.init_logos(api)
        return module

    def api(self, name: str) -> MockLogosAPI:
        """A LogosAPI for a module of that name."""
        return MockLogosAPI(self, name)

    def emit(self, module: str, event: str, *data: Any) -> None:
        """Let an event of ``module`` happen."""
        if not isinstance(event, str) or not event:
            raise TypeError(f"an event's name is a non-empty str, not {event!r}")
        sequence = sum(1 for each in self.events if each.module == module) + 1
        happened = Event(module, event, _travel(data), sequence, 0.0)
        self.events.append(happened)
        for source, wanted, callback in list(self.listeners):
            if source == module and wanted in (None, event):
                callback(happened)

    def answer(self, module: str, method: str, args: tuple[Any, ...]) -> Any:
        """What a call gives. Raises UnknownMethodError if the test has not said."""
        self.calls.append((module, method, args))
        stub = self._stubs.get((module, method))
        if stub is None:
            raise UnknownMethodError(
                f"nothing was said about {module}.{method}: when({module!r}, {method!r}).then_return(...)",
                module=module,
                method=method,
            )
        return _travel((stub(*args),))[0]

    def __enter__(self) -> MockPlatform:
        self._active.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._active.remove(self)


def _travel(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """What arrives when these values are sent."""
    arrived, _ = SAFE.decode_arguments(*SAFE.encode_arguments(values), False)
    return tuple(arrived)
