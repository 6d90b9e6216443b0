"""LogosAPIProvider: the incoming channels of one module, each served by threads of its own, all before one ModuleProxy."""

from __future__ import annotations

from logoscore.errors import ChannelClosedError, LogosError
from logoscore.session.module_proxy import ModuleProxy
from logoscore.session.serving import ServingLink
from logoscore.session.threads import LinkOwner
from logoscore.transport.channel import Channel
from logoscore.transport.codec import Codec

__all__ = ["LogosAPIProvider"]


class LogosAPIProvider:
    """Exposes one module to the others (Logos Core's LogosAPIProvider): its proxy, and a thread per incoming channel."""

    def __init__(self, proxy: ModuleProxy, owner: LinkOwner) -> None:
        self.proxy = proxy
        self._owner = owner
        self._links: dict[int, ServingLink] = {}

    def serve(self, link: int, peer: str, channel: Channel, codec: Codec) -> None:
        """Begin to serve an incoming channel.

        Raises:
            RuntimeError: the system has no thread left; the channel is closed.
        """
        serving = ServingLink(link, peer, channel, codec, self.proxy, self._owner)
        self._links[link] = serving
        try:
            serving.start()
        except (RuntimeError, LogosError) as exc:
            self.close_link(link, ChannelClosedError(f"{self.proxy.module} has no thread left: {exc}"))
            channel.dispose()
            raise

    def link(self, link: int) -> ServingLink | None:
        """The incoming channel of that number, or None."""
        return self._links.get(link)

    def close_link(self, link: int, error: LogosError) -> bool:
        """End an incoming channel. False if it is not one of these."""
        serving = self._links.pop(link, None)
        if serving is None:
            return False
        serving.close(error)
        return True

    def close(self, error: LogosError) -> None:
        """End all of them."""
        for link in list(self._links):
            self.close_link(link, error)

    def links(self) -> list[ServingLink]:
        """The incoming channels."""
        return list(self._links.values())

    def busy(self) -> bool:
        """Whether a call runs, or its reply is being sent."""
        return any(link.busy for link in list(self._links.values()))

    def abandon(self, error: LogosError) -> None:
        """See ``Node.abandon``."""
        for link in self._links.values():
            link.channel.abandon(error)

    def __repr__(self) -> str:
        return f"<LogosAPIProvider of {self.proxy.module}: {len(self._links)} channels>"
