"""Tokens: whatever is wrong about one, the method body never runs.

The modules: auth_vault, and those that want to reach it.
"""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from acceptance.support import raises_remotely
from logoscore import Core
from logoscore.errors import AuthenticationError, PermissionDeniedError, RemoteError

VAULT, PROBE, PEER = "auth_vault", "auth_probe", "auth_peer"
WRONG = {
    "garbage": "garbage",
    "empty": "",
    "blank": " ",
    "another uuid": str(uuid.UUID(int=12345)),
    "zeros": str(uuid.UUID(int=0)),
    "very long": "f" * 10_000,
    "not ascii": "t\N{GREEK SMALL LETTER OMICRON}ken",
}


@pytest.fixture
def vault(core: Core) -> Any:
    return core.load_plugin(VAULT)


@pytest.fixture
def probe(core: Core, vault: Any) -> Any:
    client = core.load_plugin(PROBE)
    assert client.call("touch") == vault.call("count") == 1
    return client


def assert_refused(probe: Any, vault: Any, token: str) -> None:
    """The vault must refuse ``token`` from the probe, untouched; with a token of its own the probe gets through."""
    before = vault.call("count")
    with raises_remotely("AuthenticationError") as caught:
        probe.call("touch_with", token)
    assert vault.call("count") == before, "the method ran"
    assert VAULT in str(caught.value)
    if len(token) > 1:
        assert token not in str(caught.value)
        assert token not in str(caught.value.remote_traceback)
    probe.call("forget", VAULT)
    assert probe.call("touch") == before + 1


def test_wrong_token_of_a_module(probe: Any, vault: Any) -> None:
    for token in WRONG.values():
        assert_refused(probe, vault, token)


def test_wrong_token_of_the_app(core: Core, probe: Any, vault: Any) -> None:
    for touched, (kind, token) in enumerate(WRONG.items(), start=1):
        core.api.tokens.hold(VAULT, token)
        with pytest.raises(AuthenticationError, match=VAULT) as caught:
            vault.call("touch")
        assert isinstance(caught.value, PermissionError)
        # The app has no valid token now, so another module looks.
        assert probe.call("attempt", VAULT, "count", []) == touched, kind
        core.api.tokens.remove(VAULT)
        assert vault.call("touch") == touched + 1


def test_tokens_of_other_pairs(core: Core, probe: Any, vault: Any) -> None:
    peer = core.load_plugin(PEER)
    assert peer.call("touch") == 2
    others = {
        "the peer's": peer.call("held", VAULT),
        "the app's": core.api.tokens.held(VAULT),
        "the vault's own": core.get_token(VAULT),
        "the probe's own": core.get_token(PROBE),
    }
    own = probe.call("held", VAULT)
    for whose, token in others.items():
        assert isinstance(token, str), whose
        assert token != own, whose
        assert_refused(probe, vault, token)


def test_token_of_the_reversed_direction(probe: Any, vault: Any) -> None:
    reversed_token = vault.call("reach_probe")
    assert reversed_token != probe.call("held", VAULT)
    assert_refused(probe, vault, reversed_token)


def test_revoked_token(probe: Any, vault: Any) -> None:
    token = probe.call("held", VAULT)
    assert vault.call("accepts", PROBE, token) is True
    vault.call("revoke", PROBE)
    assert vault.call("accepts", PROBE, token) is False
    assert_refused(probe, vault, token)
    assert vault.call("accepts", PROBE, token) is False


def test_replayed_after_a_reload_of_the_callee(core: Core, probe: Any, vault: Any) -> None:
    old = probe.call("held", VAULT)
    core.reload_plugin(VAULT)
    assert probe.call("touch") == 1, "a reload is made up for without the caller's doing"
    assert probe.call("held", VAULT) != old
    assert_refused(probe, vault, old)


def test_replayed_after_a_reload_of_the_caller(core: Core, probe: Any, vault: Any) -> None:
    old = probe.call("held", VAULT)
    core.reload_plugin(PROBE)
    assert vault.call("accepts", PROBE, old) is False
    assert probe.call("touch") == 2
    assert_refused(probe, vault, old)


def test_module_cannot_plant_a_token_in_another(probe: Any, vault: Any) -> None:
    planted = str(uuid.UUID(int=777))
    for method in ("informModuleToken", "inform_module_token", "save", "tokens", "_tokens"):
        with pytest.raises(RemoteError, match=VAULT) as caught:
            probe.call("attempt", VAULT, method, [probe.call("held", VAULT), PROBE, planted])
        assert caught.value.type_name in {
            "AuthenticationError", "PermissionDeniedError", "UnknownMethodError", "NotInvokableError",
        }, method  # fmt: skip
        assert vault.call("accepts", PROBE, planted) is False
    assert_refused(probe, vault, planted)


@pytest.mark.parametrize("method", ["requestModule", "request_module"])
def test_module_cannot_request_in_another_name(core: Core, probe: Any, method: str) -> None:
    core.load_plugin(PEER)
    for name in (PEER, "core", "capability_module", "auth_stranger"):
        with pytest.raises(RemoteError) as caught:
            probe.call("attempt", "capability_module", method, [name, VAULT])
        assert caught.value.type_name in {"AuthenticationError", "PermissionDeniedError"}, name


def test_app_cannot_request_in_another_name(core: Core, probe: Any) -> None:
    assert probe.call("ping") == "pong"
    with pytest.raises((AuthenticationError, PermissionDeniedError)):
        core.get_client("capability_module").call("requestModule", PROBE, VAULT)


def test_module_that_lists_nobody_reaches_nobody(core: Core, vault: Any) -> None:
    stranger = core.load_plugin("auth_stranger")
    with raises_remotely("PermissionDeniedError") as caught:
        stranger.call("attempt", VAULT, "touch", [])
    assert "auth_stranger" in str(caught.value)
    assert VAULT in str(caught.value)
    assert vault.call("count") == 0
    for token in (str(uuid.UUID(int=5)), core.api.tokens.held(VAULT), core.get_token(VAULT)):
        with pytest.raises(RemoteError) as refused:
            stranger.call("touch_with", token)
        assert refused.value.type_name in {"AuthenticationError", "PermissionDeniedError"}
    assert vault.call("count") == 0
    assert stranger.call("attempt", "auth_stranger", "ping", []) == "pong"
    assert "auth_stranger" in stranger.call("attempt", "core_manager", "getLoadedPlugins", [])


def test_one_way_does_not_open_the_other(core: Core) -> None:
    core.load_plugin("auth_vault")
    peer = core.load_plugin(PEER)
    probe = core.load_plugin(PROBE)
    assert peer.call("touch") == 1
    with raises_remotely("PermissionDeniedError"):
        probe.call("attempt", PEER, "ping", [])


def test_token_manager_is_not_fooled(core: Core) -> None:
    tokens = core.api.tokens
    good, other = str(uuid.uuid4()), str(uuid.uuid4())
    for wrong in ("", "anything", good):
        assert tokens.check_valid("nobody", wrong) is False
    tokens.save("somebody", good)
    assert tokens.check_valid("somebody", good) is True
    for wrong in ("", "anything", other, good[:-1], good + " "):
        assert tokens.check_valid("somebody", wrong) is False
    assert tokens.check_valid("somebody else", good) is False
    assert tokens.held("somebody") is None, "what a peer presents to me is not what I present to it"
    tokens.revoke("somebody")
    assert tokens.check_valid("somebody", good) is False
    tokens.hold("target", good)
    assert tokens.held("target") == good
    assert tokens.check_valid("target", good) is False
    tokens.remove("target")
    assert tokens.held("target") is None
