"""The seed's experimental pair, for programs that pump: calls and listeners whose callbacks run on the pumping thread.

Rules:

* Results and events are queued by whoever brings them, and delivered only inside ``process_events`` or ``exec``, on the
  thread that calls these, each exactly once. The texts are those that existing clients match.
* A thread that is about to pump reads the replies to its calls itself, for a moment: see ``session/own_replies.py``.
* Once closed, nothing is delivered any more: what a callback points at may be gone with the app's interest in it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from logoscore.errors import (
    AuthenticationError,
    ChannelClosedError,
    LogosError,
    ModuleCrashedError,
    PermissionDeniedError,
    ProtocolViolationError,
    StateError,
    UnknownModuleError,
)
from logoscore.interface import Event
from logoscore.json_values import ParametersError, as_text, event_text, parse_params
from logoscore.locks import Thread
from logoscore.session.own_replies import OwnReplies
from logoscore.session.wire_errors import safe_text

if TYPE_CHECKING:
    from logoscore.session.client import LogosAPIClient
    from logoscore.session.subscription import Subscription

__all__ = ["Callbacks"]

Callback = Callable[[int, str], Any]
_SUCCESS: Final = "Method call successful. Result: "
_FAILURE: Final = "Method call returned invalid result: "
_MOMENT: Final = 1e-4
"""Seconds; some two wake-ups of a thread."""
_MOMENT_NS: Final = int(_MOMENT * 1e9)
_NOTHING: Final = object()
_ABSENT: Final = (UnknownModuleError, StateError, ModuleCrashedError)
_OUT_OF_REACH: Final = (AuthenticationError, PermissionDeniedError, ChannelClosedError, ProtocolViolationError)


class Callbacks:
    """The queue between the threads that bring results and the one that pumps.

    Args:
        get_client: gives the app's client for a module.
    """

    def __init__(self, get_client: Callable[[str], LogosAPIClient]) -> None:
        self._get_client = get_client
        self._due: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self._code = 0
        self._closed = False
        self._listeners: list[Subscription] = []
        self._pending: set[object] = set()
        """Calls under way."""
        self._own = OwnReplies()
        self._lock = threading.Lock()

    def call(self, plugin: str, method: str, params: Any, callback: Callback) -> None:
        """See ``Core.call_plugin_method_async``. Never raises for what can be told through the callback."""
        check_callback(callback)
        if not plugin or not method:
            self.tell(callback, 0, "Plugin name or method name is null")
            return
        try:
            args = parse_params(params)
        except ParametersError as exc:
            self.tell(callback, 0, str(exc))
            return
        try:
            reads = self._own.expected()
            client = self._get_client(plugin)
            pending = client.begin(method, *args) if reads else client.submit(method, *args)
        except Exception as exc:  # noqa: BLE001 - whatever it cannot begin with is what the callback is told
            self.tell(callback, 0, _not_begun(plugin, exc))
        else:
            if reads:
                self._own.add(pending)
            self._pending.add(pending)
            pending.add_done_callback(lambda call: self._settled(callback, call))

    def _settled(self, callback: Callback, call: Any) -> None:
        self._pending.discard(call)
        try:
            message = _SUCCESS + as_text(call.result())
        except Exception as exc:  # noqa: BLE001 - whatever the call ended with is what the callback is told
            self.tell(callback, 0, _FAILURE + safe_text(exc))
        else:
            self.tell(callback, 1, message)

    def listen(self, plugin: str, event: str, callback: Callback) -> Subscription:
        """See ``Core.register_event_listener``."""
        check_callback(callback)

        def queue_it(happened: Event) -> None:
            message = event_text(happened)
            self._due.put(lambda: subscription.cancelled or callback(1, message))

        subscription = self._get_client(plugin).on_event(event, queue_it)
        with self._lock:
            self._listeners = [each for each in self._listeners if not each.cancelled]
            self._listeners.append(subscription)
        return subscription

    def load(self, load: Callable[[], object], name: str, callback: Callback) -> None:
        """Run ``load``, which loads ``name``, on a thread of its own; see ``Core.load_plugin_async``."""
        check_callback(callback)

        def run() -> None:
            try:
                load()
            except Exception as exc:  # noqa: BLE001 - whatever loading raises is what the callback is told
                self.tell(callback, 0, f"Failed to load plugin '{name}': {safe_text(exc)}")
            else:
                self.tell(callback, 1, f"Plugin '{name}' loaded successfully")

        Thread(target=run, name=f"logos-load-{name}").start()

    def echo(self, data: str | None, callback: Callback) -> None:
        """See ``Core.async_operation``."""
        check_callback(callback)
        self.tell(callback, 1, f"Async operation completed successfully for: {'no data' if data is None else data}")

    def clear_listeners(self) -> None:
        """Cancel every listener; what is queued for one is not delivered any more."""
        with self._lock:
            listeners, self._listeners = self._listeners, []
        for subscription in listeners:
            subscription.cancel()

    def tell(self, callback: Callback, result: int, message: str) -> None:
        """Queue one call of ``callback``."""
        self._due.put(lambda: callback(result, message))

    # --- pumping ----------------------------------------------------------------------------------------------------

    def process_events(self) -> int:
        """Run what is due now; returns how many callbacks ran. What one raises is raised here, after it alone."""
        began = time.monotonic_ns()
        count = quits = 0
        due = self._first_due(began)
        left = self._due.qsize()  # what callbacks bring about comes next time
        while due is not _NOTHING and not self._closed:
            if due is None:
                quits += 1  # for exec, on another thread or further up on this one
            else:
                due()
                count += 1
            due, left = (self._next_due(0.0), left - 1) if left else (_NOTHING, 0)
        for _ in range(quits):
            self._due.put(None)
        self._own.pumped(began)
        return count

    def _first_due(self, began: int) -> Any:
        """What is due, or is so after a moment, in which whoever brings it gets the GIL.

        A program that pumps in a loop would else keep it from them: released and taken at once, the GIL goes to nobody
        else for 5 ms.
        """
        if not self._pending and not self._listeners:
            return self._next_due(0.0)
        self._own.read(began + _MOMENT_NS if self._due.empty() else began)
        return self._next_due(_MOMENT)

    def _next_due(self, timeout: float) -> Any:
        try:
            return self._due.get(timeout=timeout)
        except queue.Empty:
            return _NOTHING

    def exec(self) -> int:
        """Run callbacks as they come, until :meth:`quit` or :meth:`close`; returns the code given there."""
        with self._own.blocking():
            while not self._closed and (due := self._wait_due()) is not None:
                if self._closed:
                    break
                due()
        if self._closed:
            self._due.put(None)  # for another thread in here
        return self._code

    def _wait_due(self) -> Any:
        now = time.monotonic_ns()
        self._own.read(now + _MOMENT_NS if self._due.empty() else now)
        return self._due.get()

    def quit(self, code: int = 0) -> None:
        """Make :meth:`exec` return ``code``."""
        self._code = code
        self._due.put(None)

    def close(self) -> None:
        """Deliver nothing any more, and make every :meth:`exec` return."""
        self._closed = True
        self._due.put(None)


def check_callback(callback: object) -> None:
    """Raises TypeError unless ``callback`` can be called."""
    if not callable(callback):
        raise TypeError(f"a callback is callable; {type(callback).__name__} is not")


def _not_begun(plugin: str, exc: Exception) -> str:
    """What clients are told of a call that could not be sent."""
    if isinstance(exc, _ABSENT):
        return f"Plugin not loaded: {plugin}"
    if isinstance(exc, _OUT_OF_REACH):
        import logging

        # Clients match this text whole, so the reason has to stand elsewhere.
        logging.getLogger("logoscore").warning("%s cannot be reached: %s", plugin, safe_text(exc))
        return f"Failed to connect to plugin: {plugin}"
    return _FAILURE + (safe_text(exc) if isinstance(exc, LogosError) else f"{type(exc).__name__}: {safe_text(exc)}")
