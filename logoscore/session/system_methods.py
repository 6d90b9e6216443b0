"""What the ModuleProxy itself answers to, under the seed's names, whatever module it stands for (frame kind SYSTEM)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from logoscore.errors import AuthenticationError, ProtocolViolationError, UnknownMethodError
from logoscore.interface import MethodInfo
from logoscore.tokens import TokenManager
from logoscore.transport import frame as fr
from logoscore.transport.frame import Frame

if TYPE_CHECKING:
    from logoscore.session.serving import ServingLink

__all__ = ["GET_METHODS", "INFORM_TOKEN", "SystemMethods"]

INFORM_TOKEN: Final = b"informModuleToken"
GET_METHODS: Final = b"getPluginMethods"


class SystemMethods:
    """One proxy's.

    Args:
        module: the module's name.
        tokens: which token each peer must present.
        methods: the module's invokable methods, when they are known.
    """

    def __init__(
        self, module: str, tokens: TokenManager, methods: Callable[[Frame, ServingLink], list[MethodInfo]]
    ) -> None:
        self._module = module
        self._tokens = tokens
        self._methods = methods

    def call(self, frame: Frame, link: ServingLink) -> None:
        """Answer one frame, in the thread that read it. No turn is needed: no code of the module runs."""
        head, buffers = fr.split_payload(frame.payload, frame.flags)
        args, _ = link.codec.decode_arguments(head, buffers, False)
        if frame.name == INFORM_TOKEN:
            value: Any = self._inform_token(link, args)
        elif frame.name == GET_METHODS:
            value = self._methods(frame, link)
        else:
            raise UnknownMethodError(f"{self._module} has no system method {frame.name!r}", module=self._module)
        link.reply(fr.REPLY, frame.call_id, value, frame.deadline)

    def _inform_token(self, link: ServingLink, args: list[Any]) -> bool:
        """``informModuleToken(token_1, peer, token)``: only the capability module, and only with our own token."""
        if len(args) != 3 or not all(isinstance(arg, str) for arg in args):
            raise ProtocolViolationError(f"{link.peer} sent a malformed informModuleToken")
        own, peer, token = args
        if link.peer != "capability_module" or not self._tokens.check_valid(link.peer, own):
            raise AuthenticationError(f"{link.peer} may not plant tokens in {self._module}")
        self._tokens.admit(peer, token)
        return True
