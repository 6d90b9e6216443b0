"""Runtime: what a Core consists of, without the Core itself, so that its threads do not keep the Core alive."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from logoscore.brokerage import Brokerage
from logoscore.callbacks import Callbacks, check_callback
from logoscore.errors import ChannelClosedError, LogosError, MetadataError, StateError
from logoscore.interface import MethodInfo
from logoscore.lifecycle import Lifecycle
from logoscore.local import LocalParty
from logoscore.locks import Flag, Thread
from logoscore.module_life import ModuleLife
from logoscore.plugins.builtin import builtin_spec
from logoscore.plugins.complaints import Complaints
from logoscore.plugins.core_manager import CoreManager
from logoscore.plugins.spec import DiscoveryFailure
from logoscore.registry import IDLE, LOADED, Registry
from logoscore.rights import CoreRights
from logoscore.session.api import LogosAPI
from logoscore.session.node import CAPABILITY_MODULE
from logoscore.settings import Settings
from logoscore.supervision import Notices, Supervision
from logoscore.transport.segment import sweep
from logoscore.transport.spin import Spinner

if TYPE_CHECKING:
    from logoscore.interface import PluginInterface

__all__ = ["Runtime"]

_COLLECTED_SECONDS: Final = 30.0
_BEGUN_SECONDS: Final = 5.0  # that a thread takes for its first line where nobody keeps a lock from it
_LOOK_SECONDS: Final = 1.0  # between two looks at what a flag says otherwise at once
CORE: Final = "core"
CORE_MANAGER: Final = "core_manager"


class Runtime:
    """See the module's docstring."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.state = "new"
        self.registry = Registry(settings.limits)
        self.callbacks = Callbacks(lambda name: self.api.get_client(name))
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._starting = threading.Lock()
        self._ended = Flag()
        self._failures: list[DiscoveryFailure] = []
        self._complaints = Complaints()
        self._parties: dict[str, LocalParty] = {}
        self._processed: set[str] = (
            set()
        )  # made known by process_plugin or load_plugin(cls): a scan does not forget them
        self._api: LogosAPI | None = None
        self._hooks: Any = None

    # --- life -------------------------------------------------------------------------------------------------------

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise StateError("this Core belongs to the process that made it; a forked child cannot use it")

    def start(self) -> None:
        """See ``Core.start``. A second thread waits until the first has started it."""
        self._check_process()
        with self._starting:
            with self._lock:
                if self.state == "started":
                    return
                if self.state != "new":
                    raise StateError("this Core has been cleaned up; make a new one")
                _open_standard_descriptors()
                sweep()
                self._start_parts()
                self.state = "started"
            try:
                self.refresh()
                self._life.load_one(self.registry.add(builtin_spec(CAPABILITY_MODULE)))
            except BaseException:
                self.cleanup()
                raise

    def _start_parts(self) -> None:
        from logoscore.plugins.discovery import create_plugin_manager

        self._hooks = create_plugin_manager()
        for plugin in self.settings.plugins:
            self._hooks.register(plugin)
        lendable = self.settings.buffer_memory
        self.brokerage = Brokerage(CoreRights(self.registry, self._hooks, self.settings.policy), lendable)
        self._life = ModuleLife(self.registry, self.brokerage, self.settings)
        self._lifecycle = Lifecycle(self._life, self._refused)
        self._notices = Notices(lambda name, *data: self._parties[CORE_MANAGER].api.trigger(name, *data))
        self._supervision = Supervision(self.registry, self._lifecycle, self._notices, self.settings.restarts)
        self._life.on_end = self._supervision.ended
        self._life.on_restarted = self._supervision.restarted
        spinner = Spinner(self.settings.spin_microseconds)
        for name, transparent in ((CORE, False), (CORE_MANAGER, True)):
            self._parties[name] = LocalParty(
                name,
                self.brokerage,
                self.settings.default_timeout,
                spinner,
                transparent,
                lendable,
                self.settings.persistence_path(name),
            )
        manager = CoreManager(self)
        self._parties[CORE_MANAGER].expose(manager)
        self._parties[CORE].expose(None)
        self._api = self._parties[CORE].api
        record = self.registry.add(builtin_spec(CORE_MANAGER))
        record.advance("load")
        record.advance("ready")
        record.token = self._parties[CORE_MANAGER].party.token
        record.loaded_at = time.time()
        record.pid = self._pid

    @property
    def api(self) -> LogosAPI:
        """The app's LogosAPI. Raises StateError."""
        self._require_started()
        assert self._api is not None
        return self._api

    def _require_started(self) -> None:
        self._check_process()
        if self.state == "new":
            raise StateError("start() the Core first, or use it as a context manager")
        if self.state != "started":
            raise StateError("this Core has been cleaned up")

    def cleanup(self) -> None:
        """See ``Core.cleanup``. In a forked child it only forgets."""
        if os.getpid() != self._pid:
            return
        before: str | None = None
        try:
            with self._lock:
                if self.state not in {"ending", "ended"}:
                    before, self.state = self.state, "ending"
            if before == "started":
                self._end()
        finally:
            if before is not None:
                try:
                    self.callbacks.close()
                finally:
                    self.state = "ended"
                    self._ended.set()
        while before is None and self.state != "ended":  # another thread is at it
            self._ended.wait(_LOOK_SECONDS)

    def cleanup_collected(self) -> None:
        """When nobody holds the Core any more, or the interpreter exits.

        The garbage collector may run this anywhere: in a thread of ours, in the middle of what a clean-up needs, or where
        ``threading`` holds a lock that a new thread needs (up to 3.12 one that is no daemon, to begin at all; a daemon for
        its first line). So it goes to a daemon of its own, which this thread waits for only where that is safe.
        """
        begun = Flag()

        def run() -> None:
            begun.set()
            self.cleanup()

        thread = Thread(target=run, name="logos-cleanup")
        try:
            thread.start()
        except RuntimeError:  # the interpreter exits: no more threads, and nobody is in the middle of anything
            self.cleanup()
            return
        if not threading.current_thread().name.startswith("logos-") and begun.wait(_BEGUN_SECONDS):
            thread.join(_COLLECTED_SECONDS)
        if thread.is_alive():
            atexit.register(thread.join)

    def _end(self) -> None:
        try:
            self._supervision.end()
            self._lifecycle.end()
        finally:
            self._supervision.join()
            self._notices.close()
            error = ChannelClosedError("the core has ended")
            for party in self._parties.values():
                self.brokerage.remove(party.party, error)
                party.close(error)

    # --- discovery --------------------------------------------------------------------------------------------------

    def set_plugins_dirs(self, paths: list[Path]) -> None:
        """See ``Core.set_plugins_dir``."""
        self._check_process()
        if self.state != "new":
            raise StateError("set_plugins_dir() comes before start(); use add_plugins_dir() and refresh_plugins()")
        self.settings.plugins_dirs = paths

    def set_plugins_dir(self, path: str) -> None:
        """The same for the core manager."""
        self.set_plugins_dirs([Path(path)])

    def add_plugins_dir(self, path: Path) -> None:
        """See ``Core.add_plugins_dir``."""
        self._check_process()
        self.settings.plugins_dirs = [*self.settings.plugins_dirs, path]

    def set_persistence_dir(self, path: Path | None) -> None:
        """See ``Core.set_persistence_dir``."""
        self._check_not_started("set_persistence_dir()")
        self.settings.persistence_dir = path

    def set_policy(self, policy: Any) -> None:
        """See ``Core.set_policy``."""
        self._check_not_started("set_policy()")
        self.settings.policy = policy

    def _check_not_started(self, what: str) -> None:
        self._check_process()
        if self.state != "new":
            raise StateError(f"{what} comes before start()")

    def refresh(self) -> None:
        """See ``Core.refresh_plugins``."""
        from logoscore.plugins.discovery import discover

        self._require_started()
        specs, failures = discover(self._hooks, self.settings.plugins_dirs, self.settings.entry_points)
        self.registry.replace_known(specs, keep=self._processed | {CORE_MANAGER, CAPABILITY_MODULE})
        self.registry.searched = tuple(
            f"{path.absolute()}{'' if path.is_dir() else ' (no such directory)'}" for path in self.settings.plugins_dirs
        ) + (("the installed distributions",) if self.settings.entry_points else ())
        own = {failure.name: str(failure.error) for failure in failures}
        self.registry.unusable = {each.claims: str(each.error) for each in failures if each.claims} | own
        self._failures = failures
        self._complaints.scanned(specs.values(), failures)

    def _refused(self, name: str) -> MetadataError | None:
        """Why what was found of that name is no module: before others, what has its folder or entry point."""
        found = [each for each in self._failures if name in {each.name, each.claims}]
        return min(found, key=lambda each: each.name != name).error if found else None

    def failures(self) -> list[DiscoveryFailure]:
        """See ``Core.get_discovery_failures``."""
        return list(self._failures)

    def process_plugin(self, path: str) -> str:
        """See ``Core.process_plugin``."""
        from logoscore.plugins.discovery import process_path

        self._check_process()
        spec = process_path(path)
        self.registry.add(spec)
        self._processed.add(spec.name)
        self._complaints.added(spec)
        return spec.name

    def add_class(self, cls: type[PluginInterface]) -> str:
        """Make a class of the app's own known as a module; returns its name."""
        from logoscore.shipping import ship

        self._require_started()
        spec, pickled = ship(cls)
        with self.registry.lock:
            record = self.registry.add(spec)
            if record.state in IDLE:
                record.pickled = pickled
        self._processed.add(spec.name)
        self._complaints.added(spec)
        return spec.name

    # --- modules ----------------------------------------------------------------------------------------------------

    def get_known_plugins(self) -> list[str]:
        """See ``Core.get_known_plugins``."""
        return self.registry.names()

    def get_loaded_plugins(self) -> list[str]:
        """See ``Core.get_loaded_plugins``."""
        return self.registry.names(LOADED)

    def load(self, name: str, *, with_dependencies: bool = True) -> None:
        """See ``Core.load_plugin``."""
        self.load_all([name], with_dependencies=with_dependencies)

    def load_all(self, names: Sequence[str], *, with_dependencies: bool = True) -> None:
        """See ``Core.load_plugins``."""
        self._require_started()
        for name in names:
            try:
                self.registry.get(name)
            except LogosError as unknown:
                error = self._refused(name)
                if error is None or name not in {failure.name for failure in self._failures}:
                    raise unknown from error  # (of one that only claims the name, it has the text)
                raise error from None
        self._lifecycle.load_all(names, with_dependencies=with_dependencies)

    def load_async(self, name: str | None, callback: Any) -> None:
        """See ``Core.load_plugin_async``."""
        check_callback(callback)
        if not name:
            self.callbacks.tell(callback, 0, "Plugin name is null")
        elif name not in self.registry.names():
            self.callbacks.tell(callback, 0, f"Plugin not found among known plugins: {name}")
        else:
            self.callbacks.load(lambda: self.load(name), name, callback)

    def unload_plugin(self, name: str, *, with_dependents: bool = True) -> None:
        """See ``Core.unload_plugin``."""
        self._require_started()
        self._lifecycle.unload(name, with_dependents=with_dependents)

    def reload(self, name: str) -> None:
        """See ``Core.reload_plugin``."""
        self._require_started()
        self._lifecycle.reload(name)

    # --- introspection ----------------------------------------------------------------------------------------------

    def get_plugin_methods(self, name: str) -> list[MethodInfo]:
        """See ``Core.get_plugin_methods``."""
        self._require_started()
        self.registry.loaded(name)
        return self.api.get_client(name).methods()

    def get_token(self, name: str) -> str:
        """See ``Core.get_token``."""
        self._require_started()
        token = self.registry.loaded(name).token
        assert token is not None
        return token

    def get_module_stats(self) -> list[dict[str, Any]]:
        """See ``Core.get_module_stats``."""
        from logoscore.stats import module_stats

        self._require_started()
        return module_stats(self.registry.records(LOADED), self.brokerage)


def _open_standard_descriptors() -> None:
    """An app may have closed its standard streams: our pipes must not get their numbers, or hosts would mix them up."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: this one
