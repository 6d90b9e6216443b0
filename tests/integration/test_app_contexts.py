"""A Core works the same wherever its app's code comes from, and never runs that code a second time."""

from __future__ import annotations

import os
import sys
import zipapp
from pathlib import Path

import pytest

from integration.support import App, Launch

# No __main__ guard: what a host would run again, the counter file would show.
UNGUARDED = """
import os, sys
from pathlib import Path
from logoscore import Core, PluginInterface, invokable

with Path(sys.argv[1]).open("a") as counter:
    counter.write(f"{__name__} {os.getpid()}\\n")
OFFSET = 5

def shift(number):
    return number + OFFSET

class Shifter(PluginInterface):
    @invokable
    def shift(self, number: int) -> int:
        return shift(number)

    @invokable
    def pid(self):
        return os.getpid()

core = Core(entry_points=False)
core.start()
shifter = core.load_plugin(Shifter)
assert shifter.call("shift", 37) == 42
assert core.reload_plugin("shifter").call("shift", 1) == 6
assert shifter.call("pid") == core.get_plugin_info("shifter").pid != os.getpid()
print("works")
"""

CELL = """
from logoscore import PluginInterface, invokable

def make(factor):
    unit = "m"

    class Scale(PluginInterface):
        @invokable
        def scale(self, number: int) -> str:
            return f"{helper(number) * factor} {unit}"

    return Scale

def helper(number):
    return number + 1

Scale = make(3)
client = core.load_plugin(Scale)
result = client.call("scale", 13)
"""

LOADS_WORKER = """
import sys
from logoscore import Core

with Core(plugins_dir=sys.argv[-1], entry_points=False) as core:
    assert core.load_plugin("worker").call("add", 40, 2) == 42
    print("works", flush=True)
"""


def assert_worked(app: App, counter: Path | None = None) -> None:
    assert "works" in app.finish().splitlines(), repr(app)
    app.assert_quiet()
    if counter is not None:
        assert len(counter.read_text(encoding="utf-8").splitlines()) == 1, "the app's main ran again in a host"


def test_script_without_a_guard(script: Launch, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    assert_worked(script(UNGUARDED, counter), counter)


def test_command_on_the_command_line(launch: Launch, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    assert_worked(launch([sys.executable, "-c", UNGUARDED, counter]), counter)


def test_script_from_stdin(launch: Launch, tmp_path: Path) -> None:
    file, counter = tmp_path / "piped.py", tmp_path / "counter"
    file.write_text(UNGUARDED, encoding="utf-8")
    with file.open("rb") as stdin:
        assert_worked(launch([sys.executable, "-", counter], stdin=stdin), counter)


def test_module_of_a_package(launch: Launch, tmp_path: Path) -> None:
    """``python -m package``, with the class in ``__main__`` and with the class in another file of the package."""
    package, counter = tmp_path / "shifting", tmp_path / "counter"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(UNGUARDED, encoding="utf-8")
    assert_worked(launch([sys.executable, "-m", "shifting", counter], cwd=tmp_path), counter)

    head, _, tail = UNGUARDED.partition("core = Core(")
    (package / "parts.py").write_text(head.replace("Path(sys.argv[1])", "Path(os.devnull)"), encoding="utf-8")
    main = f"import os\nfrom logoscore import Core\nfrom .parts import Shifter\ncore = Core({tail}"
    (package / "__main__.py").write_text(main, encoding="utf-8")
    assert_worked(launch([sys.executable, "-m", "shifting", counter], cwd=tmp_path))


@pytest.mark.parametrize("compressed", [False, True])
def test_zipapp(launch: Launch, tmp_path: Path, compressed: bool) -> None:
    source, counter, archive = tmp_path / "source", tmp_path / "counter", tmp_path / "app.pyz"
    source.mkdir()
    (source / "__main__.py").write_text(UNGUARDED, encoding="utf-8")
    zipapp.create_archive(source, archive, compressed=compressed)
    assert_worked(launch([sys.executable, archive, counter]), counter)


def test_class_in_a_file_that_only_the_app_can_find(script: Launch, tmp_path: Path) -> None:
    """As the importlib recipe, ``pytest --import-mode=importlib`` and many plugin hosts load a file."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "shifting_parts.py").write_text(UNGUARDED.partition("core = ")[0], encoding="utf-8")
    app = script(
        """
        import importlib.util, os, sys
        from logoscore import Core
        spec = importlib.util.spec_from_file_location("shifting_parts", sys.argv[2])
        parts = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = parts
        spec.loader.exec_module(parts)
        with Core(entry_points=False) as core:
            assert core.load_plugin(parts.Shifter).call("shift", 37) == 42
        print("works")
        """,
        tmp_path / "counter",
        tmp_path / "elsewhere" / "shifting_parts.py",
    )
    assert_worked(app, tmp_path / "counter")


@pytest.mark.parametrize("namespace", ['{"__name__": "__main__"}', '{"__name__": "cell_7"}', "{}", "globals()"])
def test_notebook_cell(script: Launch, namespace: str) -> None:
    app = script(
        f"""
        from logoscore import Core
        with Core(entry_points=False) as core:
            namespace = {namespace}
            namespace["core"] = core
            for _ in range(2):  # a cell that is run again has another class of that name
                exec({CELL!r}, namespace)
                assert namespace["result"] == "42 m", namespace["result"]
                core.unload_plugin("scale")
        print("works")
        """
    )
    assert_worked(app)


def test_cell_that_changed(script: Launch) -> None:
    app = script(
        f"""
        from logoscore import Core
        with Core(entry_points=False) as core:
            namespace = {{"__name__": "__main__", "core": core}}
            exec({CELL!r}, namespace)
            core.unload_plugin("scale")
            exec({CELL!r}.replace("make(3)", "make(4)"), namespace)
            assert namespace["result"] == "56 m", namespace["result"]
        print("works")
        """
    )
    assert_worked(app)


def test_pytest(launch: Launch, tmp_path: Path, plugins: Path) -> None:
    """Classes defined in a test file, whichever way pytest imports it."""
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_inner.py").write_text(
        "from logoscore import Core, PluginInterface, invokable\n\n"
        "class Outside(PluginInterface):\n"
        "    @invokable\n"
        "    def answer(self):\n"
        "        return helper()\n\n"
        "def helper():\n"
        "    return 42\n\n"
        "def test_all():\n"
        f"    with Core(plugins_dir={str(plugins)!r}, entry_points=False) as core:\n"
        '        assert core.load_plugin("worker").call("add", 40, 2) == 42\n'
        "        assert core.load_plugin(Outside).call('answer') == 42\n",
        encoding="utf-8",
    )
    for mode in ("prepend", "importlib"):
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--import-mode={mode}", "tests"]
        app = launch(command, cwd=tmp_path)
        assert "1 passed" in app.finish(), repr(app)


def test_thread_that_has_the_core(script: Launch, plugins: Path) -> None:
    app = script(f"import threading\nthread = threading.Thread(target=lambda: exec({LOADS_WORKER!r}))\n"
                 "thread.start()\nthread.join()\n", plugins)  # fmt: skip
    assert_worked(app)


def test_modules_outlive_the_thread_that_loaded_them(script: Launch, plugins: Path) -> None:
    """On Linux a host is bound to the thread that started it, which must therefore not be the user's."""
    app = script(
        """
        import sys, threading
        from logoscore import Core
        cores = []
        def begin():
            core = Core(plugins_dir=sys.argv[1], entry_points=False)
            core.start()
            core.load_plugin("worker")
            cores.append(core)
        thread = threading.Thread(target=begin)
        thread.start()
        thread.join()
        core, = cores
        pid = core.get_plugin_info("worker").pid
        for number in range(200):
            assert core.get_client("worker").call("echo", number) == number
        assert core.get_client("worker").call("pid") == pid == core.get_plugin_info("worker").pid
        print("works")
        """,
        plugins,
    )
    assert_worked(app)


def test_cores_side_by_side_and_one_after_another(script: Launch, plugins: Path) -> None:
    app = script(
        """
        import sys
        from logoscore import Core
        for _ in range(3):
            with Core(plugins_dir=sys.argv[1], entry_points=False) as one:
                with Core(plugins_dir=sys.argv[1], entry_points=False) as two:
                    first, second = one.load_plugin("worker"), two.load_plugin("worker")
                    assert first.call("pid") != second.call("pid")
                    assert one.get_token("worker") != two.get_token("worker")
                assert first.call("add", 40, 2) == 42
        print("works")
        """,
        plugins,
    )
    assert_worked(app)


def test_cores_that_are_used_at_the_same_time(script: Launch, plugins: Path) -> None:
    """From a thread each, with nothing shared that either would have to know of."""
    app = script(
        """
        import sys, threading
        from contextlib import ExitStack
        from logoscore import Core
        failures = []
        with ExitStack() as stack:
            cores = [stack.enter_context(Core(plugins_dir=sys.argv[1], entry_points=False)) for _ in range(3)]
            workers = [core.load_plugin("worker") for core in cores]
            def use(worker):
                try:
                    for number in range(20_000):
                        assert worker.call("echo", number) == number
                except BaseException as error:
                    failures.append(repr(error))
            threads = [threading.Thread(target=use, args=(worker,)) for worker in workers]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
        assert not failures, failures
        print("works")
        """,
        plugins,
    )
    assert_worked(app)


@pytest.mark.parametrize("executable", ['"/usr/bin/node"', '""', "None", '"/nowhere/python3"', '"/nowhere/app"'])
def test_process_whose_executable_is_no_python(script: Launch, tmp_path: Path, executable: str) -> None:
    counter = tmp_path / "counter"
    assert_worked(script(f"import sys\nsys.executable = {executable}\n{UNGUARDED}", counter), counter)


def test_working_directory_that_vanished(script: Launch, plugins: Path, tmp_path: Path) -> None:
    folder = tmp_path / "vanishing"
    folder.mkdir()
    vanish = "import os, logoscore\nos.rmdir(os.getcwd())\n"
    assert_worked(script(vanish + LOADS_WORKER, plugins, cwd=folder))
    folder.mkdir()
    assert_worked(script(vanish + UNGUARDED, tmp_path / "counter", cwd=folder), tmp_path / "counter")


def test_working_directory_that_changed(script: Launch, plugins: Path, tmp_path: Path) -> None:
    """Relative entries of sys.path and a relative plugins directory mean what they meant to the app."""
    relative = os.path.relpath(plugins, tmp_path)
    app = script(
        """
        import os, sys
        from logoscore import Core
        core = Core(plugins_dir=sys.argv[1], entry_points=False)
        core.start()
        os.chdir("/")
        assert core.load_plugin("worker").call("add", 40, 2) == 42
        assert core.reload_plugin("worker").call("add", 40, 2) == 42
        print("works")
        """,
        relative,
        cwd=tmp_path,
    )
    assert_worked(app)


@pytest.mark.parametrize("flags", [["-I"], ["-P"], ["-X", "dev"], ["-W", "error"], ["-O"], ["-B"]], ids=" ".join)
def test_interpreter_flags(script: Launch, plugins: Path, flags: list[str]) -> None:
    assert_worked(script(LOADS_WORKER, plugins, flags=flags))
