"""``on_event``: a thread for each callback, which takes one event after the other and the module's turn for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from logoscore.errors import LogosError, ModuleCrashedError
from logoscore.interface import Event
from logoscore.session.subscription import Subscription

if TYPE_CHECKING:
    from logoscore.session.node import Node

__all__ = ["listen", "run_callback"]


def listen(node: Node, target: str, event: str | None, callback: Callable[[Event], Any]) -> Subscription:
    """See :meth:`LogosAPIClient.on_event`."""
    subscription = node.subscribe(target, event, 1024, "block")
    try:
        node.threads.start(
            lambda: run_callback(subscription, callback, lambda: node.turn(target), node.on_exit),
            f"logos-on-{target}",
        )
    except BaseException:
        subscription.cancel()
        raise
    return subscription


def run_callback(
    subscription: Subscription,
    callback: Callable[[Event], Any],
    guard: Callable[[], Any],
    on_exit: Callable[[object], None] | None = None,
) -> None:
    """Call ``callback`` for every event until the end; what it raises is logged and does not end it.

    Args:
        guard: gives a context manager around each call: the module's turn.
        on_exit: called with the exit code when the callback raises SystemExit, which ends a host as it does in a
            method; None (in the app, whose end is not a callback's to decide): that is logged like anything else.
    """
    import logging

    while True:
        try:
            event = next(subscription)
        except StopIteration:
            return
        except ModuleCrashedError as error:
            logging.getLogger("logoscore").warning("%r waits until its module is loaded again: %s", subscription, error)
            if subscription.over:  # (of a party that ended so)
                return
            continue
        except LogosError as error:
            logging.getLogger("logoscore").error("%r has ended: %s", subscription, error)  # noqa: TRY400 - no traceback of ours is of use
            return
        try:
            with guard():
                callback(event)
        except BaseException as exc:
            if isinstance(exc, SystemExit) and on_exit is not None:
                on_exit(exc.code)
                return
            logging.getLogger("logoscore").exception("the callback for %s.%s raised", event.module, event.name)
