"""What a module can do through the core manager, and how an app denies it."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.support import write_module
from helpers import wait_until

from faults.hostile import parties, run
from logoscore.errors import RemoteError
from logoscore.policy import AccessRequest

IMPOSTOR = """
from logoscore import PluginInterface, invokable

class Impostor(PluginInterface):
    @invokable
    def echo(self, value):
        return "mine now"
"""
DENIED = ["cleanup", "unloadPlugin", "reloadPlugin", "loadPlugin", "processPlugin", "getLoadedPlugins"]


@pytest.mark.parametrize("method", ["processPlugin", "process_plugin"])
@pytest.mark.parametrize("loaded", [True, False])
def test_a_known_module_cannot_be_replaced_by_another_module(tmp_path: Path, method: str, loaded: bool) -> None:
    plugins, elsewhere = tmp_path / "plugins", tmp_path / "elsewhere"
    plugins.mkdir()
    elsewhere.mkdir()
    path = str(write_module(elsewhere, "victim", IMPOSTOR))
    fresh = str(write_module(elsewhere, "newcomer"))
    with parties(plugins) as (core, evil, victim, _):
        if not loaded:
            core.unload_plugin("victim")
        with pytest.raises(RemoteError, match=r"evil may not replace the module 'victim'") as caught:
            run(evil, f"api.get_client('core_manager').call({method!r}, {path!r})")
        assert caught.value.type_name is not None
        assert caught.value.type_name.endswith("PermissionDeniedError")
        core.load_plugin("victim")
        assert victim.call("echo", 5) == 5
        # The same once more, and one that nobody knows: as ever.
        same = str(core.get_plugin_info("victim").path)
        assert run(evil, f"R = api.get_client('core_manager').call({method!r}, {same!r})") == "victim"
        assert run(evil, f"R = api.get_client('core_manager').call({method!r}, {fresh!r})") == "newcomer"
        for name in ("core_manager", "capability_module"):
            imitation = elsewhere / name
            if not imitation.exists():
                write_module(elsewhere, name, IMPOSTOR)
            with pytest.raises(RemoteError):
                run(evil, f"api.get_client('core_manager').call({method!r}, {str(imitation)!r})")
        # The app may.
        core.unload_plugin("victim")
        assert core.process_plugin(path) == "victim"
        core.load_plugin("victim")
        assert victim.call("echo", 5) == "mine now"


def test_the_policy_can_tell_who_wants_the_core_manager(tmp_path: Path) -> None:
    asked: list[AccessRequest] = []

    def policy(request: AccessRequest) -> bool | None:
        asked.append(request)
        return False if request.target == "core_manager" and request.requester == "evil" else None

    with parties(tmp_path, core={"policy": policy}) as (core, evil, _, bystander):
        for method in DENIED:
            arguments = "" if method in {"cleanup", "getLoadedPlugins"} else ", 'victim'"
            with pytest.raises(RemoteError, match="evil may not reach core_manager"):
                run(evil, f"api.get_client('core_manager').call({method!r}{arguments})")
        assert core.get_plugin_info("victim").state == "loaded"
        assert "victim" in run(bystander, "R = api.get_client('core_manager').call('getLoadedPlugins')")
        assert {("evil", "core_manager"), ("bystander", "core_manager")} <= {(r.requester, r.target) for r in asked}


def test_by_default_a_module_may_unload_another(tmp_path: Path) -> None:
    with parties(tmp_path) as (core, evil, _, _):
        assert run(evil, "R = api.get_client('core_manager').call('unloadPlugin', 'victim')") is True
        wait_until(lambda: core.get_plugin_info("victim").state == "known")
