"""Ctrl-C and SIGTERM, at rest and in the middle of something: the app decides, its hosts follow in order."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from acceptance.support import write_module
from helpers import wait_until
from integration.support import END_SECONDS, App, Launch, add_method, check_each

Apps = dict[str, App]

HEAD = """
import os, signal, sys, threading
from logoscore import Core, LogosError

core = Core(plugins_dir=sys.argv[1], entry_points=False)
core.start()
worker = core.load_plugin("worker")
with core:
"""

#: What the main thread is in when the signal comes; each says "ready" just before.
WAITS = {
    "lock": "print('ready', flush=True); threading.Event().wait()",
    "call": "worker.call('announced_hang', timeout=600)",
    "future": "pending = worker.submit('announced_hang', timeout=600); pending.result()",
    "stream": "next(worker.stream('announced_stream'))",
    "subscription": "s = worker.subscribe('never'); print('ready', flush=True); next(s)",
    "exec": "print('ready', flush=True); core.exec()",
    "nested call": "worker.call('call', 'worker', 'announced_hang', timeout=600)",
    "many calls": "worker.call('say', 'ready')\n    while True: worker.call('add', 1, 2)",
}

TRACES = """
import os, sys, atexit
from pathlib import Path
from logoscore import PluginInterface, invokable

class Traced(PluginInterface):
    def init_logos(self, api):
        self.api = api
        name = api.name
        atexit.register(lambda: Path(sys.path[0], "..", "ended").open("a").write(name + "\\n"))
"""


@pytest.fixture
def hanging_plugins(plugins: Path) -> Path:
    """The worker says ``ready`` on the app's stdout when it hangs."""
    add_method(plugins, "announced_hang(self)", "print('ready', flush=True)", "threading.Event().wait()")
    add_method(plugins, "announced_stream(self)", "print('ready', flush=True)", "yield threading.Event().wait()")
    return plugins


#: Waits in which posix_ipc waits, and those in which Python does.
KINDS = {
    "call": ("call", "nested call", "many calls"),
    "others": ("lock", "future", "stream", "subscription", "exec"),
}


def signalled(script: Launch, plugins: Path, waits: Iterable[str], number: signal.Signals, setup: str = "") -> Apps:
    """Apps, each in its wait when the signal comes: by Ctrl-C to all of its process group, else to the app alone."""
    apps = {wait: script(f"{HEAD}    {setup}\n    {WAITS[wait]}\n", plugins) for wait in waits}
    for app in apps.values():
        app.expect("ready")
        wait_until(lambda: not app.names(), what=f"the end of the semaphores' names of {app!r}")  # noqa: B023
        (app.signal_group if number is signal.SIGINT else app.process.send_signal)(number)
    return apps


@pytest.mark.parametrize("kind", KINDS)
def test_ctrl_c(script: Launch, hanging_plugins: Path, kind: str) -> None:
    def check(_: str, app: App) -> None:
        app.finish(-signal.SIGINT)  # a shell shows this as 130
        assert app.err.splitlines()[-1] == "KeyboardInterrupt", repr(app)
        assert app.err.count("Traceback") == 1, "the hosts heard nothing of it"

    check_each(signalled(script, hanging_plugins, KINDS[kind], signal.SIGINT), check)


@pytest.mark.parametrize("kind", KINDS)
def test_sigterm_that_the_app_handles(script: Launch, hanging_plugins: Path, kind: str) -> None:
    """What the handler raises ends the wait, whichever it is."""

    def check(_: str, app: App) -> None:
        app.finish(7)
        app.assert_quiet()

    handler = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))"
    check_each(signalled(script, hanging_plugins, KINDS[kind], signal.SIGTERM, handler), check)


def test_sigterm_that_kills_the_app(script: Launch, hanging_plugins: Path) -> None:
    def check(_: str, app: App) -> None:
        app.finish(-signal.SIGTERM)
        app.assert_quiet()

    check_each(signalled(script, hanging_plugins, ("lock", "nested call", "many calls"), signal.SIGTERM), check)


def test_handler_that_cleans_up(script: Launch, hanging_plugins: Path) -> None:
    """The handler interrupts the main thread anywhere, inside a call of ours too, and ends the core right there."""

    def check(_: str, app: App) -> None:
        assert "cleaned" in app.finish(8), repr(app)
        app.assert_quiet()

    handler = "signal.signal(signal.SIGTERM, lambda *_: (core.cleanup(), print('cleaned', flush=True), os._exit(8)))"
    waits = ("lock", "call", "many calls", "subscription")
    check_each(signalled(script, hanging_plugins, waits, signal.SIGTERM, handler), check)


def test_handler_that_goes_on(script: Launch, hanging_plugins: Path) -> None:
    """A signal that the app handles and survives breaks no call that is under way."""
    read = "return len(open(os.path.join(sys.path[0], 'pipe')).read())"
    add_method(hanging_plugins, "lasting(self)", "print('ready', flush=True)", read)
    pipe = hanging_plugins / "worker" / "pipe"
    os.mkfifo(pipe)
    app = script(
        f"{HEAD}    signal.signal(signal.SIGUSR1, lambda *_: print('handled', flush=True))\n"
        "    print('result', worker.call('lasting', timeout=600), flush=True)\n",
        hanging_plugins,
    )
    app.expect("ready")
    os.kill(app.pid, signal.SIGUSR1)
    app.expect("handled")
    pipe.write_text("four")
    assert "result 4" in app.finish(), repr(app)


def test_ctrl_c_ends_the_hosts_in_order(script: Launch, plugins: Path) -> None:
    """Dependents before what they depend on, each by itself: its atexit functions run."""
    for name, dependencies in (("base", []), ("middle", ["base"]), ("top", ["middle"])):
        write_module(plugins, name, TRACES, dependencies=dependencies)
    app = script(f"{HEAD}    core.load_plugin('top')\n    {WAITS['lock']}\n", plugins)
    app.expect("ready")
    app.signal_group(signal.SIGINT)
    app.finish(-signal.SIGINT)
    assert (plugins / "ended").read_text(encoding="utf-8").split() == ["top", "middle", "base"]


def test_ctrl_c_while_a_module_comes_up(script: Launch, plugins: Path) -> None:
    """Interrupted in load_plugin, the app goes on: the module is not loaded, and can be."""
    write_module(plugins, "slow", SLOW)
    app = script(
        f"""{HEAD}
    try:
        core.load_plugin("slow")
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    assert "slow" not in core.get_loaded_plugins()
    assert core.get_plugin_info("slow").state == "known", core.get_plugin_info("slow")
    open(os.path.join(sys.argv[1], "slow", "quick"), "w").close()
    assert core.load_plugin("slow").call("ping") == "slow"
    assert worker.call("add", 40, 2) == 42
""",
        plugins,
    )
    app.expect("ready")
    app.signal_group(signal.SIGINT)
    assert "interrupted" in app.finish(), repr(app)
    app.assert_quiet()


SLOW = """
import os, sys, threading
from logoscore import PluginInterface, invokable

class Slow(PluginInterface):
    def init_logos(self, api):
        self.api = api
        if not os.path.exists(os.path.join(sys.path[0], "quick")):
            print("ready", flush=True)
            threading.Event().wait()

    @invokable
    def ping(self):
        return self.api.name
"""


def test_ctrl_c_at_any_moment_of_a_load(script: Launch, plugins: Path) -> None:
    """The whole process group is interrupted while hosts are young: before they have a session of their own, too."""
    app = script(
        """
        import os, signal, sys, threading
        from logoscore import Core
        interrupted = 0
        with Core(plugins_dir=sys.argv[1], entry_points=False) as core:
            for step in range(8):
                timer = threading.Timer(step / 60, os.killpg, (os.getpgrp(), signal.SIGINT))
                try:
                    timer.start()
                    core.load_plugin("worker")
                    timer.join()
                    threading.Event().wait(20)
                except KeyboardInterrupt:
                    interrupted += 1
                if core.get_plugin_info("worker").state != "known":
                    core.unload_plugin("worker")
                assert core.load_plugin("worker").call("add", 40, 2) == 42
                core.unload_plugin("worker")
            assert interrupted == 8, interrupted
            print("works", flush=True)
        """,
        plugins,
    )
    assert "works" in app.finish(), repr(app)
    app.assert_quiet()


def test_second_ctrl_c(script: Launch, hanging_plugins: Path) -> None:
    """An impatient user interrupts the clean-up as well: the app ends, and so do its hosts."""
    app = script(f"{HEAD}    {WAITS['call']}\n", hanging_plugins)
    app.expect("ready")
    app.signal_group(signal.SIGINT)
    app.signal_group(signal.SIGINT)
    app.process.wait(END_SECONDS)
    app.signal_group(signal.SIGINT) if app.process.poll() is None else None
    app.finish(None)
    assert app.process.returncode != 0


def test_children_ignore_what_the_app_ignores(script: Launch, plugins: Path) -> None:
    """An app under nohup, or one that ignores SIGTERM, still ends its hosts by asking."""
    app = script(
        "import signal\n"
        "for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGPIPE):\n"
        f"    signal.signal(number, signal.SIG_IGN)\n{HEAD}    assert worker.call('add', 40, 2) == 42\n",
        plugins,
    )
    app.finish()
    app.assert_quiet()


def test_app_that_reaps_all_children(script: Launch, plugins: Path) -> None:
    """SIGCHLD ignored, or a handler that waits for anybody: somebody else knows how our hosts ended."""

    def check(_: str, app: App) -> None:
        assert "ModuleCrashedError" in app.finish(), repr(app)
        app.assert_quiet()

    source = f"""
import os, signal
def reap(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]: pass
    except ChildProcessError: pass
signal.signal(signal.SIGCHLD, SETTING)
{HEAD}
    core.reload_plugin("worker")
    assert worker.call("add", 40, 2) == 42
    try: worker.call("die")
    except LogosError as error: print(type(error).__name__, flush=True)
    assert core.load_plugin("worker").call("add", 40, 2) == 42
"""
    apps = {}
    for setting in ("signal.SIG_IGN", "reap"):
        for kind, env in (("spawned", {}), ("launched", {"LOGOS_HOST_PATH": sys.executable})):
            apps[f"{setting}, {kind}"] = script(source.replace("SETTING", setting), plugins, env=env)
    check_each(apps, check)
