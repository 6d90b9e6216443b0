"""One module, up and down: its process, its tokens, its channels, and its state in the registry.

    known ─▶ process (a fresh one, or a warm one) ─▶ Bootstrap, tokens, subscriptions, Start ─▶ Hello ─▶ Ready ─▶ loaded

What the host needs is sent while its interpreter starts, so that nothing waits for two things one after the other. A host
of another installation is an exception: it says first which version of the protocol it speaks.

What ends a host after its ``Ready`` is a crash of a loaded module, also where the loading thread has not got as far:
whoever of the two, it or the watching thread, comes first says that the module is loaded.
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any, Final

from logoscore.brokerage import Brokerage, Party
from logoscore.errors import (
    ChannelClosedError,
    DependencyError,
    LogosError,
    ModuleLoadError,
    StateError,
    without_last_lines,
)
from logoscore.exit_status import ExitStatus, not_loaded
from logoscore.launch import HostCommand, find_host
from logoscore.locks import Thread
from logoscore.metadata import BUILTIN_NAMES
from logoscore.registry import ENDED, IDLE, LOADED, LOADING, UNLOADING, ModuleRecord, Registry
from logoscore.session.wire_errors import summary
from logoscore.spawner import Spawner
from logoscore.supervisor import SupervisedHost
from logoscore.tokens import new_token
from logoscore.transport import messages as m
from logoscore.warm import WarmHosts
from logoscore.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable

    from logoscore.settings import Settings

__all__ = ["ModuleLife"]

_GRACE: Final = 1.0  # seconds in which running calls may finish before an unload


class ModuleLife:
    """Brings single modules up and down; in which order is its caller's affair (``lifecycle.py``)."""

    def __init__(self, registry: Registry, brokerage: Brokerage, settings: Settings) -> None:
        self.registry = registry
        self.brokerage = brokerage
        self.settings = settings
        self.on_end: Callable[[ModuleRecord, ExitStatus], None] = _ignore
        """Called when a loaded module's process has ended by itself."""
        self.on_restarted: Callable[[ModuleRecord], None] = _ignore
        """Called when a module that had ended by itself is loaded again."""
        self._watchdog = Watchdog(brokerage.ask)
        self._spawner = Spawner()
        self.warm = WarmHosts(settings.warm_hosts, self._spawner, settings.restarts)
        self._ending = False
        self._coming_up = 0

    def end(self) -> None:
        """Nothing is loaded any more; what is being loaded is not kept."""
        with self.registry.lock:
            self._ending = True
        self.warm.close()

    def close(self) -> None:
        """When everything has been unloaded."""
        self.warm.close()
        self._watchdog.close()
        self._spawner.close()

    # --- up ---------------------------------------------------------------------------------------------------------

    def load_one(self, record: ModuleRecord, begun: Callable[[], object] | None = None) -> bool:
        """Load one module whose dependencies are there. False if somebody else has loaded it.

        Args:
            begun: called when it is we who load it, before anything else.
        """
        begins = self._begin(record)
        if begins is None:
            return False
        record.instance = mine = uuid.uuid4().hex
        try:
            if begun is not None:
                begun()
            self._bring_up(record, comes_back=begins in ENDED)
        except BaseException as exc:
            with self.registry.lock:
                if record.state == LOADING and record.instance == mine:  # else it has ended, and another load has begun
                    record.host = record.pid = record.token = None
                    record.advance("failed")
                    record.load_failure = without_last_lines(summary(exc))
            raise
        finally:
            self._has_come_up()
        return True

    def _begin(self, record: ModuleRecord) -> str | None:
        """Make it ours to load; returns the state before. None: somebody else has loaded it."""
        while True:
            with self.registry.lock:
                if self._ending:
                    raise StateError("the core is ending")
                if record.state == LOADED:
                    return None
                if record.state in IDLE and record.settled.is_set():
                    self._check_dependencies(record)
                    before = record.state
                    record.advance("load")
                    self._coming_up += 1
                    return before
            if not record.settled.wait(self.settings.load_timeout):
                raise ModuleLoadError(
                    f"module {record.name!r}, which somebody else began with, {record.standing} after "
                    f"{self.settings.load_timeout:g} s (load_timeout)",
                    module=record.name,
                )

    def _has_come_up(self) -> None:
        """Or has not. While something else does, warm hosts can wait."""
        with self.registry.lock:
            self._coming_up -= 1
            rests = not self._coming_up and not self._ending
        if rests:
            self.warm.refill()

    def _bring_up(self, record: ModuleRecord, *, comes_back: bool) -> None:
        token = new_token()
        record.token, record.comes_back = token, comes_back
        try:
            command = find_host(record.spec.metadata.interpreter, record.spec.path, self.settings.plugins_dirs)
            host, party, changes = self._host(record, token, command)
        except OSError as exc:
            raise ModuleLoadError(
                f"module {record.name!r} could not be loaded: its host cannot be started: {exc}", module=record.name
            ) from exc
        record.pid = host.pid
        end = time.monotonic() + self.settings.load_timeout
        try:
            if command is not None:
                host.wait_hello(self.settings.load_timeout)
            party.in_memory = host.in_memory
            host.send(self._bootstrap(record, changes))
            self.brokerage.add(party)
            host.send(m.Start())
            host.wait_ready(max(end - time.monotonic(), 0), self.settings.load_timeout)
            with self.registry.lock:
                if record.host is host:  # else it has ended since, and everybody has heard of that
                    self._check_still_wanted(record, host)
                    self._watch(record, host)
                    self._is_loaded(record)
        except BaseException as exc:
            with self.registry.lock:
                host.given_up = True
            self._watchdog.forget(record.name)
            self.brokerage.remove(party, ChannelClosedError(f"{record.name} could not be loaded: {exc}"))
            host.kill()
            host.join()
            raise
        self.brokerage.came_up(party)

    def _is_loaded(self, record: ModuleRecord) -> None:
        """Under the registry's lock: state, count and announcement in one step, so that no crash comes between them."""
        record.advance("ready")
        record.loaded_at = time.time()
        if record.comes_back:
            record.restarts += 1
            self.on_restarted(record)

    def _host(
        self, record: ModuleRecord, token: str, command: HostCommand | None
    ) -> tuple[SupervisedHost, Party, m.Changes | None]:
        """A host for ``record``, a warm one if there is one that will do, and the module as a party. Raises OSError."""
        limits = self.registry.limits(record)
        party = Party(record.name, token, _ignore, coming=True)

        def on_message(message: Any) -> None:
            self.brokerage.handle(party, message)

        def on_end(status: ExitStatus) -> None:
            self._ended_by_itself(record, party, status)

        while command is None and (taken := self.warm.take()) is not None:
            host, changes = taken
            record.host, party.deliver = host, host.send
            if host.assign(record.name, on_message, on_end, limits):
                return host, party, changes
        host = SupervisedHost(record.name, on_message, on_end, limits)
        record.host, party.deliver = host, host.send
        host.start(command, self._spawner)
        return host, party, None

    def _watch(self, record: ModuleRecord, host: SupervisedHost) -> None:
        timeout = self.registry.limits(record).hang_timeout
        if not timeout:
            return

        def on_hung(reason: str) -> None:
            host.reason = reason
            # It is asked first, as in an unload, and what it does then may take its time.
            Thread(target=host.stop, args=(0, self.settings.unload_timeout), name=f"logos-end-{record.name}").start()

        try:
            self._watchdog.watch(record.name, timeout, on_hung)
        except RuntimeError as exc:
            raise ModuleLoadError(
                f"module {record.name!r} cannot be watched as its limits.hang_timeout asks for: {exc}",
                module=record.name,
            ) from exc

    def call_off(self, record: ModuleRecord) -> None:
        """End a load that is under way: whoever is at it gets a ModuleLoadError. Nothing if there is none (any more)."""
        with self.registry.lock:
            host = record.host
            if record.state != LOADING or host is None:
                return
            host.given_up = True
        host.kill()

    def _check_still_wanted(self, record: ModuleRecord, host: SupervisedHost) -> None:
        """Under the registry's lock: much may have happened while it was coming up."""
        if host.given_up:
            raise not_loaded(record.name, "its load was called off", "")
        if self._ending:
            raise StateError("the core is ending")
        self._check_dependencies(record)

    def _check_dependencies(self, record: ModuleRecord) -> None:
        """Under the registry's lock: somebody may unload a dependency while a chain is under way."""
        for dependency in record.spec.metadata.dependencies:
            if dependency.name not in BUILTIN_NAMES:
                needed = self.registry.get(dependency.name)
                if needed.state != LOADED:
                    raise DependencyError(
                        f"{record.name!r} depends on {needed.name!r}, which {needed.standing} now", module=record.name
                    )

    def _bootstrap(self, record: ModuleRecord, changes: m.Changes | None) -> m.Bootstrap:
        spec, settings = record.spec, self.settings
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
            persistence_path=settings.persistence_path(record.name),
            default_timeout=settings.default_timeout,
            spin_microseconds=settings.spin_microseconds,
            state=_take_state(record),
            limits=self.registry.limits(record).to_dict(),
            buffer_memory=settings.buffer_memory,
            changes=changes,
        )

    def _ended_by_itself(self, record: ModuleRecord, party: Party, status: ExitStatus) -> None:
        """On the watching thread: the process is gone, whatever ended it."""
        with self.registry.lock:
            current = record.host is not None and record.host.pid == status.pid
            if current and record.state == LOADING and record.host.ready and not record.host.given_up:
                self._is_loaded(record)
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

    # --- down -------------------------------------------------------------------------------------------------------

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
