"""``python -m benchmarks.c_library pair|call MODULES``: see the package."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

from benchmarks.loops import back_to_back


def main(way: str, modules: str) -> None:
    """``pair``: call_plugin_method_async and process_events; ``call``: client.call."""
    import logoscore

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the one who started us, and who closes our input then
    logoscore.initialize(modules)
    logoscore.start()
    adder = logoscore.load_plugin("adder")
    answers: list[str] = []

    def pair() -> None:
        logoscore.call_plugin_method_async("adder", "add", "[1, 2]", lambda _, message: answers.append(message))
        while not answers:
            logoscore.process_events()
        if (answer := answers.pop()) != "Method call successful. Result: 3":
            raise AssertionError(answer)

    def call() -> None:
        if (answer := adder.call("add", 1, 2)) != 3:
            raise AssertionError(answer)

    ways: dict[str, Callable[[], None]] = {"pair": pair, "call": call}
    print("ready", flush=True)
    for line in sys.stdin:
        print(*back_to_back(ways[way], int(line)), flush=True)
    logoscore.cleanup()


if __name__ == "__main__":
    main(*sys.argv[1:])
