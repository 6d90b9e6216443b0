"""Search the source of Python's standard library with four modules, each in a process of its own.

        app ──walk──▶ walker ──add──▶ index ◀──match── query ◀──search── app
                         └─────── events ───┴───────────┴──▶ audience

``walker`` and ``audience`` are folders in ``modules/``; ``index`` and ``query`` were installed from ``distribution/``
with pip. Run it with ``make demo``, or with ``python app.py --help`` where those are installed. Ends with 1 if anything
is wrong.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import threading
import time
from pathlib import Path

from access import ask_everybody, surprises, table
from latency import measure
from logos_code_search.model import IndexService, QueryService, WalkReport
from tqdm import tqdm

import logoscore

HERE = Path(__file__).resolve().parent
QUESTIONS = ("parse json", "temporary directory", "insert sorted list", "binary search")
MODULES = ["walker", "index", "query", "audience"]
WALK_SECONDS = 300.0  # calls have 20 s unless they say otherwise


def main() -> int:
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="code-search-") as scratch:
        keep = options.keep or Path(scratch)
        # Nothing runs before this line, and nothing after the block: modules are unloaded, processes and memory gone.
        with logoscore.Core(plugins_dir=HERE / "modules", persistence_dir=keep) as core:
            problems = demonstrate(core, options)
    for problem in problems:
        print(f"WRONG: {problem}", file=sys.stderr)
    return 1 if problems else 0


def demonstrate(core: logoscore.Core, options: argparse.Namespace) -> list[str]:
    """Show everything; returns what was not as it should be."""
    print(f"Python {platform.python_version()}, logoscore from {Path(logoscore.__file__).parent}")
    load(core)
    problems = [
        *fill(core, options),
        *ask(core, options.questions or QUESTIONS),
        *show_access(core),
        *show_refusal(core),
        *show_modules(core),
    ]
    heading("Round trips")
    print("\n".join(measure(core.get_client("index"), options.calls)))
    return problems


def load(core: logoscore.Core) -> None:
    """Load the four. Each is ready to be called when ``load_plugin`` returns."""
    began = time.perf_counter()
    core.load_plugin("audience")  # first, so that it hears all that the others ever say
    core.load_plugin("walker")  # its dependency, index, is loaded on the way
    core.load_plugin("query")
    print(f"{len(MODULES)} modules loaded in {time.perf_counter() - began:.2f} s")


def fill(core: logoscore.Core, options: argparse.Namespace) -> list[str]:
    """Have ``walker`` walk, and show how far it is from its events."""
    heading("Index")
    walker = core.get_client("walker")
    finished = threading.Event()
    with tqdm(unit=" files", mininterval=0.1 if sys.stderr.isatty() else 2.0, ncols=100) as bar:

        def show(event: logoscore.Event) -> None:  # runs on a thread of the subscription
            done, bar.total = event.data
            bar.update(done - bar.n)
            if done == bar.total:
                finished.set()

        with walker.on_event("progress", show):
            report: WalkReport = walker.call("walk", options.source, options.limit, options.tests, timeout=WALK_SECONDS)
            if report.files:
                finished.wait(5.0)  # the last event may arrive a little after the reply
    index = core.get_client("index").bind(IndexService)
    print(f"{report.symbols} symbols of {report.files} files below {report.source} in {report.seconds:.1f} s")
    print(f"kept in {index.place()}" + ("" if options.keep else ", until this program ends"))
    print(f"{len(report.unreadable)} files could not be read as Python")
    for trouble in report.unreadable:
        print(f"  {trouble.file}: {trouble.reason}")
    if report.symbols == 0:
        return ["nothing was indexed"]
    if index.count() != report.symbols:
        return [f"the index has {index.count()} symbols, not {report.symbols}"]
    return []


def ask(core: logoscore.Core, questions: tuple[str, ...]) -> list[str]:
    """Ask ``query``, and print file and line of the best hits."""
    problems = []
    query = core.get_client("query").bind(QueryService)  # a typed view: query.search(...) is a call
    for question in questions:
        heading(f"“{question}”")
        began = time.perf_counter()
        answer = query.search(question)
        milliseconds = (time.perf_counter() - began) * 1e3
        if not answer.hits:
            problems.append(f"no hit for {question!r}")
        for hit in answer.hits:
            symbol = hit.symbol
            print(f"  {hit.score:5.1f}  {symbol.file}:{symbol.line}  {symbol.kind} {symbol.name}")
            if symbol.doc:
                print(f"         {symbol.doc.splitlines()[0].strip()[:100]}")
        note = "" if answer.every_word else "; no symbol has all of the words, these have some"
        print(f"  {milliseconds:.1f} ms{note}")
    return problems


def show_access(core: logoscore.Core) -> list[str]:
    """Who gets through to whom, tried by each module itself."""
    heading("Who (left) may call whom (top). The capability module logs each refusal")
    answers = ask_everybody(core, MODULES)
    print("\n".join(table(answers)))
    return surprises(core, answers)


def show_refusal(core: logoscore.Core) -> list[str]:
    """``walker`` calls ``query``, which its metadata does not list."""
    heading("A refused call")
    try:
        answer = core.get_client("walker").call("trespass", "parse json")
    # What a module's code does not catch reaches its caller as RemoteError, whatever it was there.
    except logoscore.RemoteError as error:
        print(f"  {error.type_name}: {error.message}")
        refused = error.type_name == "PermissionDeniedError"
        return [] if refused else [f"walker's call of query failed, but was not refused: {error}"]
    return [f"walker called query, and got {answer}"]


def show_modules(core: logoscore.Core) -> list[str]:
    """What the modules used, and what ``audience`` heard of them."""
    heading("Modules")
    stats = {row["name"]: row for row in core.get_module_stats()}
    print("  name       process  calls served  events  CPU s     MB")
    for name in MODULES:
        row = stats[name]
        numbers = f"{row['calls']:12}  {row['events']:6}  {row['cpu_time_seconds']:5.2f}  {row['memory_mb']:5.1f}"
        print(f"  {name:<9}  {core.get_plugin_info(name).pid:7}  {numbers}")

    heading("What audience heard")
    expected = {name: stats[name]["events"] for name in MODULES if name != "audience"}
    heard: dict[str, dict[str, int]] = core.get_client("audience").call("heard", expected, 5.0)
    for module, counts in heard.items():
        print(f"  {module}: " + (", ".join(f"{name} × {count}" for name, count in counts.items()) or "nothing"))
    return [
        f"{module} triggered {count} events, audience heard {sum(heard[module].values())}"
        for module, count in expected.items()
        if sum(heard[module].values()) != count
    ]


def heading(text: str) -> None:
    print(f"\n{text}", flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Search Python source with four isolated modules.")
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help="what to look for, as 'parse json'")
    parser.add_argument("--source", help="directory to index (default: this Python's standard library)")
    parser.add_argument("--limit", type=int, metavar="N", help="index N files at most")
    parser.add_argument("--tests", action="store_true", help="index the standard library's tests too")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where modules keep files (default: nowhere)")
    parser.add_argument("--calls", type=int, default=5000, metavar="N", help="how many round trips to measure")
    options = parser.parse_args()
    if options.calls < 100:
        parser.error("--calls: at least 100, or percentiles mean nothing")
    if options.limit is not None and options.limit < 1:
        parser.error("--limit: at least 1")
    return options


# The modules do without this guard; the pipe that latency.py measures is a plain multiprocessing child and needs it.
if __name__ == "__main__":
    sys.exit(main())
