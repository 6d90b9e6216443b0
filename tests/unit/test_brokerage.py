"""The core as broker, with parties that are no processes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from helpers import wait_until

from logoscore.brokerage import Brokerage, Party
from logoscore.errors import ChannelClosedError, LogosError, ModuleCrashedError, ModuleNotLoadedError
from logoscore.session.node import CAPABILITY_MODULE
from logoscore.transport import messages as m


class Everything:
    """Rights that let everybody do everything."""

    def resolve(self, target: str) -> str:
        return target

    def absent(self, name: str, requester: str) -> LogosError:
        return ModuleNotLoadedError(f"{name} is not there", module=name)

    def check(self, requester: str, target: str, requested: str) -> None:
        pass

    def codec(self, caller: str, callee: str) -> str:
        return "safe"


class Court:
    """A brokerage, and what its parties were told, in order. Parties answer at once, unless they are ``deaf``."""

    def __init__(self) -> None:
        self.brokerage = Brokerage(Everything())
        self.told: list[tuple[str, Any]] = []
        self.deaf: set[str] = set()

    def party(self, name: str) -> Party:
        def deliver(message: Any, descriptors: tuple[int, ...] = ()) -> None:
            self.told.append((name, message))
            if isinstance(message, (m.Plant, m.Forget)) and name not in self.deaf:
                self.brokerage.handle(party, m.Done(message.request))

        party = Party(name, f"token of {name}", deliver)
        return party

    def heard(self, name: str, kind: type) -> list[int]:
        """Where in the order of all messages ``name`` was told of such things."""
        return [place for place, (who, message) in enumerate(self.told) if who == name and isinstance(message, kind)]

    def answer(self, party: Party) -> None:
        """A deaf party hears again, and answers what it was asked meanwhile."""
        self.deaf.discard(party.name)
        for who, message in list(self.told):
            if who == party.name and isinstance(message, (m.Plant, m.Forget)):
                self.brokerage.handle(party, m.Done(message.request))


@pytest.fixture
def court() -> Iterator[Court]:
    court = Court()
    yield court
    for name in ("core", "caller", "callee", CAPABILITY_MODULE):
        party = court.brokerage.party(name)
        if party is not None:
            court.brokerage.remove(party, ChannelClosedError("the test ends"))


@pytest.mark.parametrize("slow", ["callee", CAPABILITY_MODULE])
def test_a_newcomer_waits_until_its_predecessor_is_forgotten(court: Court, slow: str) -> None:
    """Else somebody who is slow to forget the one forgets the token of the other, and refuses it for ever."""
    parties = {name: court.party(name) for name in (CAPABILITY_MODULE, "callee", "caller")}
    for party in parties.values():
        court.brokerage.add(party)
    court.brokerage.handle(parties[CAPABILITY_MODULE], m.Authorize(1, "caller", "callee"))
    wait_until(lambda: court.heard(CAPABILITY_MODULE, m.Done), what="the grant")
    court.deaf.add(slow)
    planted = len(court.heard(CAPABILITY_MODULE, m.Plant))
    leaving = threading.Thread(target=court.brokerage.remove, args=(parties["caller"], ChannelClosedError("it died")))
    leaving.start()
    wait_until(lambda: court.heard(slow, m.Forget), what="the question")
    coming = threading.Thread(target=court.brokerage.add, args=(court.party("caller"),))
    coming.start()
    coming.join(0.3)  # in vain: it waits
    assert len(court.heard(CAPABILITY_MODULE, m.Plant)) == planted
    court.answer(parties[slow])
    leaving.join()
    coming.join()
    assert len(court.heard(CAPABILITY_MODULE, m.Plant)) == planted + 1
    assert court.brokerage.party("caller") not in {None, parties["caller"]}


@pytest.mark.parametrize("comes", ["callee", CAPABILITY_MODULE])
def test_nobody_reaches_a_newcomer_whose_token_is_not_known_yet(court: Court, comes: str) -> None:
    """A call that overtakes its token would be refused."""
    names = ["caller", *({CAPABILITY_MODULE} - {comes})]
    parties = {name: court.party(name) for name in names}
    for party in parties.values():
        court.brokerage.add(party)
    court.deaf.add(CAPABILITY_MODULE)
    newcomer = court.party(comes)
    coming = threading.Thread(target=court.brokerage.add, args=(newcomer,))
    planted = len(court.heard(CAPABILITY_MODULE, m.Plant))
    coming.start()
    wait_until(lambda: len(court.heard(CAPABILITY_MODULE, m.Plant)) > planted, what="the introduction")
    court.brokerage.handle(parties["caller"], m.OpenLink(7, comes))
    assert court.told[-1][0] == "caller"
    assert court.told[-1][1].error.kind == "ModuleNotLoadedError"
    court.answer(newcomer if comes == CAPABILITY_MODULE else parties[CAPABILITY_MODULE])
    coming.join()
    assert court.brokerage.party(comes) is newcomer


def test_a_capability_module_that_ends_while_it_comes_keeps_nobody_waiting(court: Court) -> None:
    court.deaf.add(CAPABILITY_MODULE)
    newcomer = court.party(CAPABILITY_MODULE)
    coming = threading.Thread(target=court.brokerage.add, args=(newcomer,))
    coming.start()
    wait_until(lambda: court.heard(CAPABILITY_MODULE, m.Plant), what="the question")
    court.brokerage.remove(newcomer, ChannelClosedError("it died"))
    assert not court.brokerage._questions._answers
    coming.join()


@pytest.mark.parametrize("end", ["it comes up", "it crashes", "it cannot be loaded"])
def test_the_app_is_told_when_a_module_is_loaded_and_modules_are_at_once(court: Court, end: str) -> None:
    parties = {name: court.party(name) for name in (CAPABILITY_MODULE, "core", "caller", "callee")}
    parties["callee"].coming = True
    for party in parties.values():
        court.brokerage.add(party)
    court.brokerage.handle(parties["core"], m.AwaitLoaded(1, "callee"))
    court.brokerage.handle(parties["core"], m.AwaitLoaded(2, "callee"))
    court.brokerage.handle(parties["caller"], m.AwaitLoaded(3, "callee"))
    assert answers(court, "caller") == [(3, None)]
    assert answers(court, "core") == []
    if end == "it comes up":
        court.brokerage.came_up(parties["callee"])
        court.brokerage.handle(parties["core"], m.AwaitLoaded(4, "callee"))
        assert answers(court, "core") == [(1, None), (2, None), (4, None)]
        return
    error = ModuleCrashedError("it died") if end == "it crashes" else ChannelClosedError("its init_logos raised")
    court.brokerage.remove(parties["callee"], error)
    kind = "ModuleCrashedError" if end == "it crashes" else "ModuleNotLoadedError"  # both: wait_ready goes on waiting
    assert answers(court, "core") == [(1, kind), (2, kind)]


def answers(court: Court, name: str) -> list[tuple[int, str | None]]:
    """What that party was answered: the request, and the kind of the error if it was one."""
    told = [message for who, message in court.told if who == name]
    return [
        (each.request, each.error.kind if isinstance(each, m.Failed) else None)
        for each in told
        if isinstance(each, (m.Done, m.Failed))
    ]
