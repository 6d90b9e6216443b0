"""Inside a module's process: the seed's ``logos_host``.

    main thread      Bootstrap ─▶ (Start) load code ─▶ init_logos ─▶ Ready ─▶ waits for the end ─▶ farewell ─▶ exit
    control thread   reads the control pipe, from first to last; the pipe's end is the core's death, and ours
    serving threads  one per incoming channel (see ``session/serving.py``)

Rules: the control thread never runs the module's code, so it answers whatever that code does. Imports on the way up are
few; what a module may never need (asyncio, logging, cloudpickle) is imported where it is used.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import struct
import sys
from typing import Any, Final

from logoscore.errors import ChannelClosedError, ModuleLoadError, ProtocolViolationError
from logoscore.farewell import Farewell, name_what_stays_at_exit, restore_state
from logoscore.interface import give_api
from logoscore.limits import Limits
from logoscore.locks import Flag, Thread
from logoscore.metadata import DEFAULT_WORKERS, known_metadata
from logoscore.session.gate import Gate
from logoscore.session.node import CAPABILITY_MODULE, Node
from logoscore.stack import write_stack_when_asked
from logoscore.transport import messages as m
from logoscore.transport.control import ControlPipe
from logoscore.transport.segment import IN_MEMORY
from logoscore.transport.spin import Spinner

__all__ = ["run_host"]

_MAX_CONTROL_MESSAGE: Final = 1 << 30  # the core is trusted; a class shipped by the app may be large
_BUILTIN_SOURCE: Final = "builtin"
_CREDENTIALS: Final = struct.Struct("3i")  # of a socket's other end: pid, uid, gid
_NO_CONTROL: Final = 70  # exit code of a host whose control thread failed (EX_SOFTWARE)


def run_host(control_fd: int) -> int:
    """Run one module until its core ends it; returns the exit code."""
    os.set_inheritable(control_fd, False)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the app's, inherited, may block the SIGTERM that ends a host
    _die_with_core(control_fd)
    _enable_faulthandler()
    pipe = ControlPipe(control_fd, max_message=_MAX_CONTROL_MESSAGE, accept_descriptors=True)
    try:
        pipe.send(m.encode(m.Hello(os.getpid(), m.PROTOCOL_VERSION, IN_MEMORY)))
        first = pipe.receive()
        if first is None:
            return 0  # the core has changed its mind
        message = m.decode_to_party(first[0])
        if not isinstance(message, m.Bootstrap):
            raise ProtocolViolationError(f"a host expects Bootstrap first, not {type(message).__name__}")
        return Host(pipe, message).run()
    except ChannelClosedError:
        return 0  # the core is gone
    finally:
        _blame_if_closed(pipe)
        pipe.close()


def _blame_if_closed(pipe: ControlPipe) -> None:
    """Code that closes descriptors which are not its own closes ours, too: the core only sees that the host ends."""
    if not pipe.is_intact():
        with contextlib.suppress(OSError):  # of stderr, likewise
            os.write(2, b"the module has closed the control pipe of its host\n")


class Host:
    """One module's process."""

    def __init__(self, pipe: ControlPipe, bootstrap: m.Bootstrap) -> None:
        self._pipe = pipe
        self._bootstrap = bootstrap
        self._metadata = known_metadata(bootstrap.metadata)
        self._limits = Limits(**bootstrap.limits)  # type: ignore[arg-type]  # the core has checked them
        self._node = Node(
            bootstrap.name,
            self._send,
            default_timeout=bootstrap.default_timeout,
            spinner=Spinner(bootstrap.spin_microseconds),
            gate=Gate(1),  # while it is loaded; widened then
            transparent=bootstrap.source == _BUILTIN_SOURCE,
            on_exit=self._finish,
            limits=self._limits,
            buffer_memory=bootstrap.buffer_memory,
        )
        self._node.tokens.save(CAPABILITY_MODULE, bootstrap.token)
        self._node.tokens.hold(CAPABILITY_MODULE, bootstrap.token)
        self._start = Flag()
        self._finished = Flag()
        self._exit_code: object = 0
        self._instance: Any = None
        self._unloading: m.Unload | None = None
        self._kept: contextlib.ExitStack | None = None  # the turn of a load that failed

    def run(self) -> int:
        """Load, serve, end; returns the exit code."""
        try:
            if self._bootstrap.changes is not None:
                _adopt(self._bootstrap.changes, self._bootstrap.name)
            name_what_stays_at_exit(self._bootstrap.name)
            self._limits.apply(self._bootstrap.name)
            Thread(target=self._control, name="logos-control").start()
        except (ModuleLoadError, RuntimeError, MemoryError, OSError) as exc:
            self._load_failed(exc)
            return self._status()
        self._start.wait()
        if not self._finished.is_set() and self._load():
            self._serve()
        self._node.close(ChannelClosedError(f"{self._bootstrap.name} was unloaded"))
        return self._status()

    def _serve(self) -> None:
        """Until the module ends. An unload that its ``save_state`` refuses does not end it."""
        while True:
            self._finished.wait()
            unloading = self._unloading
            if unloading is None:
                return
            farewell = Farewell(self._instance, self._node, lambda message: self._pipe.send(m.encode(message)))
            if farewell.run(unloading):
                return
            self._unloading = None
            self._finished.clear()

    def _send(self, message: Any) -> None:
        data = m.encode(message)
        if isinstance(message, m.CancelCall):
            self._pipe.send_or_drop(data)  # nobody waits for it, and who gives a call up has no time to wait
        else:
            self._pipe.send(data)

    def _status(self) -> int:
        code = self._exit_code
        if code is None:
            return 0
        if isinstance(code, int):
            return code
        print(code, file=sys.stderr)  # as the interpreter does for sys.exit("text")
        return 1

    def _finish(self, code: object) -> None:
        """End the process: the module's code said ``sys.exit``, or the core said Unload."""
        if not self._finished.is_set():
            self._exit_code = code
            self._finished.set()
            self._start.set()

    # --- control thread ---------------------------------------------------------------------------------------------

    def _control(self) -> None:
        code = _NO_CONTROL
        try:
            while (received := self._pipe.receive()) is not None:
                data, descriptors = received
                self._handle(m.decode_to_party(data), descriptors)
            code = 0  # the core is gone
            if not self._pipe.is_intact() and not self._ends():
                _blame_if_closed(self._pipe)
        except ChannelClosedError:
            code = 0  # likewise, while we told it something
        except MemoryError:
            os.write(2, b"logos-control: MemoryError\n")  # there may be none for a traceback
        except BaseException:  # noqa: BLE001 - a host without its control plane would be there and of no use
            if not self._ends():
                import traceback

                traceback.print_exc()
                sys.stderr.flush()
        finally:
            if not self._ends():
                os._exit(code)

    def _ends(self) -> bool:
        """Whether the main thread has closed the pipe: the process ends, with the exit code that is its own."""
        return self._pipe.fileno() < 0

    def _handle(self, message: Any, descriptors: list[int]) -> None:
        if self._node.handle(message, descriptors):
            return
        if isinstance(message, m.Start):
            self._start.set()
        elif isinstance(message, m.Unload):
            self._unloading = message
            self._finish(0)
        else:
            raise ProtocolViolationError(f"a running host does not expect {type(message).__name__}")

    # --- loading ----------------------------------------------------------------------------------------------------

    def _load(self) -> bool:
        """Load and initialise the module. What its code raises is reported, and the host ends."""
        try:
            api = self._api()
            with contextlib.ExitStack() as turn:
                turn.enter_context(self._node.turn(self._bootstrap.name))
                try:
                    self._create(api)
                except BaseException:
                    self._kept = turn.pop_all()  # nobody's call has a turn in what could not be loaded
                    raise
        except BaseException as exc:  # noqa: BLE001 - the module's code may raise anything, SystemExit included
            self._load_failed(exc)
            return False
        if self._metadata.concurrency == "multi":
            self._node.gate.widen(self._metadata.max_workers or DEFAULT_WORKERS)
        return True

    def _create(self, api: Any) -> None:
        from logoscore.loading import create_module

        instance = create_module(self._bootstrap, self._metadata)
        give_api(instance, api)
        self._node.proxy.expose(instance)
        self._instance = instance
        instance.init_logos(api)
        if self._bootstrap.state is not None:
            restore_state(instance, self._bootstrap.state)
        self._pipe.send(m.encode(m.Ready()))  # in the turn still: what a call does that waited for it comes later

    def _load_failed(self, exc: BaseException) -> None:
        from logoscore.session.wire_errors import format_traceback, place_in, safe_text

        place, what = place_in(exc, self._bootstrap.path), safe_text(exc)
        if isinstance(exc, SyntaxError) and isinstance(exc.msg, str) and place == f"({exc.filename}:{exc.lineno})":
            what = safe_text(exc.msg)  # its str() has the place once more, without the folder
        said = (what, place, self._limits.note(exc).strip())
        text = " ".join(filter(None, said))
        self._pipe.send(m.encode(m.LoadFailed(type(exc).__name__, text, format_traceback(exc))))
        self._exit_code = 1

    def _api(self) -> Any:
        from logoscore.session.api import LogosAPI

        bootstrap = self._bootstrap
        return LogosAPI(
            self._node,
            metadata=self._metadata,
            instance_id=bootstrap.instance,
            persistence_path=bootstrap.persistence_path,
            include=bootstrap.include,
        )


def _adopt(changes: m.Changes, name: str) -> None:
    """A warm host becomes a module's: it gets what a fresh one would have inherited. Raises OSError."""
    from multiprocessing import process

    os.chdir(changes.directory)
    for key in changes.unset:
        os.environb.pop(key, None)
    os.environb.update(changes.set)
    sys.path[:] = map(os.fsdecode, changes.path)
    # Files may have come since it looked. (importlib.invalidate_caches() is this, and an import of importlib.metadata.)
    for place, finder in list(sys.path_importer_cache.items()):
        if finder is None or not place.startswith("/"):
            del sys.path_importer_cache[place]
        elif hasattr(finder, "invalidate_caches"):
            finder.invalidate_caches()
    process.current_process().name = f"logos_host {name}"


def _enable_faulthandler() -> None:
    import faulthandler

    with contextlib.suppress(OSError, ValueError):
        faulthandler.enable(file=2, all_threads=False)
        write_stack_when_asked()


def _die_with_core(control_fd: int) -> None:
    """Linux: be killed when the core's process dies, also if the control pipe was inherited by somebody else."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0)
    core = _maker(control_fd)
    if os.getppid() != core and _has_ended(core):  # (the parent is another where a script starts us, and waits)
        os._exit(0)  # it died before we armed


def _maker(control_fd: int) -> int:
    """The process that made the control pipe: the core's. Raises OSError: it is no socket."""
    with socket.socket(fileno=os.dup(control_fd)) as pipe:
        credentials = pipe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid: int = _CREDENTIALS.unpack(credentials)[0]
    return pid


def _has_ended(pid: int) -> bool:
    """Whether a process has ended, reaped or not. False where the system does not tell."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(0))
    finally:
        os.close(descriptor)
