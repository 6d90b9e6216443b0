"""The sample module async_timing: coroutines, deadlines, cancelling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import wait_until

from acceptance.support import MODULES, raises_remotely, write_module
from logoscore import Core
from logoscore.errors import CallCancelledError, CallTimeoutError

LONG = 60.0
SHORT = 0.2


@pytest.fixture
def timing(core: Core) -> Any:
    return core.load_plugin("async_timing")


def counted(timing: Any, what: str) -> int:
    return timing.call("counters").get(what, 0)


def give_up_inside(timing: Any, call: Callable[[float], object]) -> CallTimeoutError:
    """What ``call(timeout)`` raises when the module's method has begun. On a busy machine its time may be over before."""
    timeout = SHORT
    while True:
        with pytest.raises(CallTimeoutError) as caught:
            call(timeout)
        if counted(timing, "started"):
            return caught.value
        timeout *= 2


def wait_told(timing: Any) -> None:
    """Every method that has begun hears that its caller has given up."""
    wait_until(lambda: counted(timing, "cancelled") == counted(timing, "started") > 0, what="the module being told")


def test_coroutine_method(timing: Any) -> None:
    assert timing.call("add", 3, 4) == 7
    infos = {info.name: info.is_async for info in timing.methods()}
    assert infos["add"] is True
    assert infos["counters"] is False


def test_coroutine_that_raises(timing: Any) -> None:
    with raises_remotely("ValueError") as caught:
        timing.call("fail")
    assert caught.value.message == "deliberate"
    assert timing.call("add", 1, 1) == 2


@pytest.mark.parametrize("method", ["echo_with_delay", "blocking_echo_with_delay"])
def test_echo_with_delay(timing: Any, method: str) -> None:
    assert timing.call(method, "x", 0.05) == "x"
    assert timing.call("counters") == {"started": 1, "finished": 1}


@pytest.mark.parametrize("method", ["echo_with_delay", "blocking_echo_with_delay"])
def test_deadline_longer_than_the_delay(timing: Any, method: str) -> None:
    assert timing.call(method, ["in time"], 0.05, timeout=LONG) == ["in time"]


HANGS = """
import asyncio
from logoscore import PluginInterface, invokable

class Hangs(PluginInterface):
    @invokable
    async def hang(self):
        await asyncio.Event().wait()

    @invokable
    def ping(self):
        return self.api.name
"""


def test_who_waited_for_earlier_calls_is_told_of_them(plugins: Path) -> None:
    """The module runs one call at a time: what did not reply was not even begun."""
    write_module(plugins, "hangs", HANGS)
    with Core(plugins_dir=plugins, entry_points=False) as core:
        hangs = core.load_plugin("hangs")
        first = hangs.submit("hang", timeout=LONG)
        one = r"^hangs.ping did not reply within 0.1 s \(an earlier call to hangs was still under way: hang\)$"
        with pytest.raises(CallTimeoutError, match=one):
            hangs.call("ping", timeout=0.1)
        with pytest.raises(CallTimeoutError, match=one):
            hangs.submit("ping", timeout=0.1).result()
        second = hangs.submit("ping", timeout=LONG)
        with pytest.raises(
            CallTimeoutError, match=r"\(2 earlier calls to hangs were still under way, the first: hang\)$"
        ):
            hangs.call("ping", timeout=0.1)
        first.cancel()
        assert second.result() == "hangs"
        with pytest.raises(CallTimeoutError, match=r"^hangs.hang did not reply within 0.1 s$"):
            hangs.call("hang", timeout=0.1)


def test_deadline_shorter_than_the_delay(timing: Any) -> None:
    error = give_up_inside(timing, lambda timeout: timing.call("echo_with_delay", "x", LONG, timeout=timeout))
    assert "async_timing" in str(error)
    assert "echo_with_delay" in str(error)
    assert (error.module, error.method) == ("async_timing", "echo_with_delay")
    assert isinstance(error, TimeoutError)
    wait_told(timing)
    assert counted(timing, "finished") == 0


def test_deadline_of_a_method_that_blocks(timing: Any) -> None:
    error = give_up_inside(
        timing, lambda timeout: timing.call("blocking_echo_with_delay", "late", 3 * timeout, timeout=timeout)
    )
    assert "blocking_echo_with_delay" in str(error)
    # The answer that comes too late is nobody else's.
    assert timing.call("echo_with_delay", "mine", 0.0) == "mine"
    wait_until(lambda: counted(timing, "finished") == counted(timing, "started"), what="the late end of what blocks")
    assert counted(timing, "finished") >= 2
    assert timing.call("add", 2, 2) == 4


def test_deadline_of_submit(timing: Any) -> None:
    error = give_up_inside(timing, lambda timeout: timing.submit("wait_for_ever", timeout=timeout).result(timeout=LONG))
    assert "wait_for_ever" in str(error)
    wait_told(timing)


def test_default_deadline_is_the_cores() -> None:
    with Core(plugins_dir=MODULES, entry_points=False, default_timeout=SHORT) as impatient:
        timing = impatient.load_plugin("async_timing")
        assert timing.call("add", 1, 2, timeout=LONG) == 3  # the way is open: the short time is for the call alone
        with pytest.raises(CallTimeoutError, match="wait_for_ever"):
            timing.call("wait_for_ever")
        assert timing.call("echo_with_delay", "x", 2 * SHORT, timeout=LONG) == "x"


def test_remaining_deadline_is_known_inside(core: Core, timing: Any) -> None:
    assert 0 < timing.call("remaining", timeout=5.0) <= 5.0
    relay = core.load_plugin("relay")
    assert 0 < relay.call("call_within", "async_timing", "remaining", [], LONG, timeout=5.0) <= 5.0
    assert 0 < relay.call("call_within", "async_timing", "remaining", [], 2.0, timeout=5.0) <= 2.0


def test_deadline_travels_through_a_module(core: Core, timing: Any) -> None:
    relay = core.load_plugin("relay")
    # The way is open: the short time is for the call alone.
    assert relay.call("call", "async_timing", "add", [1, 2]) == 3
    give_up_inside(
        timing,
        lambda timeout: relay.call("call_within", "async_timing", "wait_for_ever", [], LONG, timeout=timeout),
    )
    wait_told(timing)
    assert relay.call("call", "async_timing", "add", [1, 2]) == 3


def test_deadline_inside_a_module_is_its_own_error(core: Core, timing: Any) -> None:
    relay = core.load_plugin("relay")
    # The way is open: the short time is for the call alone.
    assert relay.call("call", "async_timing", "add", [1, 2]) == 3
    with raises_remotely("CallTimeoutError") as caught:
        relay.call("call_within", "async_timing", "wait_for_ever", [], SHORT)
    assert "wait_for_ever" in str(caught.value)
    assert timing.call("add", 1, 2) == 3


def test_cancel_reaches_the_callee(timing: Any) -> None:
    pending = timing.submit("wait_for_ever")
    wait_until(lambda: counted(timing, "started") == 1, what="the start of the call")
    assert pending.cancel() is True
    assert pending.cancelled() is True
    with pytest.raises(CallCancelledError):
        pending.result(timeout=LONG)
    wait_until(lambda: counted(timing, "cancelled") == 1, what="the module being told")
    assert timing.call("add", 1, 1) == 2


def test_cancel_of_what_is_done_changes_nothing(timing: Any) -> None:
    pending = timing.submit("add", 1, 2)
    assert pending.result(timeout=LONG) == 3
    assert pending.cancel() is False
    assert pending.result() == 3


def test_call_is_awaitable(timing: Any) -> None:
    async def scenario() -> list[int]:
        one = await timing.submit("add", 1, 2)
        return [one, *await asyncio.gather(*(timing.submit("add", number, 1) for number in range(20)))]

    assert asyncio.run(scenario()) == [3, *range(1, 21)]


def test_cancelled_task_cancels_the_call(timing: Any) -> None:
    async def wait_for_it() -> None:
        await timing.submit("wait_for_ever")

    async def scenario() -> None:
        task = asyncio.ensure_future(wait_for_it())
        async with asyncio.timeout(LONG):
            while not (await timing.submit("counters")).get("started"):
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    wait_until(lambda: counted(timing, "cancelled") == 1, what="the module being told")


def test_error_of_an_awaited_call(timing: Any) -> None:
    async def scenario() -> None:
        with raises_remotely("ValueError"):
            await timing.submit("fail")
        with pytest.raises(CallTimeoutError):
            await timing.submit("wait_for_ever", timeout=SHORT)

    asyncio.run(scenario())


def test_coroutines_of_one_host_run_together(timing: Any) -> None:
    waiting = [timing.submit("wait_for_gate") for _ in range(4)]
    wait_until(lambda: counted(timing, "started") == 4, what="four waiting coroutines")
    timing.call("open_gate")
    assert [each.result(timeout=LONG) for each in waiting] == ["through"] * 4
