"""The event loop of a process's ``async def`` methods: one thread, started with the first of them.

asyncio is imported only then: it costs a host tens of milliseconds. The loop ends with its party and not before, whatever
a coroutine does; from then on nobody waits for it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from logoscore.errors import StateError
from logoscore.locks import Thread
from logoscore.session.execution import RunningCall, current_call
from logoscore.session.threads import signal_stack

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future

__all__ = ["AsyncRunner", "LoopEndedError"]

Done = Callable[[Any, BaseException | None], None]


class LoopEndedError(StateError):
    """There is no loop any more: the party has ended."""


class AsyncRunner:
    """Runs coroutines of one module.

    Args:
        module: for the thread's name.
        on_exit: called with the exit code when a task raises SystemExit; None: that is logged like any other exception.
    """

    def __init__(self, module: str, on_exit: Callable[[object], None] | None = None) -> None:
        self._module = module
        self._on_exit = on_exit
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._awaited: set[Future[Any]] = set()  # for which threads wait
        self._over = False  # no more coroutines are taken
        self._stopped = False  # the loop is to end now
        self._beats = 0
        self._beating = False

    def beat(self) -> int | None:
        """How often the loop has come round when it was asked to; asks again. None: there is no loop."""
        with self._lock:
            loop = self._loop
        if loop is not None and not self._beating:
            self._beating = True
            with contextlib.suppress(RuntimeError):  # it has just been closed
                loop.call_soon_threadsafe(self._come_round)
        return None if loop is None else self._beats

    def _come_round(self) -> None:
        self._beats += 1
        self._beating = False

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop, running. Raises LoopEndedError."""
        with self._lock:
            if self._over:
                raise self._ended()
            if self._loop is None:
                import asyncio

                loop = asyncio.new_event_loop()
                thread = Thread(target=self._run_loop, args=(loop,), name=f"logos-loop-{self._module}")
                try:
                    thread.start()
                except BaseException:
                    loop.close()
                    raise
                self._loop, self._thread = loop, thread
            return self._loop

    def _ended(self) -> LoopEndedError:
        return LoopEndedError(f"{self._module} has ended, and its event loop with it")

    def _run_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        import asyncio

        asyncio.set_event_loop(loop)
        try:
            with signal_stack():
                while not self._run_until_stopped(loop):
                    pass
        finally:
            with self._lock:
                self._over = True
                awaited = list(self._awaited)
            for future in awaited:
                if not future.done():
                    future.set_exception(self._ended())
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def _run_until_stopped(self, loop: asyncio.AbstractEventLoop) -> bool:
        """asyncio lets SystemExit and KeyboardInterrupt of a task end its loop; here they end that task.

        True: :meth:`stop` has ended it. (A task may have said ``loop.stop()``.)
        """
        try:
            loop.run_forever()
        except BaseException as exc:
            if isinstance(exc, SystemExit) and self._on_exit is not None:
                self._on_exit(exc.code)
            else:
                import logging

                logging.getLogger("logoscore").exception("a background task of %s raised", self._module)
        return self._stopped

    def run(self, coroutine: Coroutine[Any, Any, Any], call: RunningCall, done: Done) -> None:
        """Run ``coroutine`` as ``call``; ``done(result, exception)`` is called on the loop's thread, exactly once."""
        try:
            loop = self.loop
        except BaseException:  # no thread, no descriptors, no memory for it
            coroutine.close()
            raise

        async def main() -> None:
            current_call.set(call)
            call.loop_thread = threading.get_ident()
            _cancel_with(call, loop)
            try:
                result = await coroutine
            except BaseException as exc:  # noqa: BLE001 - user code may raise anything; all of it is the call's result
                done(None, exc)
            else:
                done(result, None)

        loop.call_soon_threadsafe(lambda: _keep(loop.create_task(main())))

    def complete(self, coroutine: Coroutine[Any, Any, Any], call: RunningCall | None = None) -> Any:
        """Run ``coroutine``, and wait for it in this thread: gives its result, or what it raised.

        Args:
            call: whose cancellation cancels it.

        Raises:
            LoopEndedError: the loop has ended, or does so meanwhile.
        """
        from concurrent.futures import Future

        future: Future[Any] = Future()
        begun: list[asyncio.Task[None]] = []

        def begin() -> None:
            if not future.done():
                begun.append(loop.create_task(_run_for(future, coroutine, call)))

        try:
            loop = self.loop
            with self._lock:
                if self._over:
                    raise self._ended()
                self._awaited.add(future)
            with contextlib.suppress(RuntimeError):  # it was closed at this moment, and the future told
                loop.call_soon_threadsafe(begin)
            return future.result()
        finally:
            self._awaited.discard(future)
            if not begun:
                coroutine.close()

    def stop(self) -> None:
        """End the loop and its thread, for good; what still runs is cancelled."""
        with self._lock:
            self._over = True
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return

        def cancel_all() -> None:
            import asyncio

            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.call_soon(end)

        def end() -> None:  # after those have ended; one that says SystemExit then ends the loop's run, but not this
            self._stopped = True
            loop.stop()

        with contextlib.suppress(RuntimeError):  # it has just been closed
            loop.call_soon_threadsafe(cancel_all)
        thread.join(5)


async def _run_for(future: Future[Any], coroutine: Coroutine[Any, Any, Any], call: RunningCall | None) -> None:
    """``future``, for which a thread waits, gets what becomes of ``coroutine``."""
    import asyncio

    if call is not None:
        _cancel_with(call, asyncio.get_running_loop())
    try:
        result = await coroutine
    except BaseException as exc:  # noqa: BLE001 - user code may raise anything; the thread gets it
        if not future.done():  # the loop ends otherwise, and the thread has been told
            future.set_exception(exc)
    else:
        if not future.done():
            future.set_result(result)
    finally:
        if call is not None:
            call.on_cancel = None


def _cancel_with(call: RunningCall, loop: asyncio.AbstractEventLoop) -> None:
    """In a task: the cancellation of ``call`` cancels it."""
    import asyncio

    task = asyncio.current_task()
    assert task is not None

    def cancel() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and the task with it
            loop.call_soon_threadsafe(task.cancel)

    call.on_cancel = cancel
    if call.cancelled:
        task.cancel()


_tasks: set[asyncio.Task[Any]] = set()


def _keep(task: asyncio.Task[Any]) -> None:
    """The loop itself keeps only weak references to tasks."""
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
