"""An app of its own, with hosts of its own, that is killed from outside: ``python -m chaos.app SEED``.

It says ``here`` when its Core is up, and goes on until somebody ends it, or its stdin.
"""

from __future__ import annotations

import faulthandler
import os
import select
import signal
import sys
import threading
from contextlib import suppress
from random import Random

from chaos.stage import MODULES
from logoscore import Core
from logoscore.errors import LogosError

_NAMES = ("echo", "waves", "relay_b", "herald")


def _busy(core: Core, rng: Random) -> None:
    while True:
        name = rng.choice(_NAMES)
        with suppress(LogosError):
            client = core.get_client(name)
            if rng.random() < 0.1:
                core.reload_plugin(name)
            elif rng.random() < 0.3:
                with client.subscribe(), client.stream("count", 1, 100) as items:
                    next(items)
            else:
                client.call("echo", rng.randbytes(rng.choice((10, 100_000))), timeout=2.0)


def _wait_for_the_end() -> None:
    """Until stdin ends, or Ctrl-C is raised.

    Python looks for signals before it begins to read, and one that comes right then does not end the read: the descriptor
    that it writes to does.
    """
    signalled, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write)
    select.select([sys.stdin, signalled], [], [])


def main() -> None:
    faulthandler.register(signal.SIGUSR2, all_threads=True)  # whoever started us wants to see where we hang
    rng = Random(sys.argv[1])
    with Core(plugins_dir=MODULES, entry_points=False, unload_timeout=1.0) as core:
        print("here", flush=True)
        for number in range(4):
            threading.Thread(target=_busy, args=(core, Random(f"{sys.argv[1]} {number}")), daemon=True).start()
        for name in rng.sample(_NAMES, 3):
            with suppress(LogosError):
                core.load_plugin(name)
        _wait_for_the_end()


if __name__ == "__main__":
    main()
