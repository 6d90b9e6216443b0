"""Loading and unloading: the chains, and what one link of them takes.

Loading is a chain: order by dependencies ─▶ for each: process ─▶ Hello ─▶ Bootstrap, tokens, subscriptions ─▶ Start ─▶
Ready. What a chain that breaks had loaded is unloaded again, in reverse. Unloading goes dependents first.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from logoscore.brokerage import Brokerage, Party
from logoscore.dependencies import load_order, unload_order
from logoscore.errors import ChannelClosedError, DependencyError, ModuleLoadError, StateError
from logoscore.launch import find_host
from logoscore.metadata import BUILTIN_NAMES
from logoscore.registry import CRASHED, KNOWN, LOADED, LOADING, UNLOADING, ModuleRecord, Registry
from logoscore.session.node import CAPABILITY_MODULE
from logoscore.supervisor import ExitStatus, Spawner, SupervisedHost
from logoscore.tokens import new_token
from logoscore.transport import messages as m

if TYPE_CHECKING:
    from collections.abc import Callable

    from logoscore.policy import AccessRequest, Decision

__all__ = ["Lifecycle", "Settings"]

_ROUND_SECONDS: Final = 0.1
_GRACE: Final = 1.0  # seconds in which running calls may finish before an unload


@dataclass
class Settings:
    """What the app chose; see ``Core``."""

    plugins_dirs: list[Path]
    entry_points: bool
    persistence_dir: Path | None
    policy: Callable[[AccessRequest], bool | Decision | None] | None
    default_timeout: float
    load_timeout: float
    unload_timeout: float
    spin_microseconds: int
    plugins: tuple[object, ...] = field(default_factory=tuple)


class Lifecycle:
    """Brings modules up and down."""

    def __init__(self, registry: Registry, brokerage: Brokerage, settings: Settings) -> None:
        self.registry = registry
        self.brokerage = brokerage
        self.settings = settings
        self._spawner = Spawner()
        self._ending = False

    # --- loading ----------------------------------------------------------------------------------------------------

    def load(self, name: str, *, with_dependencies: bool = True) -> None:
        """Load a known module. Raises as ``Core.load_plugin``."""
        order = load_order(name, self.registry.metadata(), set(self.registry.names(LOADED)))
        if not with_dependencies and len(order) > 1:
            missing = ", ".join(repr(each) for each in order[:-1])
            raise DependencyError(
                f"{name!r} depends on {missing}, not loaded now, and with_dependencies is false", module=name
            )
        mine: list[ModuleRecord] = []
        try:
            for each in order or [name]:
                record = self.registry.get(each)
                if self.load_one(record):
                    mine.append(record)
        except BaseException as exc:
            for record in reversed(mine):
                if not self.registry.dependents(record.name):  # somebody else may need it by now
                    self._unload_one(record, f"{name} could not be loaded")
            if isinstance(exc, ModuleLoadError) and exc.module != name:
                exc.args = (f"{name!r} could not be loaded, because of its dependency: {exc}",)
            raise

    def load_one(self, record: ModuleRecord) -> bool:
        """Load one module whose dependencies are there. False if somebody else has loaded it."""
        while True:
            with self.registry.lock:
                if self._ending:
                    raise StateError("the core is ending")
                if record.state == LOADED:
                    return False
                if record.state in {KNOWN, CRASHED}:
                    self._check_dependencies(record)
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
                self._check_still_wanted(record)
                record.advance("ready")
                record.loaded_at = time.time()
        except BaseException as exc:
            self.brokerage.remove(party, ChannelClosedError(f"{record.name} could not be loaded: {exc}"))
            host.kill()
            host.join()
            raise

    def _check_still_wanted(self, record: ModuleRecord) -> None:
        """Under the registry's lock: much may have happened while it was coming up."""
        if self._ending:
            raise StateError("the core is ending")
        if record.host.exit is not None:
            raise record.host.exit.crash(record.name)  # it was ready, and has ended since
        self._check_dependencies(record)

    def _check_dependencies(self, record: ModuleRecord) -> None:
        """Under the registry's lock: somebody may unload a dependency while a chain is under way."""
        for dependency in record.spec.metadata.dependencies:
            if dependency.name not in BUILTIN_NAMES:
                needed = self.registry.get(dependency.name)
                if needed.state != LOADED:
                    raise DependencyError(
                        f"{record.name!r} depends on {needed.name!r}, which is {needed.state} now", module=record.name
                    )

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

    def unload(self, name: str, *, with_dependents: bool = True) -> list[str]:
        """Unload a module and its dependents; returns the order. Raises as ``Core.unload_plugin``."""
        if name in BUILTIN_NAMES:
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
        """Unload one module that nothing loaded depends on any more. Fine if somebody else has done it."""
        while True:
            with self.registry.lock:
                if record.state == LOADED:
                    record.advance("unload")
                    host: SupervisedHost = record.host
                    break
            if record.state not in {LOADING, UNLOADING} or not record.settled.wait(self.settings.load_timeout):
                return
        try:
            host.stop(_GRACE, self.settings.unload_timeout)
        finally:
            if host.exit is None:  # we were interrupted: no more patience
                host.kill()
            host.join()
            party = self.brokerage.party(record.name)
            if party is not None:
                self.brokerage.remove(party, ChannelClosedError(f"module {record.name!r} has ended: {why}"))
            with self.registry.lock:
                record.last_exit = str(host.exit)
                record.pid = record.token = record.host = record.loaded_at = None
                record.advance("ended")

    def reload(self, name: str) -> None:
        """Unload and load, dependents included. Raises as ``Core.reload_plugin``."""
        for each in reversed(self.unload(name)):
            self.registry.get(each).restarts += 1
            self.load(each)

    def end(self) -> None:
        """Unload everything; nothing can be loaded any more. One that gives trouble does not spare the others.

        Raises:
            KeyboardInterrupt: the user had no patience; everything has ended all the same.
        """
        with self.registry.lock:
            self._ending = True
        interrupt: KeyboardInterrupt | None = None
        while remaining := [each for each in self.registry.records(LOADING, LOADED, UNLOADING) if self._ours(each)]:
            try:
                self._end_some(remaining)
            except KeyboardInterrupt as exc:
                interrupt = exc
                for record in remaining:
                    if record.host is not None:
                        record.host.kill()
        if CAPABILITY_MODULE in self.registry.names(LOADED):
            self._unload_one(self.registry.get(CAPABILITY_MODULE), "the core ends")
        self._spawner.close()
        if interrupt is not None:
            raise interrupt

    @staticmethod
    def _ours(record: ModuleRecord) -> bool:
        return record.name not in BUILTIN_NAMES

    def _end_some(self, records: list[ModuleRecord]) -> None:
        """One round: what is loaded is unloaded, dependents first; what is being loaded is killed and waited for."""
        for record in records:
            host = record.host
            if record.state == LOADING and host is not None:
                host.kill()
        for record in records:
            if record.state in {LOADING, UNLOADING}:
                record.settled.wait(_ROUND_SECONDS)
        loaded = [name for name in self.registry.names(LOADED) if name not in BUILTIN_NAMES]
        dependents = {name: self.registry.dependents(name) for name in loaded}
        for name in loaded:
            for each in unload_order(name, dependents):
                self._unload_one(self.registry.get(each), "the core ends")
