"""Modules that are broken in every way there is: one clear error each, and all others still load."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from helpers import descendants, wait_until

from acceptance.support import PING, metadata_of, write_module
from logoscore import Core
from logoscore.errors import MetadataError, ModuleLoadError

HEAD = "from logoscore import PluginInterface, invokable\n"


def module(body: str, head: str = "") -> str:
    """A module whose one class has ``body``."""
    return f"{HEAD}{head}\nclass Broken(PluginInterface):\n" + "".join(f"    {line}\n" for line in body.splitlines())


@dataclass(frozen=True)
class Code:
    """Code that does not load: ``words`` must be in the error."""

    source: str
    words: tuple[str, ...]
    main: str | None = None


CODE = {
    "syntax_error": Code(HEAD + "def (:\n", ("SyntaxError: invalid syntax (/", "/syntax_error.py:2)")),
    "null_bytes": Code("x = 1\0\n", ("null",)),
    "import_error": Code("import no_such_package\n" + PING, ("ModuleNotFoundError", "no_such_package")),
    "raises_on_import": Code("raise LookupError('import says no')\n", ("LookupError", "import says no")),
    "exits_on_import": Code("import sys\nsys.exit('import says goodbye')\n", ("import says goodbye",)),
    "no_class": Code("x = 1\n", ("could not be loaded: /", "PluginInterface", "no_class.py")),
    "two_classes": Code(HEAD + "class One(PluginInterface): pass\nclass Two(PluginInterface): pass\n", ("One", "Two")),
    "wrong_base": Code(HEAD + "class Plain: pass\n", ("Plain", "PluginInterface"), "wrong_base.py:Plain"),
    "not_a_class": Code(HEAD + "thing = 5\n", ("PluginInterface",), "not_a_class.py:thing"),
    "no_such_class": Code(
        PING,
        ("loaded: no_such_class.py has no class 'Modul', which the key 'main'", "did you mean 'Module'?"),
        "no_such_class.py:Modul",
    ),
    "main_elsewhere": Code(PING, ("missing_package",), "missing_package.inner:Module"),
    "constructor_raises": Code(
        module("def __init__(self):\n    raise RuntimeError('constructor says no')"),
        ("RuntimeError", "constructor says no"),
    ),
    "constructor_wants_arguments": Code(
        module("def __init__(self, wanted):\n    pass"), ("TypeError", "wanted", "is made without arguments")
    ),
    "constructor_raises_type_error": Code(
        module("def __init__(self):\n    int([])"), ("TypeError: int() argument must be", "in __init__)")
    ),
    "constructor_exits_at_once": Code(module("def __init__(self):\n    os._exit(7)", "import os\n"), ("7",)),
    "constructor_calls_sys_exit": Code(
        module("def __init__(self):\n    sys.exit('leaving early')", "import sys\n"), ("leaving early",)
    ),
    "constructor_crashes": Code(
        module("def __init__(self):\n    os.kill(os.getpid(), 9)", "import os\n"), ("SIGKILL",)
    ),
    "init_raises": Code(
        module("def init_logos(self, api):\n    raise ValueError('init says no')"), ("ValueError", "init says no")
    ),
    "init_exits": Code(module("def init_logos(self, api):\n    os._exit(9)", "import os\n"), ("9",)),
    "init_of_wrong_shape": Code(module("def init_logos(self):\n    pass"), ("TypeError", "init_logos")),
    "init_raises_what_cannot_be_shown": Code(
        module(
            "def init_logos(self, api):\n    raise Odd",
            "class Odd(Exception):\n    def __str__(self):\n        raise RuntimeError\n    __repr__ = __str__\n",
        ),
        ("Odd",),
    ),
    "marks_a_private_method": Code(module("@invokable\ndef _hidden(self):\n    pass"), ("_hidden",)),
}
HANGS = {
    "constructor_hangs": module("def __init__(self):\n    threading.Event().wait()", "import threading\n"),
    "init_hangs": module("def init_logos(self, api):\n    threading.Event().wait()", "import threading\n"),
    "import_hangs": "import threading\nthreading.Event().wait()\n",
}


Put = Callable[[Path], Any]


def text(content: str) -> Put:
    return lambda file: file.write_text(content, encoding="utf-8")


def keys(**values: Any) -> Put:
    """Good metadata, with ``values`` over it."""
    return lambda file: file.write_text(json.dumps(metadata_of(file.parent.name) | values), encoding="utf-8")


def without(key: str) -> Put:
    def put(file: Path) -> None:
        content = metadata_of(file.parent.name)
        del content[key]
        file.write_text(json.dumps(content), encoding="utf-8")

    return put


def huge(file: Path) -> None:
    with file.open("wb") as stream:
        stream.write(json.dumps(metadata_of(file.parent.name)).encode())
        stream.truncate(100 * 1024 * 1024)


# What to put in the place of metadata.json, the key that must be named, a word of the reason.
METADATA: dict[str, tuple[Put, str | None, str]] = {
    "absent": (lambda _: None, None, "missing"),
    "empty": (text(""), None, "JSON"),
    "not JSON": (text("name: bad"), None, "JSON"),
    "half of it": (text('{"name": "bad", "version": '), None, "JSON"),
    "a list": (text("[]"), None, "object"),
    "a number": (text("5"), None, "object"),
    "not UTF-8": (lambda file: file.write_bytes(b'{"name": "b\xe4d"}'), None, "UTF-8"),
    "nested too deeply": (text('{"x": ' + "[" * 100_000 + "]" * 100_000 + "}"), None, "nest"),
    "a directory": (lambda file: file.mkdir(), None, "directory"),
    "100 MB": (huge, None, "large"),
    "a FIFO": (os.mkfifo, None, "file"),
    "a link to itself": (lambda file: file.symlink_to(file), None, "read"),
    "a dangling link": (lambda file: file.symlink_to(file.parent / "nowhere"), None, "exist"),
    "no name": (without("name"), "name", "missing"),
    "no version": (without("version"), "version", "missing"),
    "name of wrong type": (keys(name=5), "name", "string"),
    "name that is empty": (keys(name=""), "name", "name"),
    "name that climbs": (keys(name="../bad"), "name", "../bad"),
    "another name": (keys(name="good"), "name", "bad_another_name"),
    "version of wrong type": (keys(version=1), "version", "string"),
    "version that is none": (keys(version="banana"), "version", "banana"),
    "description of wrong type": (keys(description=["x"]), "description", "string"),
    "type of another platform": (keys(type="ui"), "type", "core"),
    "dependencies of wrong type": (keys(dependencies="good"), "dependencies", "list"),
    "dependency of wrong type": (keys(dependencies=["good", 5]), "dependencies[1]", "string"),
    "dependency of wrong range": (keys(dependencies=["good>>1"]), "dependencies[0]", ">>1"),
    "capabilities of wrong type": (keys(capabilities={"a": 1}), "capabilities", "list"),
    "include that climbs": (keys(include=["../../etc/passwd"]), "include[0]", "../../etc/passwd"),
    "main of wrong type": (keys(main=7), "main", "string"),
    "main without a class": (keys(main="bad.py"), "main", "bad.py"),
    "main that is not there": (keys(main="other.py:Module"), "main", "other.py"),
    "concurrency that is none": (keys(concurrency="lots"), "concurrency", "lots"),
    "max_workers of nobody": (keys(concurrency="multi", max_workers=0), "max_workers", "0"),
    "calls of wrong type": (keys(calls="good"), "calls", "list"),
}


def folder_of(case: str) -> str:
    return "bad_" + re.sub(r"\W+", "_", case)


def says(message: str, word: str) -> bool:
    """Whether ``word`` is in it: as a number of its own if it is one, since a pid has many digits too."""
    return re.search(rf"(?<!\d){word}(?!\d)" if word.isdigit() else re.escape(word), message) is not None


@pytest.fixture(scope="module")
def shared_core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """One Core over everything that is broken, and one good module among it."""
    plugins = tmp_path_factory.mktemp("broken")
    write_module(plugins, "good")
    for case, (put, _, _) in METADATA.items():
        folder = plugins / folder_of(case)
        folder.mkdir()
        (folder / f"{folder.name}.py").write_text(PING, encoding="utf-8")
        put(folder / "metadata.json")
    for name, code in CODE.items():
        write_module(plugins, name, code.source, **({"main": code.main} if code.main else {}))
    for name, source in HANGS.items():
        write_module(plugins, name, source)
    with Core(plugins_dir=plugins, entry_points=False, load_timeout=10.0) as core:
        yield core


def test_each_is_known_or_a_failure(shared_core: Core) -> None:
    assert {"good", *CODE, *HANGS} <= set(shared_core.get_known_plugins())
    failed = [failure.name for failure in shared_core.get_discovery_failures()]
    assert sorted(failed) == sorted(map(folder_of, METADATA))
    assert not set(failed) & set(shared_core.get_known_plugins())


@pytest.mark.parametrize("name", CODE)
def test_broken_code(shared_core: Core, name: str) -> None:
    with pytest.raises(ModuleLoadError) as caught:
        shared_core.load_plugin(name)
    for word in (name, *CODE[name].words):
        assert says(str(caught.value), word)
    assert caught.value.module == name
    assert name not in shared_core.get_loaded_plugins()
    assert shared_core.load_plugin("good").call("ping") == "good"


def test_code_that_hangs(plugins: Path) -> None:
    """Each is given up after ``load_timeout``; here all of them wait for it at once."""
    for name, source in HANGS.items():
        write_module(plugins, name, source)
    write_module(plugins, "good")
    with Core(plugins_dir=plugins, entry_points=False, load_timeout=5.0) as core, ThreadPoolExecutor() as pool:
        core.load_plugin("good")
        before = len(descendants())
        for name, loading in {name: pool.submit(core.load_plugin, name) for name in HANGS}.items():
            with pytest.raises(ModuleLoadError, match=name):
                loading.result()
            assert name not in core.get_loaded_plugins()
        wait_until(lambda: len(descendants()) <= before, what="the end of the hosts that hung")
        assert core.get_client("good").call("ping") == "good"


@pytest.mark.parametrize("case", METADATA)
def test_broken_metadata(shared_core: Core, case: str) -> None:
    name, (_, key, word) = folder_of(case), METADATA[case]
    (failure,) = [each for each in shared_core.get_discovery_failures() if each.name == name]
    error = failure.error
    assert type(error) is MetadataError
    assert isinstance(error, ValueError)
    assert failure.path is not None
    file = Path(str(error.file))
    assert (file.name, file.parent.name) == ("metadata.json", name)
    assert Path(failure.path) in {file, file.parent}
    assert error.key == key
    assert word in str(error.reason)
    for part in (str(file), str(error.reason), key or ""):
        assert part in str(error)
    with pytest.raises(MetadataError) as caught:
        shared_core.load_plugin(name)
    assert str(caught.value) == str(error)
    assert name not in shared_core.get_loaded_plugins()
    assert shared_core.load_plugin("good").call("ping") == "good"
