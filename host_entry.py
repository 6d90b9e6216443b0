"""The seed's ``logos_host``: runs one module in a process of its own, for a core at the other end of a control pipe.

    logos_host --control-fd N

The core starts it; everything else, secrets included, comes over the pipe. Any Python interpreter that has logoscore
installed can run it, so a module may live in a virtual environment of its own.
"""

from __future__ import annotations

import argparse
import sys


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and run the host until the core ends it; returns its exit code."""
    parser = argparse.ArgumentParser(prog="logos_host", description="Hosts one logoscore module. Started by a core.")
    parser.add_argument("--control-fd", type=int, required=True, help="descriptor of the control pipe")
    arguments = parser.parse_args(argv)

    from logoscore.boot import import_host

    run_host = import_host()

    try:
        return run_host(arguments.control_fd)
    except OSError as exc:
        parser.error(f"descriptor {arguments.control_fd} is no control pipe: {exc}")


if __name__ == "__main__":
    sys.exit(main())
