"""A process that may not have more descriptors open gets its messages without theirs, and never another message's."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from logoscore.transport.control import ControlPipe

#: Says what it received: the text, and what is in the file that came with it.
RECEIVER = """
import os, resource, sys
from logoscore.transport.control import ControlPipe

pipe = ControlPipe(int(sys.argv[1]), max_message=100, accept_descriptors=True)
def say():
    message, descriptors = pipe.receive()
    read = [os.pread(fd, 100, 0).decode() for fd in descriptors]
    print(message.decode(), len(descriptors), *read, flush=True)
    for fd in descriptors:
        os.close(fd)
say()
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (30, limits[1]))
taken = []
try:
    while True:
        taken.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    print("full", flush=True)
say()
say()
os.close(taken.pop())  # room for one of two
say()
taken.append(os.open(os.devnull, os.O_RDONLY))  # it was given back
resource.setrlimit(resource.RLIMIT_NOFILE, limits)
say()
"""


def test_they_are_not_mixed_up(tmp_path: Path) -> None:
    near, far = socket.socketpair()
    receiver = subprocess.Popen(
        [sys.executable, "-c", RECEIVER, str(far.fileno())], pass_fds=[far.fileno()], stdout=subprocess.PIPE, text=True
    )
    far.close()
    pipe = ControlPipe(near.detach(), max_message=100, accept_descriptors=False)
    opened = []
    try:
        for name in ("a", "b", "c", "d"):
            (tmp_path / name).write_text(f"file {name}")
            opened.append(os.open(tmp_path / name, os.O_RDONLY))
        assert receiver.stdout is not None
        pipe.send(b"first", opened[:1])
        assert [receiver.stdout.readline() for _ in range(2)] == ["first 1 file a\n", "full\n"]
        pipe.send(b"lost", opened[1:2])
        pipe.send(b"plain")
        pipe.send(b"lost too", opened[1:3])
        assert [receiver.stdout.readline() for _ in range(3)] == ["lost 0\n", "plain 0\n", "lost too 0\n"]
        pipe.send(b"last", opened[2:4])
        assert receiver.stdout.readline() == "last 2 file c file d\n"
        assert receiver.wait(20) == 0
    finally:
        pipe.close()
        for fd in opened:
            os.close(fd)
        receiver.kill()
        receiver.wait()
        if receiver.stdout is not None:
            receiver.stdout.close()
