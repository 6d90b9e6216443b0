"""What the core knows of each module, and the table of a module's life. Pure bookkeeping.

          load               ready
known ──────────▶ loading ──────────▶ loaded ──────────▶ unloading ──────▶ known
  ▲                  │ failed           ▲ │ ended  unload  │        ended
  └──────────────────┘                  └─┼────────────────┘ refused (its state could not be saved)
                                          ▼
                                      crashed ── load ──▶ loading
                                          │ restart                        give up
                                          ▼                                (also from known and crashed)
                                     restarting ── load ──▶ loading        restarting ─────────▶ gave_up ── load ──▶ loading
                                          └── unload ──▶ known
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from logoscore.errors import LogosError, ModuleNotLoadedError, StateError, UnknownModuleError
from logoscore.limit_rules import effective_limits
from logoscore.limits import NO_LIMITS, Limits
from logoscore.locks import Flag
from logoscore.metadata import BUILTIN_NAMES, Metadata
from logoscore.plugins.spec import ModuleSpec

__all__ = [
    "CRASHED",
    "ENDED",
    "GAVE_UP",
    "IDLE",
    "KNOWN",
    "LOADED",
    "LOADING",
    "RESTARTING",
    "TRANSITIONS",
    "UNLOADING",
    "ModuleRecord",
    "PluginInfo",
    "Registry",
]

KNOWN: Final = "known"
LOADING: Final = "loading"
LOADED: Final = "loaded"
UNLOADING: Final = "unloading"
CRASHED: Final = "crashed"
RESTARTING: Final = "restarting"
GAVE_UP: Final = "gave_up"

ENDED: Final = frozenset({CRASHED, RESTARTING, GAVE_UP})
"""The states of a module whose process has ended by itself."""

_WORDS: Final = {
    KNOWN: "is known, not loaded",
    LOADING: "is being loaded",
    LOADED: "is loaded",
    UNLOADING: "is being unloaded",
    CRASHED: "has crashed",
    RESTARTING: "has crashed and waits for its restart",
    GAVE_UP: "was given up after too many restarts",
}

IDLE: Final = frozenset({KNOWN, *ENDED})
"""The states in which a module has no process, and can be loaded."""

TRANSITIONS: Final[Mapping[tuple[str, str], str]] = {
    (KNOWN, "load"): LOADING,
    (CRASHED, "load"): LOADING,
    (LOADING, "ready"): LOADED,
    (LOADING, "failed"): KNOWN,
    (LOADED, "unload"): UNLOADING,
    (LOADED, "ended"): CRASHED,
    (UNLOADING, "ended"): KNOWN,
    (UNLOADING, "refused"): LOADED,
    (CRASHED, "restart"): RESTARTING,
    (KNOWN, "restart"): RESTARTING,  # a restart has failed, and is tried again
    (RESTARTING, "load"): LOADING,
    (RESTARTING, "unload"): KNOWN,
    (CRASHED, "give up"): GAVE_UP,
    (KNOWN, "give up"): GAVE_UP,
    (RESTARTING, "give up"): GAVE_UP,
    (GAVE_UP, "load"): LOADING,
    (GAVE_UP, "unload"): KNOWN,
}
"""(state, what happens) → next state. What is not here cannot happen."""


@dataclass
class ModuleRecord:
    """One known module."""

    spec: ModuleSpec
    state: str = KNOWN
    pid: int | None = None
    instance: str | None = None
    token: str | None = field(default=None, repr=False)
    loaded_at: float | None = None
    restarts: int = 0
    comes_back: bool = False
    """It had ended by itself before it was loaded, or is being loaded, now."""
    last_exit: str | None = None
    pickled: bytes = field(default=b"", repr=False)
    """Of a class that the app loads directly: the class, by cloudpickle."""
    host: Any = field(default=None, repr=False)
    """Whoever supervises its process while it has one."""
    settled: Flag = field(default_factory=Flag, repr=False)
    """Set while the state is not a passing one (loading, unloading), and everybody has heard of a crash."""
    left_restarting: Flag = field(default_factory=Flag, repr=False)
    """Set while it does not wait for its restart."""
    load_failure: str | None = None
    """Why its last load failed, if it did."""
    saved_state: bytes | None = field(default=None, repr=False)
    """What its ``save_state`` returned at a reload, encoded, until ``restore_state`` gets it."""

    def __post_init__(self) -> None:
        self.settled.set()
        self.left_restarting.set()

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def standing(self) -> str:
        """Its state as the end of a sentence that begins with its name."""
        why = f" ({self.last_exit})" if self.state in ENDED and self.last_exit else ""
        if self.state == KNOWN and self.load_failure is not None:
            why = f"; its last load failed: {self.load_failure}"
        return f"{_WORDS[self.state]}{why}"

    def advance(self, happening: str) -> None:
        """Go on to the next state.

        Raises:
            StateError: ``happening`` cannot happen in this state.
        """
        after = TRANSITIONS.get((self.state, happening))
        if after is None:
            raise StateError(f"{self.name} {self.standing}: {happening!r} cannot happen now")
        self.state = after
        if after == LOADED:
            self.load_failure = None
        _set(self.settled, after not in {LOADING, UNLOADING})
        _set(self.left_restarting, after != RESTARTING)


def _set(flag: Flag, value: bool) -> None:
    if value:
        flag.set()
    else:
        flag.clear()


@dataclass(frozen=True)
class PluginInfo:
    """What is known of a module now. ``loaded_at``: seconds since the epoch; ``last_exit``: how its process ended last."""

    name: str
    version: str
    path: Path
    state: str
    pid: int | None
    loaded_at: float | None
    restarts: int
    last_exit: str | None
    dependencies: list[str]
    dependents: list[str]
    capabilities: list[str]
    metadata: Metadata
    limits: dict[str, int | float]
    """What it may use of the machine: its metadata's ``limits`` with the app's over them."""


class Registry:
    """All known modules. Callers hold ``lock`` for what they decide on several of these answers.

    Args:
        limits: the app's, by module name or ``"*"``.
    """

    def __init__(self, limits: Mapping[str, Limits] | None = None) -> None:
        self._limits = limits or {}
        self.lock = threading.RLock()
        self._records: dict[str, ModuleRecord] = {}
        self.searched: tuple[str, ...] = ()
        """Where modules were looked for, for messages."""
        self.unusable: Mapping[str, str] = {}
        """Why what was found of a name there is no module."""

    def add(self, spec: ModuleSpec) -> ModuleRecord:
        """Make a module known, or replace what was known of one that has no process.

        Raises:
            StateError: it is loaded, and this is another module of that name.
        """
        with self.lock:
            record = self._records.get(spec.name)
            if record is None:
                record = self._records[spec.name] = ModuleRecord(spec)
            elif record.state in IDLE:
                record.spec = spec
            elif record.spec.path != spec.path:
                raise StateError(f"a module {spec.name!r} from {record.spec.path} {record.standing} already")
            return record

    def replace_known(self, specs: Mapping[str, ModuleSpec], keep: set[str]) -> None:
        """After a new scan: add what was found, forget what vanished and is neither loaded nor in ``keep``."""
        with self.lock:
            for name, record in list(self._records.items()):
                if name not in specs and name not in keep and record.state in IDLE - {RESTARTING}:
                    del self._records[name]
            for spec in specs.values():
                if spec.name not in self._records or self._records[spec.name].state in IDLE:
                    self.add(spec)

    def get(self, name: str) -> ModuleRecord:
        """The record of a known module.

        Raises:
            UnknownModuleError: there is none of that name.
        """
        with self.lock:
            record = self.find(name)
        if record is None:
            raise self.unknown(name)
        return record

    def find(self, name: str) -> ModuleRecord | None:
        """Likewise, or None: for who expects that, as the error takes time to be worded."""
        return self._records.get(name) if isinstance(name, str) else None

    def loaded(self, name: str) -> ModuleRecord:
        """The record of a loaded module.

        Raises:
            UnknownModuleError, ModuleNotLoadedError: there is none.
        """
        record = self.get(name)
        if record.state != LOADED:
            raise self.not_loaded(record)
        return record

    def unknown(self, name: object, *, guess: bool = True) -> LogosError:
        """The error for a name that nobody has.

        ``guess``: whether to look for a name that may have been meant, which takes time; not for whoever may ask often.
        """
        with self.lock:
            known = ", ".join(sorted(self._records)) or "none"
        shown = repr(name) if isinstance(name, str) else f"{name!r} (a module's name is a str)"
        why = self.unusable.get(name) if isinstance(name, str) else None
        meant = self._guess(name) if guess and not why else ""
        found = f"; what was found of that name cannot be used: {why}" if why else meant
        return UnknownModuleError(
            f"no module {shown[:200]} is known{found}; known are: {known}; "
            f"searched: {', '.join(self.searched) or 'nothing'}",
            module=name if isinstance(name, str) else None,
        )

    def _guess(self, name: object) -> str:
        from logoscore.near import nearest

        with self.lock:
            names = list(self._records)
        meant = nearest(name, names)
        return f"; did you mean {meant!r}?" if meant is not None else ""

    @staticmethod
    def not_loaded(record: ModuleRecord) -> LogosError:
        """The error for a module that is known but has no process."""
        is_not = "" if record.state == KNOWN else "is not loaded: it "
        comes = record.state in {LOADING, RESTARTING}
        remedy = "client.wait_ready() waits for it" if comes else f'core.load_plugin("{record.name}") loads it'
        return ModuleNotLoadedError(f"module {record.name!r} {is_not}{record.standing}; {remedy}", module=record.name)

    def names(self, *states: str) -> list[str]:
        """The names of the modules in one of ``states`` (none given: of all), sorted."""
        with self.lock:
            return sorted(name for name, record in self._records.items() if not states or record.state in states)

    def records(self, *states: str) -> list[ModuleRecord]:
        """Likewise, the records."""
        with self.lock:
            return [self._records[name] for name in self.names(*states)]

    def metadata(self) -> dict[str, Metadata]:
        """Every known module's metadata, by name."""
        with self.lock:
            return {name: record.spec.metadata for name, record in self._records.items()}

    def dependents(self, name: str) -> list[str]:
        """Who of the modules that have a process depends on ``name`` directly, sorted."""
        with self.lock:
            return sorted(
                record.name
                for record in self._records.values()
                if record.state in {LOADING, LOADED}
                and any(dependency.name == name for dependency in record.spec.metadata.dependencies)
            )

    def all_dependents(self) -> dict[str, list[str]]:
        """The same for every module at once, in time linear in what all depend on; without those that none needs."""
        found: dict[str, list[str]] = {}
        with self.lock:
            for record in self._records.values():
                if record.state in {LOADING, LOADED}:
                    for dependency in record.spec.metadata.dependencies:
                        found.setdefault(dependency.name, []).append(record.name)
        return found

    def limits(self, record: ModuleRecord) -> Limits:
        """What the module may use of the machine."""
        if record.name in BUILTIN_NAMES:
            return NO_LIMITS  # the app's "*" means modules that somebody wrote
        return effective_limits(record.name, record.spec.metadata.limits, self._limits)

    def provider_of(self, capability: str) -> str | None:
        """The module that provides ``capability``: a loaded one before others, then by name."""
        with self.lock:
            providers = [r for r in self._records.values() if capability in r.spec.metadata.capabilities]
            best = min(providers, key=lambda r: (r.state not in {LOADED, LOADING}, r.name), default=None)
            return best.name if best is not None else None

    def info(self, name: str) -> PluginInfo:
        """See :class:`PluginInfo`. Raises UnknownModuleError."""
        with self.lock:
            record = self.get(name)
            metadata = record.spec.metadata
            return PluginInfo(
                name=name,
                version=metadata.version,
                path=record.spec.path,
                state=record.state,
                pid=record.pid,
                loaded_at=record.loaded_at,
                restarts=record.restarts,
                last_exit=record.last_exit,
                dependencies=[dependency.name for dependency in metadata.dependencies],
                dependents=self.dependents(name),
                capabilities=list(metadata.capabilities),
                metadata=metadata,
                limits=self.limits(record).to_dict(),
            )
