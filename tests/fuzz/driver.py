"""One subject under atheris, in a process of its own (libFuzzer keeps its state in globals, and ends the process).

    python -m fuzz.driver SUBJECT [libFuzzer's arguments and corpus folders]

Only logoscore, and what parses text for it, is instrumented: new code there is what the fuzzer looks for.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any, Final

_MEASURE_EVERY: Final = 64  # measuring takes several times as long as checking


def main(arguments: list[str]) -> None:
    name, *rest = arguments
    atheris: Any = importlib.import_module("atheris")  # only there where somebody fuzzes
    with atheris.instrument_imports(include=["logoscore", "packaging", "json"]):
        from fuzz.subjects import TARGETS
        from fuzz.target import peak_of

        target = TARGETS[name]
        for seed in target.seeds():
            target.check(seed)  # now, what is imported late is instrumented too, and belongs to no input
    count = 0

    def test_one_input(data: bytes) -> None:
        nonlocal count
        count += 1
        if count % _MEASURE_EVERY:
            target.check(data)
        else:
            peak_of(target, data)

    atheris.Setup([f"fuzz.driver {name}", *rest], test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
