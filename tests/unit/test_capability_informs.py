"""The capability module tells a module of a token, while that is being reloaded."""

from __future__ import annotations

from typing import Any

import pytest

from logoscore.errors import AuthenticationError, ModuleNotLoadedError
from logoscore.plugins.capability_module import CapabilityModule


class Node:
    """Of a capability module whose tokens for the callee are these, one after the other; the callee knows the last."""

    def __init__(self, *tokens: str | None) -> None:
        self._tokens = list(tokens)
        self.told: list[tuple[Any, ...]] = []
        self.tokens = self

    def held(self, name: str) -> str | None:
        assert name == "callee"
        return self._tokens[0]

    def client(self, name: str) -> Node:
        assert name == "callee"
        return self

    def system(self, method: str, own: str, caller: str, token: str) -> None:
        self.told.append((own, caller, token))
        if len(self._tokens) > 1:  # it is reloaded just now
            del self._tokens[0]
            raise AuthenticationError("capability_module may not plant tokens in callee")
        if own != "right":
            raise AuthenticationError("capability_module may not plant tokens in callee")


def inform(node: Any) -> None:
    module = CapabilityModule()
    module._node = node
    module._inform("callee", "caller", "new")


def test_a_module_that_was_reloaded_is_told_with_its_new_token() -> None:
    node = Node("old", "older still", "right")
    inform(node)
    assert node.told == [("old", "caller", "new"), ("older still", "caller", "new"), ("right", "caller", "new")]


def test_a_module_that_refuses_the_token_that_it_has_is_an_error() -> None:
    node = Node("old", "wrong")
    with pytest.raises(AuthenticationError):
        inform(node)
    assert len(node.told) == 2


def test_a_module_that_is_gone_is_not_loaded() -> None:
    with pytest.raises(ModuleNotLoadedError, match="just been unloaded"):
        inform(Node("old", None))
