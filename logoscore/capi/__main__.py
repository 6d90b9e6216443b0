"""``python -m logoscore.capi --output DIR``: build the C library for this Python."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from logoscore.capi.build import BuildError, build


def main(argv: list[str] | None = None) -> int:
    """Build, and say what was made; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m logoscore.capi", description="Builds liblogos_core for this Python."
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="gets lib/, include/ and bin/")
    output = parser.parse_args(argv).output
    try:
        made = build(output)
    except BuildError as exc:
        print(f"{parser.prog}: {exc}", file=sys.stderr)
        return 1
    print(*made, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
