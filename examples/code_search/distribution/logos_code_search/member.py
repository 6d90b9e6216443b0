"""What every module of this example can do: be asked whom it can reach, and echo."""

from __future__ import annotations

from logoscore import LogosResult, PermissionDeniedError, PluginInterface, invokable


class Member(PluginInterface):
    """The base of the four modules. Methods marked in a base class can be called like the module's own."""

    @invokable
    def may_reach(self, target: str) -> LogosResult:
        """Whether this module gets through to ``target``: it really tries to. A failure says why not.

        ``wait_ready`` does what every first call does: it asks the capability module for a token, and the core for a
        channel. A LogosResult is for outcomes that are no accident; an exception would reach our caller as RemoteError.
        """
        try:
            self.api.get_client(target).wait_ready(timeout=5.0)
        except PermissionDeniedError as refusal:
            return LogosResult.fail(str(refusal))
        return LogosResult.ok()

    @invokable
    def echo(self, data: bytes) -> bytes:
        """Give ``data`` back. The demo measures the round trip of a call with it."""
        return data
