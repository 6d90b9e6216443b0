"""What a host imports before its module is ready. Every load waits for it, so the list is kept short on purpose."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from acceptance.support import write_module

from logoscore import Core

REPORTER = """
import sys
BEFORE = sorted(sys.modules)
from logoscore import PluginInterface, invokable

class Reporter(PluginInterface):
    def init_logos(self, api):
        self.api = api
        self.ready = sorted(sys.modules)

    @invokable
    def modules(self, when: str) -> list[str]:
        return {"before": BEFORE, "ready": self.ready, "now": sorted(sys.modules)}[when]

    @invokable
    def uses_msgspec(self) -> list:
        import msgspec, msgspec.json
        from msgspec.inspect import type_info
        from msgspec import yaml, toml
        kind = type(type_info(int)).__name__
        return [msgspec.json.decode(b"[1]"), msgspec.json.schema(int), kind, callable(toml.decode), callable(yaml.encode),
                msgspec.json.__name__, sys.modules["msgspec.json"].__file__.endswith("json.py")]
"""

#: Each of these costs milliseconds or megabytes, brings others along, and no host needs it before its module does.
FORBIDDEN = frozenset(
    {
        "asyncio",
        "ast",
        "base64",
        "cloudpickle",
        "concurrent.futures",
        "dataclasses",
        "dis",
        "email",
        "hashlib",
        "hmac",
        "http",
        "importlib.metadata",
        "inspect",
        "ipaddress",
        "json",
        "linecache",
        "logging",
        "multiprocessing.popen_spawn_posix",
        "numpy",
        "packaging",
        "pathlib",
        "pluggy",
        "psutil",
        "queue",
        "random",
        "secrets",
        "shutil",
        "sqlite3",
        "ssl",
        "sysconfig",
        "tempfile",
        "textwrap",
        "tokenize",
        "traceback",
        "typing_extensions",
        "unittest",
        "urllib",
        "logoscore.core",
        "logoscore.launch",
        "logoscore.lifecycle",
        "logoscore.runtime",
        "logoscore.supervisor",
    }
)
#: What one trivial module's host has, built-in and frozen modules included; a little more than it is today.
MOST = 200


@pytest.fixture
def reporter(tmp_path: Path) -> Path:
    write_module(tmp_path, "reporter", REPORTER)
    return tmp_path


def startup_modules() -> set[str]:
    """What the interpreter imports before anything of ours, ``.pth`` files of this installation included."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("warm_hosts", [0, 1])
def test_a_host_imports_nothing_that_it_does_not_need(reporter: Path, warm_hosts: int) -> None:
    with Core(plugins_dir=reporter, entry_points=False, warm_hosts=warm_hosts) as core:
        client = core.load_plugin("reporter")
        before, ready = (set(client.call("modules", when)) for when in ("before", "ready"))
    allowed = startup_modules()
    assert not before & (FORBIDDEN - allowed)
    assert len(before - allowed) <= MOST
    assert ready == before, "importing logoscore in a module's file, or its init_logos, brings nothing new"


def test_the_first_calls_import_nothing_either(reporter: Path) -> None:
    with Core(plugins_dir=reporter, entry_points=False) as core:
        client = core.load_plugin("reporter")
        ready = set(client.call("modules", "ready"))
        assert set(client.call("modules", "now")) == ready


def test_a_module_has_all_of_msgspec(reporter: Path) -> None:
    """A host imports only a part of it; the rest comes when somebody wants it."""
    with Core(plugins_dir=reporter, entry_points=False) as core:
        answer = core.load_plugin("reporter").call("uses_msgspec")
    assert answer == [[1], {"type": "integer"}, "IntType", True, True, "msgspec.json", True]


def test_importing_logoscore_is_cheap() -> None:
    script = "import sys; import logoscore; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = {
        "msgspec",
        "multiprocessing",
        "dataclasses",
        "inspect",
        "logging",
        "asyncio",
        "pluggy",
        "psutil",
        "posix_ipc",
    }
    assert not set(done.stdout.split()) & (heavy - startup_modules())
