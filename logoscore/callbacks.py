"""The seed's experimental pair, for programs that pump: calls and listeners whose callbacks run on the pumping thread.

Rules: results and events are queued by whoever brings them, and delivered only inside ``process_events`` or ``exec``, on
the thread that calls these, each exactly once. The texts are those that existing clients match.
"""

from __future__ import annotations

import json
import queue
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from logoscore.errors import LogosError, ModuleNotLoadedError, SerializationError
from logoscore.interface import Event, LogosResult
from logoscore.session.wire_errors import safe_text

if TYPE_CHECKING:
    from logoscore.session.client import LogosAPIClient
    from logoscore.session.subscription import Subscription

__all__ = ["Callbacks"]

Callback = Callable[[int, str], Any]
_SUCCESS: Final = "Method call successful. Result: "


class Callbacks:
    """The queue between the threads that bring results and the one that pumps.

    Args:
        get_client: gives the app's client for a module.
    """

    def __init__(self, get_client: Callable[[str], LogosAPIClient]) -> None:
        self._get_client = get_client
        self._due: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self._code = 0

    def call(self, plugin: str, method: str, params: Any, callback: Callback) -> None:
        """See ``Core.call_plugin_method_async``. Never raises for what can be told through the callback."""
        if not callable(callback):
            raise TypeError(f"a callback is callable; {type(callback).__name__} is not")
        if not plugin or not method:
            self._tell(callback, 0, "Plugin name or method name is null")
            return
        try:
            args = parse_params(params)
            pending = self._get_client(plugin).submit(method, *args)
        except ValueError as exc:
            self._tell(callback, 0, str(exc))
        except ModuleNotLoadedError:
            self._tell(callback, 0, f"Plugin not loaded: {plugin}")
        except LogosError as exc:
            self._tell(callback, 0, safe_text(exc))
        else:
            pending.add_done_callback(lambda call: self._settled(callback, call))

    def _settled(self, callback: Callback, call: Any) -> None:
        try:
            message = _SUCCESS + as_text(call.result())
        except Exception as exc:  # noqa: BLE001 - whatever the call ended with is what the callback is told
            self._tell(callback, 0, safe_text(exc))
        else:
            self._tell(callback, 1, message)

    def listen(self, plugin: str, event: str, callback: Callback) -> Subscription:
        """See ``Core.register_event_listener``."""
        if not callable(callback):
            raise TypeError(f"a callback is callable; {type(callback).__name__} is not")

        def queue_it(happened: Event) -> None:
            message = json.dumps({"event": happened.name, "data": [to_json(item) for item in happened.data]})
            self._due.put(lambda: subscription.cancelled or callback(1, message))

        subscription = self._get_client(plugin).on_event(event, queue_it)
        return subscription

    def _tell(self, callback: Callback, result: int, message: str) -> None:
        self._due.put(lambda: callback(result, message))

    # --- pumping ----------------------------------------------------------------------------------------------------

    def process_events(self) -> int:
        """Run what is due now; returns how many callbacks ran. What one raises is raised here, after it alone."""
        count = 0
        for _ in range(self._due.qsize()):  # what callbacks bring about comes next time
            try:
                due = self._due.get_nowait()
            except queue.Empty:
                break
            if due is not None:
                due()
                count += 1
        return count

    def exec(self) -> int:
        """Run callbacks as they come, until :meth:`quit`; returns its code."""
        while (due := self._due.get()) is not None:
            due()
        return self._code

    def quit(self, code: int = 0) -> None:
        """Make :meth:`exec` return ``code``."""
        self._code = code
        self._due.put(None)


# --- values as JSON -------------------------------------------------------------------------------------------------


def parse_params(params: Any) -> list[Any]:
    """Arguments from a list, or from JSON in either of its two shapes; None: none.

    Raises:
        ValueError: what is wrong, in the words that clients match.
    """
    if params is None or params == "":
        return []
    if isinstance(params, (str, bytes)):
        try:
            params = json.loads(params)
        except (ValueError, RecursionError) as exc:
            raise ValueError(f"JSON parse error: {exc}") from None
    if not isinstance(params, (list, tuple)):
        raise ValueError("JSON parse error: the parameters are not an array")  # noqa: TRY004 - one error for bad JSON
    return [_typed(item) if _is_typed(item) else item for item in params]


def _is_typed(item: Any) -> bool:
    return isinstance(item, dict) and {"value", "type"} <= item.keys() <= {"name", "value", "type"}


def _typed(item: dict[str, Any]) -> Any:
    name, value, kind = item.get("name", ""), item["value"], item["type"]
    try:
        if kind == "int":
            return int(value)
        if kind in {"float", "double"}:
            return float(value)
        if kind == "bool":
            return {"true": True, "1": True, "false": False, "0": False}[str(value).lower()]
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"Invalid parameter: {name}") from None
    return value if isinstance(value, str) else json.dumps(value)


def as_text(value: Any) -> str:
    """A result as clients show it: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(to_json(value))


def to_json(value: Any) -> Any:
    """Any value as what JSON can say; what JSON has no word for becomes text."""
    import msgspec

    if isinstance(value, LogosResult):
        return {"success": value.success, "value": to_json(value.value_or(None)), "error": to_json(value.error)}
    if isinstance(value, float) and (value != value or value in {float("inf"), float("-inf")}):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, dict):
        return {key if isinstance(key, str) else as_text(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(item) for item in value]
    try:
        return msgspec.to_builtins(value, str_keys=True)
    except (TypeError, SerializationError):
        return safe_text(value)
