"""Loading and unloading: the chains, and what one link of them takes.

Loading is a chain: order by dependencies ─▶ for each: process ─▶ Hello ─▶ Bootstrap, tokens, subscriptions ─▶ Start ─▶
Ready. What a chain that breaks had loaded is unloaded again, in reverse. Unloading goes dependents first.
"""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING, Final

from logoscore.brokerage import Brokerage, Party
from logoscore.dependencies import load_order, unload_order
from logoscore.errors import ChannelClosedError, DependencyError, LogosError, ModuleLoadError, StateError
from logoscore.exit_status import ExitStatus
from logoscore.launch import find_host
from logoscore.metadata import BUILTIN_NAMES
from logoscore.registry import (
    ENDED,
    GAVE_UP,
    IDLE,
    LOADED,
    LOADING,
    RESTARTING,
    UNLOADING,
    ModuleRecord,
    Registry,
)
from logoscore.session.node import CAPABILITY_MODULE
from logoscore.spawner import Spawner
from logoscore.supervisor import SupervisedHost
from logoscore.tokens import new_token
from logoscore.transport import messages as m
from logoscore.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable

    from logoscore.settings import Settings

__all__ = ["Lifecycle"]

_ROUND_SECONDS: Final = 0.1
_GRACE: Final = 1.0  # seconds in which running calls may finish before an unload


class Lifecycle:
    """Brings modules up and down."""

    def __init__(self, registry: Registry, brokerage: Brokerage, settings: Settings) -> None:
        self.registry = registry
        self.brokerage = brokerage
        self.settings = settings
        self.on_end: Callable[[ModuleRecord, ExitStatus], None] = _ignore
        """Called when a loaded module's process has ended by itself."""
        self.on_restarted: Callable[[ModuleRecord], None] = _ignore
        """Called when a module that had ended by itself is loaded again."""
        self._watchdog = Watchdog(brokerage.ask_busy)
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
                    self.unload_one(record, f"{name} could not be loaded")
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
                if record.state in IDLE and record.settled.is_set():
                    self._check_dependencies(record)
                    comes_back = record.state in ENDED
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
        if comes_back:
            record.restarts += 1
            self.on_restarted(record)
        return True

    def restart(self, record: ModuleRecord) -> None:
        """Load a module that waits for its restart, and what it depends on; nothing if it waits no longer."""
        if record.state == RESTARTING:
            self.load(record.name)

    def _bring_up(self, record: ModuleRecord) -> None:
        spec = record.spec
        token, record.instance = new_token(), uuid.uuid4().hex
        host = record.host = SupervisedHost(
            record.name,
            on_message=lambda message: self.brokerage.handle(party, message),
            on_end=lambda status: self._ended_by_itself(record, party, status),
            limits=self.registry.limits(record),
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
            self._watch(record, host)
        except BaseException as exc:
            self.brokerage.remove(party, ChannelClosedError(f"{record.name} could not be loaded: {exc}"))
            host.kill()
            host.join()
            raise

    def _watch(self, record: ModuleRecord, host: SupervisedHost) -> None:
        timeout = self.registry.limits(record).hang_timeout
        if not timeout:
            return

        def on_hung(reason: str) -> None:
            host.reason = reason
            # It is asked first, as in an unload, and what it does then may take its time.
            threading.Thread(
                target=host.stop, args=(0, self.settings.unload_timeout), name=f"logos-end-{record.name}", daemon=True
            ).start()

        self._watchdog.watch(record.name, timeout, on_hung)

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
            state=_take_state(record),
            limits=self.registry.limits(record).to_dict(),
        )

    def _ended_by_itself(self, record: ModuleRecord, party: Party, status: ExitStatus) -> None:
        """On the watching thread: the process is gone, whatever ended it."""
        with self.registry.lock:
            current = record.host is not None and record.host.pid == status.pid
            crashed = current and record.state == LOADED
            if crashed:
                record.last_exit = str(status)
                record.pid = record.token = record.host = record.loaded_at = None
                record.advance("ended")
                record.settled.clear()  # nobody loads it anew before everybody has heard of this end
        try:
            if crashed or (current and record.state == LOADING):
                self.brokerage.remove(party, status.crash(record.name))
        finally:
            if crashed:
                record.settled.set()
        if crashed:
            self._watchdog.forget(record.name)
            self.on_end(record, status)

    # --- unloading --------------------------------------------------------------------------------------------------

    def unload(self, name: str, *, with_dependents: bool = True) -> list[str]:
        """Unload a module and its dependents; returns the order. Raises as ``Core.unload_plugin``."""
        done, problems = self._unload_chain(name, with_dependents=with_dependents)
        if problems:
            raise problems[0]
        return done

    def _unload_chain(
        self, name: str, *, with_dependents: bool = True, save: bool = False
    ) -> tuple[list[str], list[LogosError]]:
        """Unload a module and its dependents; returns the order, and what went wrong on the way.

        Raises:
            LogosError: it cannot be done, or (``save``) a ``save_state`` raised: then all of them are loaded as before.
        """
        if name in BUILTIN_NAMES:
            raise StateError(f"{name} is built in and ends with the core")
        with self.registry.lock:
            record = self.registry.get(name)
            if record.state not in {RESTARTING, GAVE_UP}:
                self.registry.loaded(name)
            affected = {*self.registry.names(LOADED), name}
            dependents = {each: self.registry.dependents(each) for each in affected}
            order = unload_order(name, dependents)
            if len(order) > 1 and not with_dependents:
                raise DependencyError(
                    f"{name!r} cannot be unloaded alone: {', '.join(order[:-1])} depend on it", module=name
                )
            if record.state in {RESTARTING, GAVE_UP}:
                record.advance("unload")
                order.remove(name)
        done: list[str] = []
        problems: list[LogosError] = []
        for each in order:
            try:
                problem = self.unload_one(self.registry.get(each), "it was unloaded", save=save)
            except LogosError:
                for former in reversed(done):
                    self.load(former)
                raise
            done.append(each)
            problems += [problem] if problem is not None else []
        return done, problems

    def unload_one(self, record: ModuleRecord, why: str, *, save: bool = False) -> LogosError | None:
        """Unload one module that nothing loaded depends on any more; returns what went wrong in its last moments.

        Fine if somebody else has done it.

        Raises:
            LogosError: (``save``) its ``save_state`` raised; it stays loaded.
        """
        while True:
            with self.registry.lock:
                if record.state == LOADED:
                    record.advance("unload")
                    host: SupervisedHost = record.host
                    break
            if record.state not in {LOADING, UNLOADING} or not record.settled.wait(self.settings.load_timeout):
                return None
        self._watchdog.forget(record.name)
        try:
            host.stop(_GRACE, self.settings.unload_timeout, save=save)
        except LogosError:
            with self.registry.lock:
                record.advance("refused")
            self._watch(record, host)
            raise
        except BaseException:
            host.kill()  # we were interrupted: no more patience
            self._unloaded(record, host, why)
            raise
        self._unloaded(record, host, why)
        record.saved_state = host.saved_state if save else None
        return _problem(record.name, host)

    def _unloaded(self, record: ModuleRecord, host: SupervisedHost, why: str) -> None:
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
        if self.registry.get(name).state in ENDED:
            self.load(name)
            return
        order, problems = self._unload_chain(name, save=True)
        for problem in problems:
            import logging

            logging.getLogger("logoscore").warning("while %s was reloaded: %s", name, problem)
        for each in reversed(order):
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
            self.unload_one(self.registry.get(CAPABILITY_MODULE), "the core ends")
        self._watchdog.close()
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
                self.unload_one(self.registry.get(each), "the core ends")


def _take_state(record: ModuleRecord) -> bytes | None:
    """What the instance before it saved: for the next one only."""
    state, record.saved_state = record.saved_state, None
    return state


def _problem(name: str, host: SupervisedHost) -> LogosError | None:
    """What went wrong while a host ended, if its module is to blame."""
    status = host.exit
    assert status is not None
    if host.hook_error is not None:
        return host.hook_error
    # Signals of ours end what hangs: that is an unload as it should be.
    if status.exit_code or (status.signal_name is not None and not host.signalled):
        return status.crash(name)
    return None


def _ignore(*_: object) -> None:
    """Nobody listens."""
