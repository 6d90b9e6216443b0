"""What processes cost without us, measured from a program that has nothing else in it.

``multiprocessing`` runs the main script again in what it spawns: under ``python -m benchmarks`` a "bare" process would
carry all of the benchmarks with it, and we should look good beside it. So this file is a script of its own, imports
nothing of ours, and answers to lines on its standard input::

    spawn      nanoseconds from start() to join() of a process that does nothing
    manager    nanoseconds of BaseManager.start()
    sleep      the pid of a spawned process that sleeps until this one ends
"""

import multiprocessing
import sys
import threading
import time
from multiprocessing.managers import BaseManager


def nothing() -> None:
    """Do nothing."""


def sleep() -> None:
    """Do nothing for as long as the parent lives."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()


def _spawn() -> int:
    process = multiprocessing.get_context("spawn").Process(target=nothing)
    began = time.perf_counter_ns()
    process.start()
    process.join()
    return time.perf_counter_ns() - began


def _manager() -> int:
    manager = BaseManager(ctx=multiprocessing.get_context("spawn"))
    began = time.perf_counter_ns()
    manager.start()
    took = time.perf_counter_ns() - began
    manager.shutdown()
    return took


def _sleep() -> int:
    process = multiprocessing.get_context("spawn").Process(target=sleep, daemon=True)
    process.start()
    threading.Event().wait(0.5)  # it has come up, and sleeps
    return process.pid or 0


if __name__ == "__main__":
    for line in sys.stdin:
        print({"spawn": _spawn, "manager": _manager, "sleep": _sleep}[line.strip()](), flush=True)
