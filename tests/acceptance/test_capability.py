"""The capability module: who gets a token for whom."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from acceptance.support import MODULES, raises_remotely, write_module
from logoscore import Core, hookimpl
from logoscore.errors import (
    InvalidArgumentsError,
    ModuleNotLoadedError,
    PermissionDeniedError,
    UnknownModuleError,
)

CALLS_TARGET = """
from logoscore import PluginInterface, invokable

class Caller(PluginInterface):
    @invokable
    def reach(self, name):
        return self.api.get_client(name).call("ping")
"""

NAMES = ["test_basic", "index", "d_base"]


@pytest.fixture(scope="module")
def capability(shared_core: Core) -> Any:
    for name in NAMES:
        shared_core.load_plugin(name)
    return shared_core.get_client("capability_module")


@pytest.mark.parametrize("method", ["requestModule", "request_module"])
def test_tokens_are_unique_uuids(capability: Any, method: str) -> None:
    tokens = [capability.call(method, "core", name) for name in NAMES]
    assert len(set(tokens)) == len(NAMES)
    for token in tokens:
        assert uuid.UUID(token).version == 4
        assert str(uuid.UUID(token)) == token


@pytest.mark.parametrize("target", ["test_basic", "core_manager", "capability_module"])
def test_asking_for_tokens_by_oneself_spoils_no_client(capability: Any, shared_core: Core, target: str) -> None:
    shared_core.load_plugin("d_left")
    client = shared_core.get_client(target)
    assert client.methods()
    tokens = [capability.call("requestModule", "core", target) for _ in range(40)]
    assert len(set(tokens)) == 40
    assert client.methods()
    shared_core.reload_plugin("d_left")  # to reach it, the app needs another token
    assert shared_core.get_client("d_left").methods()


def test_a_module_that_asks_for_tokens_by_itself_keeps_its_clients(core: Core, tmp_path: Path) -> None:
    source = """
from logoscore import PluginInterface, invokable

class Asking(PluginInterface):
    @invokable
    def ask(self, name):
        self.api.get_client("core_manager").call("getLoadedPlugins")
        token = self.api.get_client("capability_module").call("requestModule", "asking", name)
        self.api.get_client("core_manager").call("getLoadedPlugins")
        return token
"""
    write_module(tmp_path, "asking", source)
    core.add_plugins_dir(tmp_path)
    core.refresh_plugins()
    asking = core.load_plugin("asking")
    targets = ["core_manager", "capability_module", "asking", "core_manager", "capability_module"]
    assert len({asking.call("ask", name) for name in targets}) == len(targets)


def test_no_token_is_ever_given_twice(core: Core) -> None:
    seen: list[str] = []
    for _ in range(3):
        core.load_plugin("auth_vault")
        probe = core.load_plugin("auth_probe")
        assert probe.call("touch") == 1
        seen += [core.get_token("auth_vault"), core.get_token("auth_probe"), probe.call("held", "auth_vault")]
        core.unload_plugin("auth_probe")
        core.unload_plugin("auth_vault")
    assert len(set(seen)) == 9


def test_unknown_target(capability: Any) -> None:
    with pytest.raises(UnknownModuleError, match="no_such_module") as caught:
        capability.call("requestModule", "core", "no_such_module")
    assert caught.type is UnknownModuleError


def test_known_but_unloaded_target(capability: Any) -> None:
    with pytest.raises(ModuleNotLoadedError, match="d_top"):
        capability.call("requestModule", "core", "d_top")


@pytest.mark.parametrize("args", [("core", ""), ("core",), (), ("core", 5), ("core", None), ("core", "a", "b")])
def test_empty_and_malformed_targets(capability: Any, args: tuple[Any, ...]) -> None:
    with pytest.raises((UnknownModuleError, InvalidArgumentsError)):
        capability.call("requestModule", *args)
    assert uuid.UUID(capability.call("requestModule", "core", "d_base")).version == 4


def test_policy_that_denies(plugins: Any) -> None:
    write_module(plugins, "open")
    write_module(plugins, "closed")
    asked: list[tuple[str, str]] = []

    def policy(request: Any) -> bool | None:
        asked.append((request.requester, request.target))
        return False if request.target == "closed" else None

    with Core(plugins_dir=plugins, entry_points=False, policy=policy) as core:
        assert core.load_plugin("open").call("ping") == "open"
        with pytest.raises(PermissionDeniedError) as caught:
            core.load_plugin("closed").call("ping")
        assert (caught.value.requester, caught.value.target) == ("core", "closed")
        assert "core" in str(caught.value)
        assert "closed" in str(caught.value)
        assert isinstance(caught.value, PermissionError)
        with pytest.raises(PermissionDeniedError, match="closed"):
            core.get_client("capability_module").call("requestModule", "core", "closed")
        assert core.get_client("open").call("ping") == "open"
    assert ("core", "open") in asked
    assert ("core", "closed") in asked


def test_policy_that_allows_more_than_the_default() -> None:
    def policy(request: Any) -> bool | None:
        return True if request.requester == "auth_stranger" else None

    with Core(plugins_dir=MODULES, entry_points=False, policy=policy) as core:
        core.load_plugin("auth_vault")
        core.load_plugin("auth_peer")
        stranger, probe = core.load_plugin("auth_stranger"), core.load_plugin("auth_probe")
        assert stranger.call("attempt", "auth_vault", "touch", []) == 1
        with raises_remotely("PermissionDeniedError"):
            probe.call("attempt", "auth_peer", "ping", [])


def test_policy_that_raises_lets_nobody_in(plugins: Any) -> None:
    write_module(plugins, "target")
    write_module(plugins, "caller", CALLS_TARGET, calls=["target"])

    def policy(request: Any) -> bool | None:
        if request.requester == "caller":
            raise RuntimeError("policy is broken")
        return None

    with Core(plugins_dir=plugins, entry_points=False, policy=policy) as core:
        core.load_plugin("target")
        caller = core.load_plugin("caller")
        with raises_remotely("PermissionDeniedError") as caught:
            caller.call("reach", "target")
        assert "caller" in str(caught.value)
        assert "the policy raised RuntimeError (" in str(caught.value)
        assert "policy is broken" not in str(caught.value)  # the app's own words, which are not for modules
        assert core.get_client("target").call("ping") == "target"


def test_the_app_is_told_what_its_policy_raised_and_logs_the_traceback_once(
    plugins: Any, caplog: pytest.LogCaptureFixture
) -> None:
    write_module(plugins, "target")
    policy: Any = lambda: True  # noqa: E731 - without the request: the likeliest mistake
    with Core(plugins_dir=plugins, entry_points=False, policy=policy) as core:
        target = core.load_plugin("target")
        for use in (lambda: target.subscribe("any"), lambda: target.call("ping")):
            with pytest.raises(PermissionDeniedError, match=r"the policy raised TypeError: .*takes 0 positional"):
                use()
    logged = [record for record in caplog.records if "the policy raised" in record.message]
    assert [bool(record.exc_info) for record in logged] == [True, False]
    assert all("core may not reach target" in record.message for record in logged)
    assert "takes 0 positional" in logged[1].message


def test_who_may_not_reach_a_module_is_told_so_before_it_is_loaded(plugins: Any) -> None:
    write_module(plugins, "target")
    write_module(plugins, "stranger", CALLS_TARGET)
    with Core(plugins_dir=plugins, entry_points=False) as core:
        stranger = core.load_plugin("stranger")
        for load in (lambda: None, lambda: core.load_plugin("target"), lambda: core.unload_plugin("target")):
            load()
            with raises_remotely("PermissionDeniedError") as caught:
                stranger.call("reach", "target")
            assert "stranger lists neither target" in str(caught.value)


def test_a_module_is_not_advised_to_use_a_core_that_it_has_not(plugins: Any) -> None:
    write_module(plugins, "target")
    write_module(plugins, "caller", CALLS_TARGET, calls=["target"])
    with Core(plugins_dir=plugins, entry_points=False) as core:
        caller = core.load_plugin("caller")
        with raises_remotely("ModuleNotLoadedError") as caught:
            caller.call("reach", "target")
        assert "module 'target' is known, not loaded; the app loads it" in str(caught.value)
        assert "core.load_plugin" not in str(caught.value)
        with pytest.raises(ModuleNotLoadedError, match=r'core\.load_plugin\("target"\) loads it'):
            core.get_client("target").call("ping")


async def asynchronous(_: Any) -> bool:
    return False


class Closes:
    """A connection, say, that somebody returned by mistake."""

    def close(self) -> None:
        raise RuntimeError("not yours to close")


@pytest.mark.parametrize(
    "answer", [asynchronous, lambda _: Closes(), lambda _: "no", lambda _: 5, lambda _: [False], lambda _: 0]
)
@pytest.mark.parametrize("as_hook", [False, True])
def test_policy_whose_answer_is_none_lets_nobody_in(plugins: Any, answer: Any, as_hook: bool) -> None:
    """Most of these are true in a condition: a coroutine, too, that would have said no."""
    write_module(plugins, "target")
    write_module(plugins, "caller", CALLS_TARGET, calls=["target"])

    def policy(request: Any) -> Any:
        return answer(request) if request.requester == "caller" else None

    class Hook:
        @hookimpl
        def logos_check_access(self, request: Any) -> Any:
            return policy(request)

    options: dict[str, Any] = {"plugins": [Hook()]} if as_hook else {"policy": policy}
    with Core(plugins_dir=plugins, entry_points=False, **options) as core:
        core.load_plugin("target")
        caller = core.load_plugin("caller")
        with raises_remotely("PermissionDeniedError") as caught:
            caller.call("reach", "target")
        assert "neither bool nor Decision nor None" in str(caught.value)
        assert core.get_client("target").call("ping") == "target"


def test_capability_resolves_to_its_provider(shared_core: Core, capability: Any) -> None:
    assert list(shared_core.get_plugin_info("index").capabilities) == ["search"]
    assert shared_core.get_client("search").call("ping") == "index"
    assert uuid.UUID(capability.call("requestModule", "core", "search")).version == 4


def test_module_reaches_a_provider_by_the_capability_that_it_lists(plugins: Any) -> None:
    write_module(plugins, "provider", capabilities=["storage", "cache"])
    write_module(plugins, "listed", CALLS_TARGET, calls=["storage"])
    write_module(plugins, "unlisted", CALLS_TARGET)
    with Core(plugins_dir=plugins, entry_points=False) as core:
        core.load_plugin("provider")
        assert core.load_plugin("listed").call("reach", "storage") == "provider"
        with raises_remotely("PermissionDeniedError"):
            core.load_plugin("unlisted").call("reach", "storage")
        with raises_remotely("UnknownModuleError"):
            core.get_client("listed").call("reach", "no_such_name")
