"""Runtime: what a Core consists of, without the Core itself, so that its threads do not keep the Core alive.

Loading is a chain: order by dependencies ─▶ for each: process ─▶ Hello ─▶ Bootstrap, tokens, subscriptions ─▶ Start ─▶ Ready.
What a chain that breaks had loaded is unloaded again, in reverse.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from logoscore.brokerage import Brokerage, Party
from logoscore.callbacks import Callbacks
from logoscore.dependencies import load_order, unload_order
from logoscore.errors import ChannelClosedError, DependencyError, LogosError, ModuleLoadError, StateError
from logoscore.interface import MethodInfo
from logoscore.launch import find_host
from logoscore.local import LocalParty
from logoscore.plugins.builtin import builtin_spec
from logoscore.plugins.core_manager import CoreManager
from logoscore.plugins.spec import DiscoveryFailure
from logoscore.registry import CRASHED, KNOWN, LOADED, LOADING, UNLOADING, ModuleRecord, Registry
from logoscore.rights import CoreRights
from logoscore.session.api import LogosAPI
from logoscore.session.node import CAPABILITY_MODULE
from logoscore.supervisor import ExitStatus, Spawner, SupervisedHost
from logoscore.tokens import new_token
from logoscore.transport import messages as m
from logoscore.transport.segment import sweep
from logoscore.transport.spin import Spinner

if TYPE_CHECKING:
    from logoscore.core import Policy
    from logoscore.interface import PluginInterface

__all__ = ["Runtime", "Settings"]

CORE: Final = "core"
CORE_MANAGER: Final = "core_manager"
_GRACE: Final = 1.0  # seconds in which running calls may finish before an unload


@dataclass
class Settings:
    """What the app chose; see ``Core``."""

    plugins_dirs: list[Path]
    entry_points: bool
    persistence_dir: Path | None
    policy: Policy | None
    default_timeout: float
    load_timeout: float
    unload_timeout: float
    spin_microseconds: int
    plugins: tuple[object, ...] = field(default_factory=tuple)


class Runtime:
    """See the module's docstring."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.state = "new"
        self.registry = Registry()
        self.callbacks = Callbacks(lambda name: self.api.get_client(name))
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._failures: list[DiscoveryFailure] = []
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
        """See ``Core.start``."""
        self._check_process()
        with self._lock:
            if self.state == "started":
                return
            if self.state != "new":
                raise StateError("this Core has been cleaned up; make a new one")
            sweep()
            self._start_parts()
            self.state = "started"
        try:
            self.refresh()
            self._load_one(self.registry.add(builtin_spec(CAPABILITY_MODULE)))
        except BaseException:
            self.cleanup()
            raise

    def _start_parts(self) -> None:
        from logoscore.plugins.discovery import create_plugin_manager

        self._hooks = create_plugin_manager()
        for plugin in self.settings.plugins:
            self._hooks.register(plugin)
        self._spawner = Spawner()
        self._rights = CoreRights(self.registry, self._hooks, self.settings.policy)
        self.brokerage = Brokerage(self._rights)
        spinner = Spinner(self.settings.spin_microseconds)
        for name, transparent in ((CORE, False), (CORE_MANAGER, True)):
            self._parties[name] = LocalParty(name, self.brokerage, self.settings.default_timeout, spinner, transparent)
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
        with self._lock:
            if self.state in {"ending", "ended"}:
                first = False
            else:
                first, before, self.state = True, self.state, "ending"
        if not first:
            self._ended.wait()
            return
        try:
            if before == "started":
                self._end()
        finally:
            self.callbacks.quit()
            self.state = "ended"
            self._ended.set()

    def _end(self) -> None:
        for record in self.registry.records(LOADING):
            if record.host is not None:
                record.host.kill()
        for record in self.registry.records(LOADING, UNLOADING):
            record.settled.wait(self.settings.load_timeout)
        loaded = [name for name in self.registry.names(LOADED) if name not in {CORE_MANAGER, CAPABILITY_MODULE}]
        done: set[str] = set()
        dependents = {name: self.registry.dependents(name) for name in loaded}
        for name in loaded:
            for each in unload_order(name, dependents):
                if each not in done:
                    done.add(each)
                    self._unload_one(self.registry.get(each), "the core ends")
        for record in self.registry.records(LOADED):
            if record.name == CAPABILITY_MODULE:
                self._unload_one(record, "the core ends")
        for party in self._parties.values():
            self.brokerage.remove(party.party, ChannelClosedError("the core has ended"))
            party.close(ChannelClosedError("the core has ended"))
        self._spawner.close()

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

    def refresh(self) -> None:
        """See ``Core.refresh_plugins``."""
        from logoscore.plugins.discovery import discover

        self._require_started()
        specs, failures = discover(self._hooks, self.settings.plugins_dirs, self.settings.entry_points)
        self.registry.replace_known(specs, keep=self._processed | {CORE_MANAGER, CAPABILITY_MODULE})
        self._failures = failures

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
        return spec.name

    def add_class(self, cls: type[PluginInterface]) -> str:
        """Make a class of the app's own known as a module; returns its name."""
        from logoscore.shipping import ship

        self._require_started()
        spec, pickled = ship(cls)
        with self.registry.lock:
            record = self.registry.add(spec)
            if record.state in {KNOWN, CRASHED}:
                record.pickled = pickled
        self._processed.add(spec.name)
        return spec.name

    # --- loading ----------------------------------------------------------------------------------------------------

    def get_known_plugins(self) -> list[str]:
        """See ``Core.get_known_plugins``."""
        return self.registry.names()

    def get_loaded_plugins(self) -> list[str]:
        """See ``Core.get_loaded_plugins``."""
        return self.registry.names(LOADED)

    def load(self, name: str, *, with_dependencies: bool = True) -> None:
        """See ``Core.load_plugin``."""
        self._require_started()
        try:
            self.registry.get(name)
        except LogosError:
            for failure in self._failures:
                if failure.name == name:
                    raise failure.error from None
            raise
        known = self.registry.metadata()
        loaded = set(self.registry.names(LOADED))
        order = load_order(name, known, loaded)
        if not with_dependencies and len(order) > 1:
            missing = ", ".join(repr(each) for each in order[:-1])
            raise DependencyError(
                f"{name!r} depends on {missing}, not loaded now, and with_dependencies is false", module=name
            )
        mine: list[ModuleRecord] = []
        try:
            for each in order or [name]:
                record = self.registry.get(each)
                if self._load_one(record):
                    mine.append(record)
        except BaseException as exc:
            for record in reversed(mine):
                self._unload_one(record, f"{name} could not be loaded")
            if isinstance(exc, ModuleLoadError) and exc.module != name:
                exc.args = (f"{name!r} could not be loaded, because of its dependency: {exc}",)
            raise

    def _load_one(self, record: ModuleRecord) -> bool:
        """Load one module whose dependencies are there. False if somebody else has loaded it."""
        while True:
            with self.registry.lock:
                if record.state == LOADED:
                    return False
                if record.state in {KNOWN, CRASHED}:
                    record.advance("load")
                    break
            if not record.settled.wait(self.settings.load_timeout):
                raise ModuleLoadError(f"module {record.name!r} is still {record.state}", module=record.name)
        try:
            self._bring_up(record)
        except BaseException:
            with self.registry.lock:
                if record.state == LOADING:
                    record.host = record.pid = record.token = None
                    record.advance("failed")
            raise
        return True

    def _bring_up(self, record: ModuleRecord) -> None:
        spec = record.spec
        token, record.instance = new_token(), uuid.uuid4().hex
        host = record.host = SupervisedHost(
            record.name,
            on_message=lambda message: self.brokerage.handle(party, message),
            on_end=lambda status: self._ended_by_itself(record, party, status),
        )
        party = Party(record.name, token, host.send)
        record.token = token
        try:
            host.start(find_host(spec.metadata.interpreter, spec.path, self.settings.plugins_dirs), self._spawner)
        except OSError as exc:
            raise ModuleLoadError(
                f"module {record.name!r} could not be loaded: its host cannot be started: {exc}", module=record.name
            ) from exc
        record.pid = host.pid
        end = time.monotonic() + self.settings.load_timeout
        try:
            host.wait_hello(self.settings.load_timeout)
            host.send(self._bootstrap(record))
            self.brokerage.add(party)
            host.send(m.Start())
            host.wait_ready(max(end - time.monotonic(), 0))
            with self.registry.lock:
                record.advance("ready")  # (raises if the core has begun to end meanwhile)
                record.loaded_at = time.time()
        except BaseException as exc:
            self.brokerage.remove(party, ChannelClosedError(f"{record.name} could not be loaded: {exc}"))
            host.kill()
            host.join()
            raise

    def _bootstrap(self, record: ModuleRecord) -> m.Bootstrap:
        spec, settings = record.spec, self.settings
        persistence = settings.persistence_dir / record.name if settings.persistence_dir is not None else None
        return m.Bootstrap(
            name=record.name,
            instance=record.instance or "",
            token=record.token or "",
            metadata=spec.metadata.to_dict(),
            source=spec.source,
            path=str(spec.path),
            main=spec.main,
            pickled=record.pickled,
            include=tuple(str(path) for path in spec.include),
            persistence_path=str(persistence) if persistence is not None else None,
            default_timeout=settings.default_timeout,
            spin_microseconds=settings.spin_microseconds,
        )

    def _ended_by_itself(self, record: ModuleRecord, party: Party, status: ExitStatus) -> None:
        """On the watching thread: the process is gone, whatever ended it."""
        with self.registry.lock:
            current = record.host is not None and record.host.pid == status.pid
            crashed = current and record.state == LOADED
            if crashed:
                record.last_exit = str(status)
                record.pid = record.token = record.host = None
                record.advance("ended")
        if crashed or (current and record.state == LOADING):
            self.brokerage.remove(party, status.crash(record.name))

    # --- unloading --------------------------------------------------------------------------------------------------

    def unload_plugin(self, name: str, *, with_dependents: bool = True) -> None:
        """See ``Core.unload_plugin``."""
        self._unload_chain(name, with_dependents)

    def _unload_chain(self, name: str, with_dependents: bool) -> list[str]:
        self._require_started()
        if name in {CORE, CORE_MANAGER, CAPABILITY_MODULE}:
            raise StateError(f"{name} is built in and ends with the core")
        self.registry.loaded(name)
        with self.registry.lock:
            dependents = {each: self.registry.dependents(each) for each in self.registry.names(LOADED)}
        order = unload_order(name, dependents)
        if len(order) > 1 and not with_dependents:
            raise DependencyError(
                f"{name!r} cannot be unloaded alone: {', '.join(order[:-1])} depend on it", module=name
            )
        for each in order:
            self._unload_one(self.registry.get(each), "it was unloaded")
        return order

    def _unload_one(self, record: ModuleRecord, why: str) -> None:
        with self.registry.lock:
            if record.state != LOADED:
                return
            record.advance("unload")
            host: SupervisedHost = record.host
        status = host.stop(_GRACE, self.settings.unload_timeout)
        host.join()
        party = self.brokerage.party(record.name)
        if party is not None:
            self.brokerage.remove(party, ChannelClosedError(f"module {record.name!r} has ended: {why}"))
        with self.registry.lock:
            record.last_exit = str(status)
            record.pid = record.token = record.host = record.loaded_at = None
            record.advance("ended")

    def reload(self, name: str) -> None:
        """See ``Core.reload_plugin``."""
        order = self._unload_chain(name, with_dependents=True)
        for each in reversed(order):
            record = self.registry.get(each)
            record.restarts += 1
            self.load(each)

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
