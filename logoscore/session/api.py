"""LogosAPI: what a module gets in ``init_logos``, and the app as ``core.api``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from logoscore.errors import StateError
from logoscore.interface import Event
from logoscore.session.execution import Caller, current_caller

if TYPE_CHECKING:
    from pathlib import Path

    from logoscore.metadata import Metadata
    from logoscore.session.client import LogosAPIClient
    from logoscore.session.node import Node
    from logoscore.session.provider import LogosAPIProvider
    from logoscore.session.subscription import Subscription
    from logoscore.tokens import TokenManager

__all__ = ["LogosAPI"]


#: Gives the default Core's ``api``. Set by ``logoscore.functions``, which is above us, when it is first used.
default_api: Callable[[], LogosAPI] | None = None


class LogosAPI:
    """One party's way to the others. A module has one; the app's is ``core.api``. Thread-safe.

    ``LogosAPI("core")``, as in Logos Core's own example, is the ``api`` of the default Core.

    Attributes:
        name: who I am.
        metadata: what ``metadata.json`` says of me; None for the app.
        instance_id: unique for each load.
    """

    def __init__(
        self,
        node: Node | str,
        *,
        metadata: Metadata | None = None,
        instance_id: str = "",
        persistence_path: str | None = None,
        include: tuple[str, ...] = (),
    ) -> None:
        if isinstance(node, str):
            of_app = _api_of_app(node)
            node, instance_id, persistence_path = of_app._node, of_app.instance_id, of_app._persistence_path
        self._node: Node = node
        self.name = self._node.name
        self.metadata = metadata
        self.instance_id: str = instance_id
        self._include = include
        self._persistence_path: str | None = persistence_path

    @property
    def persistence_path(self) -> Path | None:
        """A folder of my own, made when first asked for; None if the app gave no ``persistence_dir``."""
        if self._persistence_path is None:
            return None
        from pathlib import Path  # not in every host's start

        path = Path(self._persistence_path)
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def include(self) -> tuple[Path, ...]:
        """The files that my metadata lists, as absolute paths."""
        from pathlib import Path

        return tuple(map(Path, self._include))

    @property
    def provider(self) -> LogosAPIProvider:
        """The part that serves calls to me."""
        return self._node.provider

    @property
    def tokens(self) -> TokenManager:
        """Who may call me, and what I present to others."""
        return self._node.tokens

    def get_client(self, target: str) -> LogosAPIClient:
        """The client for module ``target`` (or for whoever provides a capability of that name), always the same one.

        Nothing happens yet: the first call asks the capability module for the pair's token and opens the channel.
        """
        return self._node.client(target)

    def trigger(self, event: str, *data: Any) -> None:
        """Publish an event to everybody who has subscribed to it.

        Waits, within the running call's deadline or the default timeout, for subscribers that chose to block when they
        are full.

        Raises:
            SerializationError: the data cannot travel; the error names the event.
        """
        self._node.publisher.trigger(event, data)

    def on_event(self, module: str, event: str | None, callback: Callable[[Event], Any]) -> Subscription:
        """Call ``callback(event)`` for each such event of ``module``; see :meth:`LogosAPIClient.on_event`."""
        return self.get_client(module).on_event(event, callback)

    def current_caller(self) -> Caller:
        """Who called the method that runs now (``name``), and how long he waits (``remaining``, seconds).

        Raises:
            StateError: outside of a call.
        """
        return current_caller()

    def __repr__(self) -> str:
        return f"<LogosAPI of {self.name}>"


def _api_of_app(name: str) -> LogosAPI:
    """The default Core's ``api``. Raises StateError: there is none, or ``name`` is not the app's."""
    if name != "core":
        raise StateError(f"LogosAPI({name!r}): a module gets its LogosAPI in init_logos; the app makes 'core' only")
    if default_api is None:
        raise StateError("LogosAPI('core') is the default Core's: call logoscore.start() first, or use core.api")
    return default_api()
