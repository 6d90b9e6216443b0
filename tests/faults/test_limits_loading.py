"""Limits under which a module cannot be loaded, or that it reaches while it loads: a load error names them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from acceptance.support import write_module
from integration.support import Launch

from faults.greedy import ENOUGH, GREEDY, MIB, RunGreedy
from logoscore import Core
from logoscore.errors import ModuleLoadError

TOO_LOW = [
    ({"address_space": 8 * MIB}, rf"limit address_space of {8 * MIB} bytes is too low: its host needs \d+ before"),
    ({"address_space": 1}, r"limit address_space of 1 bytes is too low: its host needs \d+ before"),
    ({"open_files": 3}, r"limit open_files of 3 is too low: its host needs \d+ before"),
    ({"open_files": 1 << 40}, r"the system refuses the limit open_files of 1099511627776"),
]


@pytest.mark.parametrize(("limits", "words"), TOO_LOW, ids=[f"{each[0]}" for each in TOO_LOW])
def test_what_cannot_be_is_a_load_error_that_names_it(
    run_greedy: RunGreedy, plugins: Path, limits: dict[str, int], words: str
) -> None:
    core, _greedy = run_greedy()
    write_module(plugins, "strict", GREEDY, limits=limits)
    core.refresh_plugins()
    for _ in range(2):
        with pytest.raises(ModuleLoadError, match=words) as caught:
            core.load_plugin("strict")
        assert caught.value.module == "strict"
        assert core.get_plugin_info("strict").state == "known"
    assert core.get_client("neighbour").call("ping") == "neighbour"


def test_more_than_the_app_may_have_itself(script: Launch, plugins: Path) -> None:
    """In an app of its own: who has no such bound could not get rid of it again."""
    app = script(
        """
        import resource, sys
        from logoscore import Core
        from logoscore.errors import ModuleLoadError
        resource.setrlimit(resource.RLIMIT_CORE, (0, 1 << 20))
        with Core(plugins_dir=sys.argv[1], entry_points=False, limits={"worker": {"core_size": 1 << 40}}) as core:
            for _ in range(2):
                try:
                    core.load_plugin("worker")
                except ModuleLoadError as error:
                    print(core.get_plugin_info("worker").state, error.module, error)
        """,
        plugins,
    )
    words = r"known worker .*the system refuses the limit core_size of 1099511627776 bytes.*\n"
    assert re.fullmatch(words * 2, app.finish()), repr(app)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "held = bytearray(1 << 30)\n",
            r"MemoryError: \(.*eager.py:\d+\) \(the module's limit address_space is \d+ bytes\)",
        ),
        ("import os\nheld = [open(os.devnull) for _ in range(100)]\n", r"\(the module's limit open_files is 50\)"),
        (
            "import os, sys\nprint('MemoryError', file=sys.stderr, flush=True)\nos._exit(1)\n",
            r"exit code 1: it wrote 'MemoryError', and has the limit address_space of \d+ bytes",
        ),
    ],
    ids=["memory", "files", "death"],
)
def test_a_module_that_hits_a_limit_while_it_loads(plugins: Path, source: str, words: str) -> None:
    write_module(plugins, "eager", source, limits={"address_space": ENOUGH, "open_files": 50})
    with Core(plugins_dir=plugins, entry_points=False) as core, pytest.raises(ModuleLoadError, match=words):
        core.load_plugin("eager")
