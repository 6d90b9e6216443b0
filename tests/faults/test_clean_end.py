"""However an app ends, nothing of it stays: no process, no name in shared memory, no word of ours on stderr."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from acceptance.support import write_module
from helpers import wait_until
from integration.support import App, Launch, add_method, check_each, is_running

HEAD = """
import gc, glob, os, signal, sys, threading
from logoscore import ChannelClosedError, Core, LogosError, PluginInterface, StateError, invokable

def quietly(work):
    # A user's thread that goes on until the core has ended.
    def run():
        try:
            while True:
                work()
        except LogosError:
            pass
    threading.Thread(target=run, daemon=True).start()

def settle():
    # A semaphore has a name until both ends hold it: the app that is killed after this leaves none.
    while glob.glob(f"/dev/shm/*logos.{os.getpid():x}.*"):
        threading.Event().wait(0.001)

core = Core(plugins_dir=sys.argv[1], entry_points=False, unload_timeout=1.0)
core.start()
worker = core.load_plugin("worker")
assert worker.call("add", 40, 2) == 42
pids = [core.get_plugin_info(name).pid for name in ("worker", "capability_module")]
print("pids", *pids, flush=True)
"""

#: How the app ends in order after HEAD, and with which exit code.
ORDERLY = {
    "falls off the end": ("", 0),
    "sys.exit": ("sys.exit(3)", 3),
    "exception": ("raise SystemError('of the user')", 1),
    "with block": ("with core:\n    pass", 0),
    "sys.exit in a with block": ("with core:\n    sys.exit(4)", 4),
    "exception in a with block": ("with core:\n    raise SystemError('of the user')", 1),
    "atexit": ("import atexit\natexit.register(lambda: print('last', worker.call('add', 1, 2), flush=True))", 0),
    "cleanup": ("core.cleanup()", 0),
    "cleanup in a thread": ("t = threading.Thread(target=core.cleanup)\nt.start()\nt.join()", 0),
    "main ends before a thread with the core": (
        "def later():\n"
        "    threading.main_thread().join()\n"
        "    assert worker.call('add', 1, 2) == 3\n"
        "    print('last 3', flush=True)\n"
        "threading.Thread(target=later).start()",
        0,
    ),
    "collected": ("del core\ngc.collect()\nprint('collected', flush=True)", 0),
}  # fmt: skip

#: How it ends without a word.
SUDDEN = {
    "os._exit": ("os._exit(5)", 5),
    "os.abort": ("os.abort()", -signal.SIGABRT),
    "SIGSEGV": ("import ctypes\nctypes.string_at(0)", -signal.SIGSEGV),
    "SIGKILL": ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
    "SIGHUP": ("os.kill(os.getpid(), signal.SIGHUP)", -signal.SIGHUP),
    "exec": ("os.execv(sys.executable, [sys.executable, '-c', ''])", 0),
}  # fmt: skip

#: What is going on while it ends.
ACTIVITIES = {
    "calls": "for _ in range(4): quietly(lambda: worker.call('add', 1, 2))\n",
    "futures": "quietly(lambda: [call.result() for call in [worker.submit('echo', n) for n in range(50)]])\n",
    "stream": "quietly(lambda: sum(worker.stream('count', 100_000)))\n",
    "unread stream": "stream = worker.stream('count', 100_000)\nnext(stream)\n",
    "subscription": "quietly(lambda: worker.subscribe().get())\nworker.call('flood')\n",
    "unread subscription": "events = worker.subscribe(maxsize=1)\nworker.call('flood')\nevents.get()\n",
    "callback": "got = threading.Event()\n"
    "worker.on_event(None, lambda event: got.set())\n"
    "worker.call('flood')\n"
    "got.wait(20)\n",
    "module that calls": "quietly(lambda: worker.call('call', 'core_manager', 'getLoadedPlugins'))\n",
    "reloading": "def load():\n"
    "    core.reload_plugin('other')\n"
    "    worker.call('call', 'other', 'add', 1, 2)\n"
    "quietly(load)\n",
    "hanging method": "hanging = worker.subscribe('hanging')\nlasting = worker.submit('hang')\nhanging.get(20)\n",
    "module with a thread": "worker.call('stay')\n",
}  # fmt: skip
#: Much of it at once; the module takes nothing more after the last.
MUCH = ("calls", "futures", "stream", "unread stream", "module that calls", "callback", "reloading", "hanging method")
EVERYTHING = "".join(map(ACTIVITIES.__getitem__, MUCH))


def hosts_of(app: App) -> list[int]:
    return [int(pid) for pid in app.out.partition("pids ")[2].splitlines()[0].split()]


@pytest.fixture
def busy_plugins(plugins: Path) -> Path:
    """Two workers; the first may call the second without depending on it."""
    source = (plugins / "worker" / "worker.py").read_text(encoding="utf-8")
    write_module(plugins, "other", source)
    metadata = plugins / "worker" / "metadata.json"
    metadata.write_text(metadata.read_text(encoding="utf-8").replace('"include"', '"calls": ["other"], "include"'))
    return plugins


@pytest.mark.parametrize("half", [0, 1])
def test_orderly_ends(script: Launch, plugins: Path, half: int) -> None:
    def check(way: str, app: App) -> None:
        app.finish(ORDERLY[way][1])
        assert not any(map(is_running, hosts_of(app)))
        if "exception" in way:
            assert app.err.count("Traceback") == 1
            assert app.err.splitlines()[-1] == "SystemError: of the user"
        else:
            app.assert_quiet()
        if "last 3" in ORDERLY[way][0] or way == "atexit":
            assert app.out.splitlines()[-1] == "last 3"

    ways = list(ORDERLY)[half::2]
    check_each({way: script(f"{HEAD}{ORDERLY[way][0]}\n", plugins) for way in ways}, check)


def test_sudden_ends(script: Launch, plugins: Path) -> None:
    def check(way: str, app: App) -> None:
        app.finish(SUDDEN[way][1])
        # (A process that is being killed has no environment any more, and is not dead yet: finish() misses it.)
        wait_until(lambda: not any(map(is_running, hosts_of(app))), what=f"the end of the hosts of {app!r}")
        app.assert_quiet(*(["Fatal Python error"] if way in {"os.abort", "SIGSEGV"} else []))

    check_each({way: script(f"{HEAD}settle()\n{how}\n", plugins) for way, (how, _) in SUDDEN.items()}, check)


@pytest.mark.parametrize("half", [0, 1])
def test_interpreter_ends_in_the_middle_of_things(script: Launch, busy_plugins: Path, half: int) -> None:
    def check(_: str, app: App) -> None:
        app.finish()
        app.assert_quiet()

    some = list(ACTIVITIES)[half::2]
    check_each({each: script(HEAD + ACTIVITIES[each], busy_plugins) for each in some}, check)


def test_cleanup_in_the_middle_of_things(script: Launch, busy_plugins: Path) -> None:
    app = script(f"{HEAD}{EVERYTHING}core.cleanup()\n", busy_plugins)
    app.finish()
    app.assert_quiet()


def test_sudden_end_in_the_middle_of_things(script: Launch, busy_plugins: Path) -> None:
    """Channels are made all the time: what a kill leaves of their names, the next start of anybody sweeps."""
    ways = {way: SUDDEN[way] for way in ("os._exit", "SIGSEGV", "SIGKILL", "SIGTERM")}
    apps = {way: script(f"{HEAD}{EVERYTHING}{how}\n", busy_plugins) for way, (how, _) in ways.items()}
    check_each(apps, lambda way, app: app.wait(ways[way][1]))
    script(HEAD, busy_plugins).finish()
    check_each(apps, lambda _, app: app.assert_gone())


def test_end_while_a_module_is_loaded(script: Launch, plugins: Path) -> None:
    """Its init_logos would never finish; the app does."""
    write_module(plugins, "endless", ENDLESS, calls=["worker"])
    app = script(
        HEAD
        + "seen = worker.subscribe('said')\n"
        + "quietly(lambda: core.load_plugin('endless'))\n"
        + "seen.get(20)\n",
        plugins,
    )
    app.finish()
    app.assert_quiet()


def test_end_while_a_chain_is_loaded(script: Launch, plugins: Path) -> None:
    """The thread that loads is no daemon: it must be told, or the app never ends."""
    write_module(plugins, "base", ENDLESS.replace("threading.Event().wait()", "pass"), calls=["worker"])
    write_module(plugins, "middle", ENDLESS, dependencies=["base"], calls=["worker"])
    write_module(plugins, "top", dependencies=["middle"])
    app = script(
        HEAD
        + "seen = worker.subscribe('said')\n"
        + "errors = []\n"
        + "def load():\n"
        + "    try:\n"
        + "        core.load_plugin('top')\n"
        + "    except LogosError as error:\n"
        + "        errors.append(error)\n"
        + "thread = threading.Thread(target=load)\n"
        + "thread.start()\n"
        + "seen.get(20), seen.get(20)\n"
        + "core.cleanup()\n"
        + "thread.join()\n"
        + "print('told', type(errors[0]).__name__, flush=True)\n",
        plugins,
    )
    assert "told " in app.finish(), repr(app)
    app.assert_quiet()


ENDLESS = """
import threading
from logoscore import PluginInterface

class Module(PluginInterface):
    def init_logos(self, api):
        api.get_client("worker").call("say", "here")
        threading.Event().wait()
"""


def test_end_during_the_start(script: Launch, plugins: Path) -> None:
    """Ended at several moments of its start: nothing stays, whichever it was."""
    source = "import sys, threading, os\nfrom logoscore import Core\n" + (
        "threading.Timer(int(sys.argv[2]) / 250, os._exit, (0,)).start()\n"
        "with Core(plugins_dir=sys.argv[1], entry_points=False) as core:\n"
        "    core.load_plugin('worker')\n"
        "    threading.Event().wait()\n"
    )
    apps = {f"{4 * step} ms": script(source, plugins, str(step)) for step in range(1, 140, 24)}
    check_each(apps, lambda _, app: app.wait(0))
    script(HEAD, plugins).finish()  # its start sweeps what a killed core could not
    check_each(apps, lambda _, app: app.assert_gone())


def test_module_whose_atexit_hangs(script: Launch, plugins: Path) -> None:
    add_method(plugins, "cling(self)", "import atexit", "atexit.register(threading.Event().wait)")
    app = script(HEAD + "worker.call('cling')\n", plugins)
    app.finish()
    app.assert_quiet()


def test_module_that_prints_until_its_end(script: Launch, plugins: Path) -> None:
    """Its interpreter ends while its own threads write: that is its affair, and no core dump."""
    add_method(
        plugins,
        "chat(self)",
        "def run():",
        "    while True:",
        "        print('x' * 100, file=sys.stderr)",
        "threading.Thread(target=run, daemon=True).start()",
    )
    app = script(HEAD + "worker.call('chat')\ncore.unload_plugin('worker')\n"
                 "print(core.get_plugin_info('worker').last_exit)\n", plugins)  # fmt: skip
    assert app.finish().splitlines()[-1] == "exit code 0", app.out
    app.assert_quiet()


AFTER_A_CALL = """
import os, sys
from logoscore import Core
core = Core(plugins_dir=sys.argv[1], entry_points=False)
core.start()
assert core.load_plugin("worker").call("add", 40, 2) == 42
os._exit(0)
"""


def test_no_name_outlives_the_first_call(script: Launch, plugins: Path) -> None:
    """Semaphores have names until both ends hold them: when a call was answered, they do."""
    for app in [script(AFTER_A_CALL, plugins) for _ in range(6)]:
        app.finish()
