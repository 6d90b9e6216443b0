"""Loading and unloading: in which order, and what becomes of the rest if one fails. One module: ``module_life.py``.

What a load that fails had loaded is unloaded again, in reverse. Unloading goes dependents first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Final

from logoscore.dependencies import load_order, unload_order
from logoscore.errors import DependencyError, LogosError, ModuleLoadError, StateError
from logoscore.graph import Work
from logoscore.metadata import BUILTIN_NAMES
from logoscore.module_life import ModuleLife
from logoscore.registry import (
    ENDED,
    GAVE_UP,
    LOADED,
    LOADING,
    RESTARTING,
    UNLOADING,
    ModuleRecord,
)
from logoscore.session.node import CAPABILITY_MODULE

__all__ = ["Lifecycle"]

_ROUND_SECONDS: Final = 0.1
#: Modules that come up side by side. Some of them wait for something else than a CPU.
_AT_ONCE: Final = 2 * (os.cpu_count() or 1) + 2


class Lifecycle:
    """Brings modules up and down.

    Args:
        refused: says why what was found of a name that is not known cannot be used; None: nothing was found.
    """

    def __init__(self, life: ModuleLife, refused: Callable[[str], LogosError | None]) -> None:
        self.life = life
        self.registry = life.registry
        self.brokerage = life.brokerage
        self._refused = refused

    # --- loading ----------------------------------------------------------------------------------------------------

    def load(self, name: str, *, with_dependencies: bool = True) -> None:
        """Load a known module. Raises as ``Core.load_plugin``."""
        self.load_all([name], with_dependencies=with_dependencies)

    def load_all(self, names: Sequence[str], *, with_dependencies: bool = True) -> None:
        """Load known modules, side by side where none needs the other. Raises as ``Core.load_plugins``."""
        roots = self._roots(names, with_dependencies=with_dependencies)
        records = {name: self.registry.get(name) for name in roots}
        needs = {
            name: [dependency.name for dependency in record.spec.metadata.dependencies]
            for name, record in records.items()
        }
        begun: set[str] = set()
        mine: list[ModuleRecord] = []

        def load(name: str) -> None:
            if self.life.load_one(records[name], lambda: begun.add(name)):
                mine.append(records[name])

        def call_off(name: str) -> None:
            if name in begun:  # another's load is his affair
                self.life.call_off(records[name])

        try:
            Work(list(roots), needs, load, call_off, _AT_ONCE).run()
        except BaseException as exc:
            for record in reversed(mine):
                if not self.registry.dependents(record.name):  # somebody else may need it by now
                    self.life.unload_one(record, f"{roots[record.name]} could not be loaded")
            if isinstance(exc, ModuleLoadError) and exc.module in roots and exc.module not in names:
                exc.args = (f"{roots[exc.module]!r} could not be loaded, because of its dependency: {exc}",)
            raise

    def _roots(self, names: Sequence[str], *, with_dependencies: bool) -> dict[str, str]:
        """What to load, dependencies first; and for whose sake: one of ``names``.

        Raises DependencyError, UnknownModuleError.
        """
        known, loaded = self.registry.metadata(), set(self.registry.names(LOADED))
        wanted, roots = set(names), dict[str, str]()
        for name in names:
            self.registry.get(name)  # whose error says where it was looked for
            order = load_order(name, known, loaded, self._refused)
            missing = ", ".join(repr(each) for each in order if each not in wanted)
            if missing and not with_dependencies:
                raise DependencyError(
                    f"{name!r} depends on {missing}, not loaded now, and with_dependencies is false", module=name
                )
            loaded.update(order)
            if not order and name not in roots:
                order = [name]  # loaded, or somebody is about to change that
            roots |= dict.fromkeys(order, name)
        return roots

    def restart(self, record: ModuleRecord) -> None:
        """Load a module that waits for its restart, and what it depends on; nothing if it waits no longer."""
        if record.state == RESTARTING:
            self.load(record.name)

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
            dependents = self.registry.all_dependents()
            order = unload_order(name, dependents)
            if len(order) > 1 and not with_dependents:
                needed_by = ", ".join(order[:-1])
                raise DependencyError(f"{name!r} cannot be unloaded alone: needed by {needed_by}", module=name)
            if record.state in {RESTARTING, GAVE_UP}:
                record.advance("unload")
                order.remove(name)
        done: list[str] = []
        problems: list[LogosError] = []
        for each in order:
            try:
                problem = self.life.unload_one(self.registry.get(each), "it was unloaded", save=save)
            except LogosError:
                for former in reversed(done):
                    self.load(former)
                raise
            done.append(each)
            problems += [problem] if problem is not None else []
        return done, problems

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
        self.life.end()
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
            self.life.unload_one(self.registry.get(CAPABILITY_MODULE), "the core ends")
        self.life.close()
        if interrupt is not None:
            raise interrupt

    @staticmethod
    def _ours(record: ModuleRecord) -> bool:
        return record.name not in BUILTIN_NAMES

    def _end_some(self, records: list[ModuleRecord]) -> None:
        """One round: what is loaded is unloaded, dependents first; what is being loaded is killed and waited for."""
        for record in records:
            self.life.call_off(record)
        for record in records:
            if record.state in {LOADING, UNLOADING}:
                record.settled.wait(_ROUND_SECONDS)
        loaded = [name for name in self.registry.names(LOADED) if name not in BUILTIN_NAMES]
        dependents = self.registry.all_dependents()
        for name in loaded:
            for each in unload_order(name, dependents):
                self.life.unload_one(self.registry.get(each), "the core ends")
