"""The end of a module, in its host: its calls end, its state is saved, its hook is called.

    Unload ─▶ running calls end (within the grace), new ones wait ─▶ save_state ─ raised ─▶ StateRefused, and on it goes
                                                                        │
                                                      StateSaved ◀──────┘──▶ about_to_unload ─▶ exit

Rules: it runs in the main thread, in the module's turn, so that no call runs beside it. A call that does not end costs
the module its saved state, not its hook. Whatever hangs in here is ended by the core, with SIGTERM and SIGKILL.

Processes that the module's code has started are its own, and live on. The last thing of all says on stderr which do; a host
that is killed, or ends by ``os._exit``, cannot.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import stat
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final

from logoscore.errors import LogosError, SerializationError
from logoscore.locks import Flag
from logoscore.session.deadlines import deadline_after, seconds_left
from logoscore.session.node import Node
from logoscore.session.wire_errors import remote_error, to_wire
from logoscore.transport import messages as m
from logoscore.transport.codec import SAFE
from logoscore.transport.frame import BUFFERS, join_payload, split_payload
from logoscore.transport.messages import MAX_STATE

__all__ = ["Farewell", "name_what_stays_at_exit", "restore_state"]

_TASKS: Final = "/proc/self/task"
_COMMAND: Final = 80  # characters of each that are told
_MOST: Final = 10  # processes that are told by name
_HELPERS: Final = ("from multiprocessing.resource_tracker import", "from multiprocessing.forkserver import")
"""What the standard library starts beside its pools: ends when we have."""


class Farewell:
    """One attempt to end a module.

    Args:
        instance: the module.
        send: sends a message to the core.
    """

    def __init__(self, instance: Any, node: Node, send: Callable[[Any], None]) -> None:
        self._instance = instance
        self._node = node
        self._send = send

    def run(self, unload: m.Unload) -> bool:
        """Prepare the module's end. False: it must go on, because its state cannot be saved."""
        end = deadline_after(unload.grace)
        self._drain(end)
        with ExitStack() as stack:
            quiet = self._silence(stack, end)
            if unload.save and not self._save(quiet=quiet):
                return False
            self._say_goodbye(quiet=quiet)
            stack.pop_all()  # whoever waits for a turn gets none any more
        return True

    def _drain(self, end: int) -> None:
        """Let what runs finish, replies included."""
        pause = Flag()
        while self._node.provider.busy() and seconds_left(end) > 0:
            pause.wait(0.001)

    def _silence(self, stack: ExitStack, end: int) -> bool:
        """Take every turn that there is. False if a call keeps its own."""
        gate = self._node.gate
        for _ in range(gate.limit):
            if not gate.enter(end):
                return False
            stack.callback(gate.leave)
        return True

    def _save(self, *, quiet: bool) -> bool:
        save_state = getattr(self._instance, "save_state", None)
        if save_state is None or not quiet:
            self._send(m.StateSaved(None))
            return True
        try:
            with self._node.in_turn(self._node.name, has_turn=True):
                state = _encode(save_state())
        except SystemExit:
            raise
        except BaseException as exc:  # noqa: BLE001 - the module's code may raise anything; the core hears of it
            self._send(m.StateRefused(to_wire(self._as_error(exc, "save_state"))))
            return False
        self._send(m.StateSaved(state))
        return True

    def _say_goodbye(self, *, quiet: bool) -> None:
        hook = getattr(self._instance, "about_to_unload", None)
        if hook is None:
            return
        try:
            with self._node.in_turn(self._node.name, has_turn=quiet):
                hook()
        except SystemExit:
            raise
        except BaseException as exc:  # noqa: BLE001 - likewise
            self._send(m.HookFailed(to_wire(self._as_error(exc, "about_to_unload"))))

    def _as_error(self, exc: BaseException, hook: str) -> LogosError:
        if isinstance(exc, SerializationError):
            return exc
        return remote_error(exc, self._node.name, hook, self._node.proxy.limits.note(exc))


def _encode(state: Any) -> bytes:
    head, buffers = SAFE.encode(state, "state")
    flags = BUFFERS if buffers else 0
    encoded = b"".join((bytes([flags]), *(join_payload(head, buffers) if buffers else [head])))
    if len(encoded) > MAX_STATE:
        raise SerializationError(
            f"a saved state has at most {MAX_STATE} bytes; this one has {len(encoded)}", path="state"
        )
    return encoded


def restore_state(instance: Any, state: bytes) -> None:
    """Give a new instance what the one before it saved. A class that no longer wants any says nothing of it: a warning."""
    restore = getattr(instance, "restore_state", None)
    if restore is None:
        print(f"{type(instance).__name__} has no restore_state: the saved state is dropped", file=sys.stderr)
        return
    restore(SAFE.decode(*split_payload(state[1:], state[0])))


def name_what_stays_at_exit(module: str) -> None:
    """Have the end of this process say which children it leaves running. Before the module's code, so after its handlers."""
    atexit.register(_name_what_stays, module, os.getpid())


def _name_what_stays(module: str, pid: int) -> None:
    if os.getpid() != pid:
        return  # a child that the module has forked, and that ends as we do
    staying = [f"{child} ({command})" for child in _children() if (command := _command(child)) is not None]
    if staying:
        more = f" and {len(staying) - _MOST} more" if len(staying) > _MOST else ""
        text = f"{', '.join(staying[:_MOST])}{more}"
        _say_without_waiting(f"module {module!r} leaves processes running that its code has started: {text}\n")


def _say_without_waiting(line: str) -> None:
    """On stderr, if there is room: the core reads that no more before we have ended, and what stays may have filled it."""
    data = line.encode(errors="replace")
    with contextlib.suppress(OSError):  # no room, nobody reads, or the module has closed it
        if not stat.S_ISFIFO(os.fstat(2).st_mode):
            os.write(2, data)  # a file of the module's choice
            return
        own = os.open("/proc/self/fd/2", os.O_WRONLY | os.O_NONBLOCK)  # the flag is ours only, not of all who share 2
        try:
            os.write(own, data)
        finally:
            os.close(own)


def _children() -> list[int]:
    """The processes that this one has started and not waited for; none where the system does not say."""
    found: set[int] = set()
    with contextlib.suppress(OSError):  # there is no /proc, or no descriptor left to read it with
        # What a thread has started passes, at its end (ours are ending), to the main thread: that comes last.
        for task in sorted(os.listdir(_TASKS), key=str(os.getpid()).__eq__):  # noqa: PTH208 - no pathlib in every host
            with contextlib.suppress(OSError):  # this thread has just ended, or the kernel was built without children
                found.update(map(int, _read(f"{_TASKS}/{task}/children").split()))
    return sorted(found)


def _command(pid: int) -> str | None:
    """Its program; None: it has ended, or will when we have. Its arguments are nobody's affair: they may be secrets."""
    try:
        command = _read(f"/proc/{pid}/cmdline")
    except OSError:
        return None
    if not command or any(helper in command for helper in _HELPERS):  # (a zombie has none)
        return None
    program = command.partition("\0")[0]
    return program if len(program) <= _COMMAND else f"{program[:_COMMAND]}…"


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as stream:  # noqa: PTH123 - likewise
        return stream.read()
