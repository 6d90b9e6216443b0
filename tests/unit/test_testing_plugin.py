"""The pytest plugin, in a pytest of its own: what its fixtures give, and that the leak check finds leaks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest_plugins = ["pytester"]

Run = Callable[[str], tuple[dict[str, int], str]]

_MODULE = """
from logoscore import PluginInterface, invokable

class Echo(PluginInterface):
    @invokable
    def echo(self, value):
        return value
"""


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """Runs a test file in a process of its own; gives the outcome counts and the output."""

    def run_file(code: str) -> tuple[dict[str, int], str]:
        pytester.makepyfile(code)
        result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--strict-markers")
        return result.parseoutcomes(), result.stdout.str()

    return run_file


def test_logos_core_is_started_and_ended(run: Run, pytester: pytest.Pytester) -> None:
    folder = pytester.mkdir("modules") / "echo"
    folder.mkdir()
    (folder / "echo.py").write_text(_MODULE)
    (folder / "metadata.json").write_text('{"name": "echo", "version": "1.0.0"}')
    outcomes, output = run(
        """
        import pytest
        from logoscore.errors import StateError

        seen = []

        @pytest.mark.logos_core(plugins_dir="modules", default_timeout=7.0)
        def test_with_arguments(logos_core):
            seen.append(logos_core)
            assert "echo" in logos_core.get_known_plugins()
            assert logos_core.load_plugin("echo").call("echo", 42) == 42

        def test_without_arguments(logos_core):
            seen.append(logos_core)
            assert "core_manager" in logos_core.get_loaded_plugins()
            assert "echo" not in logos_core.get_known_plugins()

        def test_they_have_ended():
            assert len(seen) == 2
            for core in seen:
                with pytest.raises(StateError):
                    core.load_plugin("echo")
        """
    )
    assert outcomes == {"passed": 3}, output


def test_the_core_ends_also_when_the_test_fails(run: Run) -> None:
    outcomes, output = run(
        """
        seen = []

        def test_fails(logos_core):
            seen.append(logos_core.get_plugin_info("capability_module").pid)
            assert False, "deliberate"

        def test_its_host_is_gone():
            from logoscore.leaks import is_alive
            assert seen and not is_alive(seen[0])
        """
    )
    assert outcomes == {"passed": 1, "failed": 1}, output
    assert "deliberate" in output


def test_the_marker_is_registered_and_its_wrong_arguments_are_errors(run: Run, pytester: pytest.Pytester) -> None:
    outcomes, output = run(
        """
        import pytest

        @pytest.mark.logos_core(no_such_argument=1)
        def test_wrong(logos_core):
            pass
        """
    )
    assert outcomes == {"errors": 1}, output
    assert "no_such_argument" in output
    assert "logos_core(**arguments)" in pytester.runpytest_subprocess("--markers").stdout.str()


def test_logos_mock_is_mock_mode_for_one_test(run: Run) -> None:
    outcomes, output = run(
        """
        import pytest
        from logoscore import PluginInterface, invokable
        from logoscore.errors import StateError
        from logoscore.testing import when

        class Greeter(PluginInterface):
            @invokable
            def greet(self):
                return "Hello, " + self.api.get_client("storage").call("get", "name")

        def test_greeting(logos_mock):
            when("storage", "get").then_return("Ada")
            assert logos_mock.start(Greeter).greet() == "Hello, Ada"
            assert logos_mock.calls == [("storage", "get", ("name",))]

        def test_nothing_is_left_of_it(logos_mock):
            assert logos_mock.calls == []

        def test_off():
            with pytest.raises(StateError):
                when("storage", "get")
        """
    )
    assert outcomes == {"passed": 3}, output


def test_the_leak_check_passes_what_leaves_nothing(run: Run) -> None:
    outcomes, output = run(
        """
        import os, subprocess, sys, threading

        def test_tidy(logos_leak_check, tmp_path):
            with open(tmp_path / "file", "w"):
                subprocess.run([sys.executable, "-c", ""], check=True)
            thread = threading.Thread(target=int)
            thread.start()

        def test_core(logos_leak_check, logos_core):
            assert logos_core.get_loaded_plugins()
        """
    )
    assert outcomes == {"passed": 2}, output


_LEAKS = {
    "thread lingerer": "t = threading.Thread(target=threading.Event().wait, name='lingerer', daemon=True); t.start()",
    "descriptor": "kept.append(open(tmp_path / 'left-open', 'w'))",
    "process pid": "kept.append(subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE))",
    "shared memory sem.logos": "from logoscore.transport.segment import create_semaphores; kept.extend(create_semaphores(1))",
}


@pytest.mark.parametrize("what", _LEAKS)
def test_the_leak_check_finds(run: Run, what: str) -> None:
    outcomes, output = run(
        f"""
        import atexit, subprocess, sys, threading
        import logoscore.leaks

        kept = []

        @atexit.register
        def clean():
            from logoscore.transport.segment import unlink_semaphore
            for each in kept:
                if isinstance(each, str):
                    unlink_semaphore(each)
                elif isinstance(each, subprocess.Popen):
                    each.kill()
                    each.wait()

        # The check waits for stragglers; these are none.
        def assert_nothing_left(self, timeout=0.0, check=logoscore.leaks.Holdings.assert_nothing_left):
            check(self, 0.0)

        logoscore.leaks.Holdings.assert_nothing_left = assert_nothing_left

        def test_leaks(logos_leak_check, tmp_path):
            {_LEAKS[what]}
        """
    )
    assert outcomes == {"passed": 1, "errors": 1}, output
    assert "left behind" in output
    assert what in output
