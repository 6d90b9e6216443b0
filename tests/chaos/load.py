"""The load: threads of the app that call, submit, stream and subscribe, and check every answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from chaos import model
from chaos.hearing import Checker
from chaos.stage import BATCH, DEFAULT_TIMEOUT, Actor, Stage
from logoscore import Call, Subscription
from logoscore.errors import (
    CallCancelledError,
    CallTimeoutError,
    ChannelClosedError,
    LogosError,
    ModuleCrashedError,
    ModuleNotLoadedError,
    RemoteError,
    StateError,
)

__all__ = ["LOAD", "LOST", "PERSISTENT", "announcer", "listen"]

LOST: Final[tuple[type[LogosError], ...]] = (
    ModuleCrashedError,
    ChannelClosedError,
    ModuleNotLoadedError,
    CallTimeoutError,
)
"""What a call may raise because its callee, or somebody whom that one needs, came to harm."""
SPOILT: Final = (LogosError,)
"""What a call of a module that spoils its channels may raise: garbage may look like anything."""
_DEADLINES: Final = (None, 0.02, 0.2, 1.0, 3.0, 3.0)
_PLAIN: Final = ("echo", "crowd", "waves", "relay_a", "relay_b", "relay_c", "herald", "listener")


@dataclass(frozen=True)
class _Job:
    """One call and what must come of it."""

    target: str
    method: str
    args: tuple[Any, ...]
    answer: Any
    plausible: tuple[type[LogosError], ...] = LOST
    raises: str = ""
    """The exception that the method raises, instead of an answer."""

    @property
    def what(self) -> str:
        return f"{self.target}.{self.method}"


def _job(rng: Random) -> _Job:
    value = model.question(rng)
    some = rng.choice(_PLAIN)
    kind = rng.choices(("echo", "chain", "large", "fail", "sleep", "vandal"), (8, 3, 1, 1, 1, 1))[0]
    if kind == "chain":
        # (StateError: of a module in the chain that is just being unloaded, and may call nobody any more.)
        return _Job("relay_a", "relay", (value,), model.through_chain(value), (*LOST, StateError))
    if kind == "large":
        data = model.large(rng)
        return _Job(some, "turned", (data,), data[::-1])
    if kind == "fail":
        return _Job(some, "fail", (rng.getrandbits(60),), None, raises="ValueError")
    if kind == "sleep":
        return _Job("waves", "sleep", (rng.random(), value), value)
    if kind == "vandal":
        return _Job("vandal", "pass_on", (value,), ..., SPOILT)
    return _Job(some, "echo", (value,), value)


def _bound(timeout: float | None) -> float:
    return DEFAULT_TIMEOUT if timeout is None else timeout


def _settle(stage: Stage, kind: str, job: _Job, get: Callable[[], Any], *also: type[LogosError]) -> None:
    """Count what became of a job."""
    try:
        answer = get()
    except RemoteError as error:
        if job.raises and (error.type_name, error.message) == (job.raises, str(job.args[0])):
            stage.tally.count(kind, "raised as it should")
        else:
            stage.tally.failed(kind, job.what, error, (*job.plausible, *also))
    except Exception as error:  # noqa: BLE001 - the tally judges it
        stage.tally.failed(kind, job.what, error, (*job.plausible, *also))
        if isinstance(error, ModuleNotLoadedError):
            stage.ended.wait(0.02)  # rather than ask in vain, leave the processor to whoever loads it
    else:
        if job.answer is ...:  # whoever writes into its own rings may answer anything
            stage.tally.count(kind, "answered by a vandal")
        elif answer == job.answer and not job.raises:
            stage.tally.count(kind, "answered")
        else:
            stage.tally.defect("wrong answers", f"{job.what}{job.args!r:.300} gave {answer!r:.300}")


def caller(stage: Stage, rng: Random) -> None:
    """Calls and waits."""
    job, timeout = _job(rng), rng.choice(_DEADLINES)
    client = stage.core.get_client(job.target)
    with stage.watcher.watching(f"call of {job.what}", _bound(timeout)):
        _settle(stage, "calls", job, lambda: client.call(job.method, *job.args, timeout=timeout))


def submitter(stage: Stage, rng: Random) -> None:
    """Submits many, cancels some, and waits for all."""
    pending: list[tuple[_Job, Call, float]] = []
    for _ in range(rng.choice((1, 10, 60))):
        job, timeout = _job(rng), rng.choice(_DEADLINES)
        client = stage.core.get_client(job.target)
        with stage.watcher.watching(f"submit of {job.what}", _bound(timeout)):
            try:
                call = client.submit(job.method, *job.args, timeout=timeout)
            except Exception as error:  # noqa: BLE001 - the tally judges it
                stage.tally.failed("submits", job.what, error, job.plausible)
                stage.ended.wait(0.02)
                continue
        pending.append((job, call, _bound(timeout)))
        if rng.random() < 0.1:
            job, call, _ = pending[rng.randrange(len(pending))]
            with stage.watcher.watching(f"cancel of {job.what}", 0.0):  # it waits for nobody
                call.cancel()
    for job, call, seconds in pending:
        also = (CallCancelledError,) if call.cancelled() else ()
        with stage.watcher.watching(f"result of {job.what}", seconds):
            _settle(stage, "submits", job, call.result, *also)


def awaiter(stage: Stage, rng: Random) -> None:
    """Awaits many at once, on an event loop; some of its tasks are cancelled."""
    jobs = [(_job(rng), rng.choice(_DEADLINES), rng.random() < 0.1) for _ in range(rng.choice((1, BATCH)))]
    # They share one thread, and each submit may have to connect, which waits: any of them may have to wait for all.
    patience = sum(_bound(timeout) for _, timeout, _ in jobs)

    async def one(job: _Job, timeout: float | None) -> Any:
        return await stage.core.get_client(job.target).submit(job.method, *job.args, timeout=timeout)

    async def settle(job: _Job, timeout: float | None, cancel: bool) -> None:
        task = asyncio.create_task(one(job, timeout))
        if cancel:
            await asyncio.sleep(0)
            task.cancel()
        with stage.watcher.watching(f"await of {job.what}", patience):
            await asyncio.wait([task])
        if task.cancelled():
            stage.tally.count("awaits", "cancelled")
        else:
            _settle(stage, "awaits", job, task.result, *((CallCancelledError,) if cancel else ()))

    async def all_of_them() -> None:
        await asyncio.gather(*(settle(*each) for each in jobs))

    asyncio.run(all_of_them())


def streamer(stage: Stage, rng: Random) -> None:
    """Streams; sometimes leaves early, or lets go without a word."""
    target, nonce, end = rng.choice(_PLAIN), rng.getrandbits(60), rng.choice((0, 5, 300))
    stop = rng.randrange(end + 1) if rng.random() < 0.3 else end + 1
    what, number = f"{target}.count", 0
    try:
        with stage.watcher.watching(f"opening of {what}", DEFAULT_TIMEOUT):
            stream = stage.core.get_client(target).stream("count", nonce, end)
        while number < stop:
            with stage.watcher.watching(f"item {number} of {what}", DEFAULT_TIMEOUT):
                item = next(stream, None)
            if item is None:
                break
            if item != (nonce, number):
                stage.tally.defect("wrong answers", f"item {number} of {what} with {nonce} is {item!r:.300}")
                return
            number += 1
        if number < min(stop, end):
            stage.tally.defect("wrong answers", f"{what}: {number} of {end} items, and no error")
            return
        if rng.random() < 0.5:
            stream.close()
        stage.tally.count("streams", "whole" if number == end else "left early")
    except Exception as error:  # noqa: BLE001 - the tally judges it
        stage.tally.failed("streams", what, error, LOST)
        stage.ended.wait(0.02)


def announcer(stage: Stage, rng: Random) -> None:
    """Lets the herald publish."""
    number = rng.choice((1, 20, 500))
    job = _Job("herald", "announce", (rng.getrandbits(60), number), number)
    with stage.watcher.watching("call of herald.announce", DEFAULT_TIMEOUT):
        client = stage.core.get_client("herald")
        _settle(stage, "announcements", job, lambda: client.call("announce", *job.args))
    stage.ended.wait(rng.random() / 5)


def subscriber(stage: Stage, rng: Random) -> None:
    """Subscribes for a moment, in every way."""
    overflow = rng.choice(("block", "drop_oldest", "drop_newest", "disconnect"))
    checker = Checker(complete=overflow == "block")
    try:
        with (
            stage.watcher.watching("a subscription", 3 * DEFAULT_TIMEOUT),
            stage.core.get_client("herald").subscribe("news", maxsize=rng.choice((1, 50)), overflow=overflow) as events,
        ):
            _hear(events, checker, rng)
        stage.tally.count("subscriptions", overflow)
    except Exception as error:  # noqa: BLE001 - the tally judges it
        stage.tally.failed("subscriptions", f"herald.subscribe ({overflow})", error, LOST)
    report(stage, checker.result(), f"a subscription ({overflow})")


def _hear(events: Subscription, checker: Checker, rng: Random) -> None:
    for _ in range(rng.randrange(30)):
        try:
            checker.take(events.get(timeout=0.1))
        except TimeoutError:
            return  # nothing was said: as documented, no error of ours


def report(stage: Stage, heard: tuple[int, list[str]], where: str) -> None:
    """Count events that somebody has checked."""
    count, wrong = heard
    stage.tally.count("events", where, count)
    for each in wrong:
        stage.tally.defect("wrong answers", f"{where}: {each}")


def asker(stage: Stage, rng: Random) -> None:
    """Asks the core and its manager about everybody; asks the listener what it has heard."""
    core, manager, name = stage.core, stage.core.get_client("core_manager"), rng.choice(_PLAIN)
    question = rng.choice(
        (
            lambda: core.get_plugin_info(name).name == name,
            lambda: any(each.name == "echo" for each in core.get_plugin_methods(name)),
            lambda: bool(core.get_module_stats()),
            lambda: "core_manager" in manager.call("getLoadedPlugins"),
            lambda: name in manager.call("getKnownPlugins"),
            lambda: bool(core.get_token(name)),
            lambda: report(stage, core.get_client("listener").call("heard"), "in the listener") is None,
        )
    )
    with stage.watcher.watching("a question to the core", 3 * DEFAULT_TIMEOUT):
        try:
            right = question()
        except Exception as error:  # noqa: BLE001 - the tally judges it
            stage.tally.failed("questions", f"a question about {name}", error, LOST)
        else:
            stage.tally.count("questions", "answered")
            if not right:
                stage.tally.defect("wrong answers", f"a question about {name}")
    stage.ended.wait(rng.random() / 10)


PERSISTENT: Final = "the app's listener"


def listen(stage: Stage) -> Callable[[], None]:
    """Hear the herald for the whole run; returns what counts, so far, what was heard."""
    checker = Checker()
    stage.core.get_client("herald").on_event("news", checker.take)
    return lambda: report(stage, checker.result(), PERSISTENT)


LOAD: Final[tuple[Actor, ...]] = (
    caller, caller, caller, submitter, awaiter, streamer, announcer, subscriber, asker,
)  # fmt: skip
"""One thread each."""
