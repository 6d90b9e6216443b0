"""From when on a module counts as loaded: who has waited for it finds it loaded, and its end from then on is a crash."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from acceptance.support import write_module

from logoscore import Core
from logoscore.errors import (
    CallTimeoutError,
    ChannelClosedError,
    ModuleCrashedError,
    ModuleLoadError,
    ModuleNotLoadedError,
    RemoteError,
)

# Its init_logos lasts as long as there is the file "wait", and longer than anybody needs to reach it.
WORKER = """
import os, threading
from logoscore import PluginInterface, invokable

HERE = os.path.dirname(__file__)

class Worker(PluginInterface):
    def init_logos(self, api):
        self.api = api
        api.trigger("coming up")
        pause = threading.Event()
        pause.wait(0.1)
        while os.path.exists(os.path.join(HERE, "wait")):
            pause.wait(0.01)
        if os.path.exists(os.path.join(HERE, "broken")):
            raise RuntimeError("broken")

    @invokable
    def pid(self):
        return os.getpid()

    @invokable
    def end(self):
        os._exit(3)

    @invokable
    def reach(self, module, method):
        client = self.api.get_client(module)
        client.wait_ready(30)
        self.api.trigger("calling")
        return client.call(method)
"""


# Between the end of its turn and the next thing that its host does there is time for others.
SLOW_AFTER_ITS_TURN = f"""{WORKER}
from logoscore.session.gate import Gate
widen = Gate.widen
def widen_later(self, limit):
    threading.Event().wait(0.5)
    widen(self, limit)
Gate.widen = widen_later
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_module(tmp_path, "caller", WORKER, calls=["slow"])
    write_module(tmp_path, "slow", SLOW_AFTER_ITS_TURN, restart="on-failure", concurrency="multi")
    return write_module(tmp_path, "worker", WORKER, restart="on-failure")


@pytest.fixture
def core(tmp_path: Path, folder: Path) -> Iterator[Core]:
    with Core(plugins_dir=tmp_path, entry_points=False, restart_intensity=1000, restart_backoff=0.001) as core:
        yield core


def test_what_is_ready_is_loaded_and_its_end_is_a_crash(core: Core, caplog: pytest.LogCaptureFixture) -> None:
    worker = core.load_plugin("worker")
    with core.get_client("core_manager").subscribe() as notices:
        for restarts in range(1, 6):
            pid = core.get_plugin_info("worker").pid
            with pytest.raises(ModuleCrashedError, match="exit code 3") as caught:
                worker.call("end")
            assert caught.value.pid == pid
            worker.wait_ready(30)
            info = core.get_plugin_info("worker")
            assert (info.state, info.restarts, info.last_exit) == ("loaded", restarts, "exit code 3")
            heard = [notices.get(30) for _ in range(2)]
            assert [event.name for event in heard] == ["module_crashed", "module_restarted"]
            assert [event.data[1]["pid"] for event in heard] == [pid, info.pid]
            assert heard[1].data[1]["restarts"] == restarts
    assert "could not be restarted" not in caplog.text


def test_it_ends_in_a_call_that_waited_for_its_first_turn(core: Core, folder: Path) -> None:
    """A module can reach another one that is being loaded; what its call does there comes after the load."""
    caller = core.load_plugin("caller")
    wait = folder.parent / "slow" / "wait"
    wait.touch()
    with (
        core.get_client("core_manager").subscribe() as notices,
        caller.subscribe("calling") as calling,
        ThreadPoolExecutor(1) as pool,
    ):
        loading = pool.submit(core.load_plugin, "slow")
        call = caller.submit("reach", "slow", "end", timeout=60)
        calling.get(30)
        assert core.get_plugin_info("slow").state == "loading"
        pid = core.get_plugin_info("slow").pid
        wait.unlink()
        slow = loading.result(60)
        with pytest.raises(RemoteError, match=rf"module 'slow' \(pid {pid}\) ended: exit code 3"):
            call.result(60)
        assert [notices.get(30).name for _ in range(2)] == ["module_crashed", "module_restarted"]
    slow.wait_ready(30)
    assert (core.get_plugin_info("slow").restarts, slow.call("pid") != pid) == (1, True)


def test_a_call_of_the_app_waits_until_it_is_loaded(core: Core, folder: Path) -> None:
    """It may be an event of the module's own init_logos that the app answers with a call."""
    (folder / "wait").touch()
    worker = core.get_client("worker")
    with worker.subscribe("coming up") as coming, ThreadPoolExecutor(2) as pool:
        loading = pool.submit(core.load_plugin, "worker")
        coming.get(30)
        with pytest.raises(CallTimeoutError):
            worker.call("pid", timeout=0.2)  # whoever gives up leaves nothing behind
        call = pool.submit(worker.call, "pid")
        with pytest.raises(CallTimeoutError, match="worker was not loaded in time"):
            worker.wait_ready(0.2)
        (folder / "wait").unlink()
        assert loading.result(30) is worker
        assert call.result(30) == core.get_plugin_info("worker").pid


def test_whoever_waits_lives_through_loads_that_fail(core: Core, folder: Path) -> None:
    (folder / "wait").touch()
    (folder / "broken").touch()
    worker = core.get_client("worker")
    with worker.subscribe("coming up") as coming, ThreadPoolExecutor(3) as pool:
        loading = pool.submit(core.load_plugin, "worker")
        coming.get(30)
        ready, call = pool.submit(worker.wait_ready, 60), pool.submit(worker.call, "pid")
        with pytest.raises(CallTimeoutError):
            worker.wait_ready(0.2)
        (folder / "wait").unlink()
        with pytest.raises(ModuleLoadError, match="broken"):
            loading.result(30)
        with pytest.raises(
            (ChannelClosedError, ModuleCrashedError, ModuleNotLoadedError)
        ):  # however it went: no result
            call.result(30)
        (folder / "broken").unlink()
        assert not ready.done()
        core.load_plugin("worker")
        assert ready.result(30) is None
