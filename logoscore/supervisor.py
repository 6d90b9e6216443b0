"""Outside a host: its process, its control pipe, its stderr, and its end.

One thread per host watches three things at once: the control pipe, the process (where the system can say that a process
has ended), and stderr, which is passed on to the app's and whose last lines are kept for error messages. So half a
control message, a flood of output or a hung module is that host's affair alone.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import threading
import weakref
from collections.abc import Callable
from typing import Any, Final

from logoscore.errors import LogosError, ModuleLoadError, ProtocolViolationError
from logoscore.exit_status import ExitStatus, module_raised, not_loaded
from logoscore.host_process import HostProcess
from logoscore.launch import HostCommand, start_host
from logoscore.limits import NO_LIMITS, Limits
from logoscore.listening import Listener
from logoscore.locks import Flag, Thread
from logoscore.session.wire_errors import from_wire
from logoscore.spawner import Spawner
from logoscore.stack import SIGNAL, await_stack
from logoscore.stderr import StderrPipe
from logoscore.transport import messages as m
from logoscore.transport.control import ControlPipe
from logoscore.transport.outbox import Outbox
from logoscore.transport.segment import IN_MEMORY

__all__ = ["SupervisedHost"]

_MAX_CONTROL_MESSAGE: Final = m.MAX_STATE + (1 << 16)  # what a host may send: but for its saved state small things only
_END_SECONDS: Final = 2.0  # between the end of the control pipe and SIGKILL, where nobody has asked it to end
_OPENS: Final = (m.Opened, m.Attach)
_WITHDRAWN: Final = (m.Attach, m.SetFilter)  # what nobody needs to hear of a link that is closed again


_live: weakref.WeakSet[SupervisedHost] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    # The child must not keep the parent's pipes open, or hosts would not notice the parent's death.
    for host in list(_live):
        host.abandon()


os.register_at_fork(after_in_child=_after_fork_in_child)


class SupervisedHost:
    """One host process.

    Args:
        name: the module's.
        on_message: called with each message of the host but Hello, Ready and LoadFailed, on the watching thread.
        on_end: called once with the exit status, on the watching thread, when process and pipe are gone.
        limits: that the host puts itself under, to be named where they ended it.
    """

    def __init__(
        self,
        name: str,
        on_message: Callable[[Any], None],
        on_end: Callable[[ExitStatus], None],
        limits: Limits = NO_LIMITS,
    ) -> None:
        self.name = name
        self.pid: int | None = None
        self.violation: LogosError | None = None
        self.reason: str | None = None  # why the core ends it of its own accord
        self.hook_error: LogosError | None = None  # what about_to_unload raised
        self.saved_state: bytes | None = None
        self.in_memory = IN_MEMORY  # as its Hello says; until then, as a host of this very interpreter has it
        self.ready = False  # its module is initialized
        self.given_up = False  # its load was called off: its end is no crash
        self._refusal: LogosError | None = None
        self._parted = Flag()  # it has ended, or refuses to
        self._patience = 0.0  # of whoever has asked it to end
        self._on_message = on_message
        self._on_end = on_end
        self._limits = limits
        self._assigning = threading.Lock()
        self._process: HostProcess | None = None
        self._hello = Flag()
        self._settled = Flag()
        self._ended = Flag()
        self._up = False
        self._failure: m.LoadFailed | None = None
        self._exit: ExitStatus | None = None
        self._started_by = ""
        self._thread: Thread | None = None
        self._unwanted = False  # whoever wanted it started was interrupted

    # --- starting ---------------------------------------------------------------------------------------------------

    def start(self, command: HostCommand | None, spawner: Spawner) -> None:
        """Start the process.

        Raises:
            OSError: it could not be started, or not be watched.
        """
        try:
            spawner.run(lambda: self._start(command))
        except BaseException:
            # Ctrl-C, perhaps: then the spawner is still at it, and what it started must not stay.
            self._unwanted = True
            self.kill()
            raise

    def _start(self, command: HostCommand | None) -> None:
        """On the spawner's thread."""
        if command is not None:
            self._started_by = (
                f"; it was started by {command.argv[0]} ({command.origin}), which needs logoscore installed"
            )
        ours, theirs = socket.socketpair()
        stderr_read, stderr_write = os.pipe()
        try:
            process = start_host(self.name, theirs.fileno(), stderr_write, command)
        except BaseException:
            ours.close()
            os.close(stderr_read)
            raise
        finally:
            theirs.close()
            os.close(stderr_write)
        self._stderr = StderrPipe(stderr_read)
        self._pipe = ControlPipe(ours.detach(), max_message=_MAX_CONTROL_MESSAGE, accept_descriptors=False)
        self._outbox = Outbox(self._pipe, f"logos-send-{self.name}", self._violated)
        self.pid = process.pid
        self._process = HostProcess(process)
        thread = Thread(target=self._watch, name=f"logos-watch-{self.name}")
        try:
            thread.start()
        except (RuntimeError, MemoryError) as exc:
            self._on_end = _ignore  # it has not begun
            self.kill()
            self._end()
            raise OSError(errno.EAGAIN, f"no thread can be had to watch its process: {exc}") from exc
        self._thread = thread
        _live.add(self)
        if self._unwanted:
            self.kill()

    def abandon(self) -> None:
        """In a forked child: close our copies of the descriptors; the host is the parent's."""
        _live.discard(self)
        self._pipe.close()
        self._stderr.close()

    def wait_hello(self, timeout: float) -> None:
        """Wait until the host speaks, and the same version of the protocol as we. Raises ModuleLoadError."""
        self._hello.wait(timeout)
        if not self._up:
            raise self._load_error(self._not_up(timeout))

    def wait_ready(self, timeout: float, whole: float) -> None:
        """Wait until the module's ``init_logos`` has finished. Raises ModuleLoadError.

        Args:
            timeout: what is left of ``whole``, the load's.
        """
        self._settled.wait(timeout)
        if self.ready:
            return
        if self._failure is None:
            if not self._up:
                raise self._load_error(self._not_up(whole))
            if self._exit is not None or self.violation is not None:
                raise self._load_error("its process ended")
            self._show_stack()
            if self.ready:
                return
            # (Not how its process ended: where the module has taken the signal from us, that was our question.)
            text = f"it was not ready within {whole:g} s (load_timeout)"
            raise not_loaded(self.name, text, self._stderr.tail())
        failure = self._failure
        self._ended.wait(_END_SECONDS)
        raise module_raised(self.name, failure, self._stderr.tail())

    def _not_up(self, timeout: float) -> str:
        when = f" within {timeout:g} s (load_timeout)" if self._exit is None else ""
        return f"its host did not come up{when}{self._started_by}"

    def _load_error(self, what: str) -> ModuleLoadError:
        self._ended.wait(0.1)
        how = f" ({self._exit})" if self._exit is not None else ""
        violation = f": {self.violation}" if self.violation is not None and not how else ""
        return not_loaded(self.name, f"{what}{how}{violation}", self._stderr.tail())

    # --- warm hosts -------------------------------------------------------------------------------------------------

    @property
    def waits(self) -> bool:
        """Whether it has come up, and not ended."""
        return self._up and self._exit is None

    def assign(
        self,
        name: str,
        on_message: Callable[[Any], None],
        on_end: Callable[[ExitStatus], None],
        limits: Limits,
    ) -> bool:
        """From now on a host that was started ahead is that module's. False: it has ended; whoever it had is told."""
        with self._assigning:
            if self._exit is not None:
                return False
            self.name, self._on_message, self._on_end, self._limits = name, on_message, on_end, limits
        if self._thread is not None:
            self._thread.name = f"logos-watch-{name}"
        self._outbox.name = f"logos-send-{name}"
        return True

    # --- talking ----------------------------------------------------------------------------------------------------

    def send(self, message: Any, descriptors: tuple[int, ...] = ()) -> None:
        """Send a message to the host; never waits. A host that is gone gets nothing: its end is noticed elsewhere.

        One that does not read for long is ended. Cancels are the first that it does not get.
        """
        kind = type(message)
        self._outbox.put(
            m.encode(message),
            descriptors,
            key=message.link.link if kind in _OPENS else getattr(message, "link", None),
            withdrawable=kind in _WITHDRAWN,
            withdraws=kind is m.CloseLink,
            droppable=kind is m.CancelCall,
            limited=kind is not m.Bootstrap,
        )

    def _violated(self, error: ProtocolViolationError) -> None:
        """It does not keep to the protocol: end it, and say so to everybody who hears of its end."""
        self.violation = error
        if self.reason is None:
            self.reason = f"the core ended it because {error}"
        self.kill()

    @property
    def signalled(self) -> bool:
        """Whether we have ended it by a signal."""
        return self._process is not None and self._process.signalled

    @property
    def exit(self) -> ExitStatus | None:
        """How it ended; None while it runs."""
        return self._exit

    # --- watching ---------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        assert self._process is not None
        pidfd = self._process.open_pidfd()
        try:
            Listener(self._pipe, self._stderr, pidfd, self._handle).run()
        except ProtocolViolationError as exc:
            self._violated(exc)
        finally:
            if pidfd is not None:
                os.close(pidfd)
            self._end()

    def _handle(self, message: Any) -> None:
        if self._hello.is_set() == isinstance(message, m.Hello) or (
            isinstance(message, (m.Ready, m.LoadFailed)) and self._settled.is_set()
        ):
            raise ProtocolViolationError(f"{self.name} may not say {type(message).__name__} now")
        if isinstance(message, m.Hello):
            if message.version != m.PROTOCOL_VERSION:
                raise ProtocolViolationError(
                    f"the host of {self.name} speaks version {message.version} of the protocol, the core {m.PROTOCOL_VERSION}"
                )
            self.in_memory = message.in_memory
            self._up = True
            self._hello.set()
        elif isinstance(message, m.Ready):
            self.ready = True
            self._settled.set()
        elif isinstance(message, m.LoadFailed):
            self._failure = message
            self._settled.set()
        elif isinstance(message, m.StateSaved):
            self.saved_state = message.state
        elif isinstance(message, m.StateRefused):
            self._refusal = from_wire(message.error)
            self._parted.set()
        elif isinstance(message, m.HookFailed):
            self.hook_error = from_wire(message.error)
        else:
            self._on_message(message)

    def _end(self) -> None:
        """The pipe or the process has ended: see to it that both have, and say how."""
        status, process = None, self._process
        assert process is not None
        try:
            # One that was asked to end may close its pipe long before its threads and exit handlers have finished: its
            # time is what `stop` gives it, and `stop` ends it.
            status = process.reap(max(_END_SECONDS, self._patience), measure=self._limits.cpu_time is not None)
            self._stderr.drain()
        finally:
            _live.discard(self)
            self._outbox.close()
            self._pipe.close()
            self._stderr.close()
            with self._assigning:
                self._exit = ExitStatus.of(
                    self.pid, status, self._stderr.tail(), self.reason, self._limits, process.cpu
                )
                on_end = self._on_end
            self._hello.set()
            self._settled.set()
            try:
                on_end(self._exit)
            finally:
                self._ended.set()
                self._parted.set()

    # --- ending -----------------------------------------------------------------------------------------------------

    def stop(self, grace: float, patience: float, *, save: bool = False) -> ExitStatus:
        """End it in order: ask (what runs has ``grace`` seconds), then SIGTERM, then SIGKILL, ``patience`` s apart.

        ``save``: ask for its state, too, which is ``saved_state`` then.

        Raises:
            LogosError: what its ``save_state`` raised; it goes on.
        """
        self._parted.clear()
        self._refusal = None
        if self._exit is not None:
            return self._exit
        self._patience = grace + 2 * patience
        self.send(m.Unload(grace, save))
        if not self._parted.wait(grace + patience):
            self._signal(signal.SIGTERM)
            if not self._ended.wait(patience):
                self.kill()
        if self._refusal is not None and self._exit is None:
            self._patience = 0.0
            raise self._refusal
        self._ended.wait()
        assert self._exit is not None
        return self._exit

    def _show_stack(self) -> None:
        """It hangs, and will be ended: have it say where, on its stderr. Waits for that a moment at most."""
        if self._process is not None and self._up:
            self._process.signal(SIGNAL)
            await_stack(self._stderr.tail, self._ended)

    def kill(self) -> None:
        """SIGKILL. Nothing happens if it was not started yet, or has ended."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.signal(number)

    def join(self) -> None:
        """Wait for the watching thread."""
        if self._thread is not None and threading.current_thread() is not self._thread:
            self._thread.join()


def _ignore(_: ExitStatus) -> None:
    """Nobody is told."""
