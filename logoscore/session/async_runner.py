"""The event loop of a process's ``async def`` methods: one thread, started with the first of them.

asyncio is imported only then: it costs a host tens of milliseconds.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from logoscore.session.execution import RunningCall, current_call
from logoscore.session.threads import signal_stack

if TYPE_CHECKING:
    import asyncio

__all__ = ["AsyncRunner"]

Done = Callable[[Any, BaseException | None], None]


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
        self._thread: threading.Thread | None = None
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
        """The loop, running."""
        with self._lock:
            if self._loop is None:
                import asyncio

                loop = asyncio.new_event_loop()
                thread = threading.Thread(
                    target=self._run_loop, args=(loop,), name=f"logos-loop-{self._module}", daemon=True
                )
                try:
                    thread.start()
                except BaseException:
                    loop.close()
                    raise
                self._loop, self._thread = loop, thread
            return self._loop

    def _run_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        import asyncio

        asyncio.set_event_loop(loop)
        try:
            with signal_stack():
                while not self._run_until_stopped(loop):
                    pass
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def _run_until_stopped(self, loop: asyncio.AbstractEventLoop) -> bool:
        """asyncio lets SystemExit and KeyboardInterrupt of a task end its loop; here they end that task. True: stopped."""
        try:
            loop.run_forever()
        except BaseException as exc:
            if isinstance(exc, SystemExit) and self._on_exit is not None:
                self._on_exit(exc.code)
            else:
                import logging

                logging.getLogger("logoscore").exception("a background task of %s raised", self._module)
            return False
        return True

    def run(self, coroutine: Coroutine[Any, Any, Any], call: RunningCall, done: Done) -> None:
        """Run ``coroutine`` as ``call``; ``done(result, exception)`` is called on the loop's thread, exactly once."""
        try:
            loop = self.loop
        except BaseException:  # no thread, no descriptors, no memory for it
            coroutine.close()
            raise

        async def main() -> None:
            import asyncio

            task = asyncio.current_task()
            assert task is not None
            current_call.set(call)
            call.loop_thread = threading.get_ident()

            def cancel() -> None:
                with contextlib.suppress(RuntimeError):  # the loop has ended, and the task with it
                    loop.call_soon_threadsafe(task.cancel)

            call.on_cancel = cancel
            if call.cancelled:
                task.cancel()
            try:
                result = await coroutine
            except BaseException as exc:  # noqa: BLE001 - user code may raise anything; all of it is the call's result
                done(None, exc)
            else:
                done(result, None)

        loop.call_soon_threadsafe(lambda: _keep(loop.create_task(main())))

    def stop(self) -> None:
        """End the loop and its thread; what still runs is cancelled."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return

        def cancel_all() -> None:
            import asyncio

            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.call_soon(loop.stop)

        loop.call_soon_threadsafe(cancel_all)
        thread.join(5)


_tasks: set[asyncio.Task[Any]] = set()


def _keep(task: asyncio.Task[Any]) -> None:
    """The loop itself keeps only weak references to tasks."""
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
