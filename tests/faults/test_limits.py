"""Modules that use more than they may: the limit stops them, is named, and nobody else notices."""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from acceptance.support import write_module
from helpers import wait_until

from logoscore import Core, LogosAPIClient
from logoscore.errors import LogosError, ModuleCrashedError, ModuleLoadError, RemoteError, SerializationError
from logoscore.limits import Limits
from logoscore.session.streams import OutgoingStream

MIB = 1 << 20
ENOUGH = 400 * MIB
"""Address space for a host and a module that does little."""

GREEDY = '''
import asyncio, ctypes, errno, mmap, os, resource, signal, threading
from logoscore import PluginInterface, invokable

NAMES = ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_NOFILE", "RLIMIT_CORE")

class Greedy(PluginInterface):
    def init_logos(self, api):
        self.api = api
        self.held = []

    @invokable
    def echo(self, value):
        return value

    @invokable
    def limits(self) -> list:
        return [list(resource.getrlimit(getattr(resource, name))) for name in NAMES]

    @invokable
    def niceness(self) -> list:
        """Of every thread: the one that calls run in among them."""
        return [os.getpriority(os.PRIO_PROCESS, int(thread)) for thread in os.listdir("/proc/self/task")]

    @invokable
    def burn(self):
        while True:
            pass

    @invokable
    def eat(self, size: int) -> int:
        return len(bytearray(size))

    @invokable
    async def eat_in_a_coroutine(self, size: int) -> int:
        await asyncio.sleep(0)
        return len(bytearray(size))

    @invokable
    def eat_in_a_stream(self, size: int):
        yield 1
        yield len(bytearray(size))

    @invokable
    def dereference_null(self):
        ctypes.string_at(0)

    @invokable
    def open_many(self, count: int, keep: bool = False) -> int:
        opened = []
        try:
            for _ in range(count):
                opened.append(os.open(os.devnull, os.O_RDONLY))
            return len(opened)
        finally:
            if keep:
                self.held += opened
            else:
                for fd in opened:
                    os.close(fd)

    @invokable
    def take_descriptors(self, leave: int) -> int:
        """All but ``leave`` of them, and keep them."""
        try:
            while True:
                self.held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError as exc:
            assert exc.errno == errno.EMFILE
        for fd in [self.held.pop() for _ in range(leave)]:
            os.close(fd)
        return len(self.held)

    @invokable
    def take_addresses(self, leave: int, heap: bool = True):
        """Map all but ``leave`` bytes; what is ``heap`` already stays, so that Python itself can go on."""
        spare = [bytearray(60_000) for _ in range(40 * heap)]
        self.held.append(mmap.mmap(-1, mmap.PAGESIZE))
        self.pin = bytearray(60_000)  # above the others, or the heap would shrink
        reserve = mmap.mmap(-1, max(leave, mmap.PAGESIZE))
        size = 64 << 20
        while size >= 4096:
            try:
                self.held.append(mmap.mmap(-1, size))
            except OSError as exc:
                assert exc.errno == errno.ENOMEM
                size //= 2
        reserve.close()

    @invokable
    def ask(self):
        return self.api.get_client("neighbour").call("ping", timeout=20.0)

    @invokable
    def ask_later(self):
        return self.api.get_client("neighbour").submit("ping", timeout=20.0).result(timeout=20)

    @invokable
    def listen(self):
        with self.api.get_client("neighbour").subscribe("nothing") as events:
            try:
                return events.get(timeout=0.1)
            except TimeoutError:
                return "neighbour"

    @invokable
    def call_back(self):
        self.api.on_event("neighbour", "nothing", print).cancel()
        return "neighbour"

    @invokable
    async def coroutine(self):
        return "neighbour"

    @invokable
    def wait_for(self, path: str):
        pause = threading.Event()
        while not os.path.exists(path):
            pause.wait(0.01)
        return "there"

    @invokable
    def descriptors(self) -> int:
        return len(os.listdir("/proc/self/fd"))

    @invokable
    def mappings(self) -> int:
        """Of channels."""
        with open("/proc/self/maps") as maps:
            return sum("memfd:logoscore" in line for line in maps)

    @invokable
    def say(self, value):
        self.api.trigger("said", value)

    @invokable
    def give_back(self):
        for each in self.held:
            each.close() if isinstance(each, mmap.mmap) else os.close(each)
        self.held.clear()
'''


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir()
    return folder


Run = Callable[..., tuple[Core, LogosAPIClient]]


@pytest.fixture
def run(plugins: Path) -> Iterator[Run]:
    """``run(**limits)``: a Core with the module ``greedy`` under these limits, of its metadata."""
    cores: list[Core] = []

    def start(**limits: int | float) -> tuple[Core, LogosAPIClient]:
        write_module(plugins, "greedy", GREEDY, limits=limits, concurrency="multi", max_workers=4, calls=["neighbour"])
        write_module(plugins, "neighbour")
        core = Core(plugins_dir=plugins, entry_points=False)
        cores.append(core)
        core.start()
        assert core.load_plugin("neighbour").call("ping") == "neighbour"
        return core, core.load_plugin("greedy")

    yield start
    for core in cores:
        core.cleanup()


# --- what is in force -----------------------------------------------------------------------------------------------


def test_what_is_not_limited_is_as_in_the_app(run: Run) -> None:
    core, greedy = run()
    mine = [resource.getrlimit(getattr(resource, f"RLIMIT_{name}")) for name in ("AS", "CPU", "NOFILE", "CORE")]
    assert [tuple(each) for each in greedy.call("limits")] == mine
    assert set(greedy.call("niceness")) == {os.getpriority(os.PRIO_PROCESS, 0)}
    assert core.get_plugin_info("greedy").limits == {}


def test_the_metadatas_limits_are_in_force(run: Run) -> None:
    core, greedy = run(address_space=ENOUGH, cpu_time=100, open_files=50, core_size=0, hang_timeout=60.5)
    assert greedy.call("limits") == [[ENOUGH, ENOUGH], [100, 102], [50, 50], [0, 0]]
    info = core.get_plugin_info("greedy")
    assert info.limits == {
        "address_space": ENOUGH, "cpu_time": 100, "open_files": 50, "core_size": 0, "hang_timeout": 60.5
    }  # fmt: skip
    assert core.get_plugin_info("neighbour").limits == {}
    assert core.get_plugin_info("capability_module").limits == {}


def test_the_apps_limits_go_before_the_metadatas(plugins: Path) -> None:
    write_module(plugins, "greedy", GREEDY, limits={"open_files": 70, "cpu_time": 90, "core_size": 0})
    write_module(plugins, "other", GREEDY)
    limits = {"greedy": {"cpu_time": 10}, "*": {"cpu_time": 20, "open_files": 60}}
    with Core(plugins_dir=plugins, entry_points=False, limits=limits) as core:
        assert core.get_plugin_info("greedy").limits == {"cpu_time": 10, "open_files": 60, "core_size": 0}
        assert core.load_plugin("greedy").call("limits")[1:] == [[10, 12], [60, 60], [0, 0]]
        assert core.load_plugin("other").call("limits")[1:3] == [[20, 22], [60, 60]]
        assert core.get_plugin_info("capability_module").limits == {}


def test_a_class_of_the_app_may_have_limits_too() -> None:
    from logoscore import PluginInterface, invokable

    class Modest(PluginInterface):
        metadata = {"limits": {"cpu_time": 50}}  # noqa: RUF012 - as users write it

        @invokable
        def files(self) -> int:
            import resource

            return resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    with Core(entry_points=False, limits={"modest": {"open_files": 40}}) as core:
        assert core.load_plugin(Modest).call("files") == 40
        assert core.get_plugin_info("modest").limits == {"cpu_time": 50, "open_files": 40}


def test_every_thread_of_the_host_is_nicer(run: Run) -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    _core, greedy = run(nice=3)
    assert set(greedy.call("niceness")) == {before + 3}
    assert greedy.submit("niceness").result(timeout=15) == greedy.call("niceness")


def test_limits_hold_after_a_reload(run: Run) -> None:
    core, greedy = run(open_files=50)
    core.reload_plugin("greedy")
    assert greedy.call("limits")[2] == [50, 50]


# --- CPU time -------------------------------------------------------------------------------------------------------


def test_cpu_time_ends_a_burner_and_is_named(run: Run) -> None:
    core, greedy = run(cpu_time=1)
    with pytest.raises(ModuleCrashedError, match="killed by SIGXCPU: its limit cpu_time of 1 s was reached") as caught:
        greedy.call("burn", timeout=60)
    assert caught.value.signal_name == "SIGXCPU"
    assert "in burn" in str(caught.value.stderr), "its last words say where the time went"
    wait_until(lambda: core.get_plugin_info("greedy").state == "crashed", what="the core noticing")
    assert core.get_plugin_info("greedy").last_exit == "killed by SIGXCPU: its limit cpu_time of 1 s was reached"
    assert core.get_client("neighbour").call("ping") == "neighbour"
    core.load_plugin("greedy")
    assert greedy.call("echo", 1) == 1


def test_a_burner_that_ignores_the_warning_is_killed_and_the_limit_named(plugins: Path) -> None:
    source = GREEDY.replace("self.held = []", "signal.signal(signal.SIGXCPU, signal.SIG_IGN)")
    write_module(plugins, "stubborn", source, limits={"cpu_time": 1})
    with Core(plugins_dir=plugins, entry_points=False) as core:
        stubborn = core.load_plugin("stubborn")
        with pytest.raises(ModuleCrashedError, match="killed by SIGKILL: its limit cpu_time of 1 s was reached"):
            stubborn.call("burn", timeout=60)


def test_a_kill_from_elsewhere_is_not_blamed_on_the_limit(run: Run) -> None:
    core, greedy = run(cpu_time=100)
    pid = core.get_plugin_info("greedy").pid
    assert pid is not None
    os.kill(pid, 9)
    wait_until(lambda: core.get_plugin_info("greedy").state == "crashed", what="the core noticing")
    assert core.get_plugin_info("greedy").last_exit == "killed by SIGKILL"
    assert core.load_plugin("greedy") is greedy


def test_cpu_time_during_the_load_is_named(plugins: Path) -> None:
    write_module(plugins, "slow", "while True:\n    pass\n", limits={"cpu_time": 1})
    with Core(plugins_dir=plugins, entry_points=False, load_timeout=60) as core:
        with pytest.raises(ModuleLoadError, match="killed by SIGXCPU: its limit cpu_time of 1 s was reached"):
            core.load_plugin("slow")
        assert core.get_plugin_info("slow").state == "known"


# --- memory and descriptors, in methods -----------------------------------------------------------------------------

EATERS: list[tuple[str, Callable[[LogosAPIClient, int], Any]]] = [
    ("method", lambda client, size: client.call("eat", size)),
    ("future", lambda client, size: client.submit("eat", size).result(timeout=20)),
    ("coroutine", lambda client, size: client.call("eat_in_a_coroutine", size)),
    ("stream", lambda client, size: list(client.stream("eat_in_a_stream", size))[1]),
]


@pytest.mark.parametrize("eat", [each for _, each in EATERS], ids=[name for name, _ in EATERS])
def test_a_memory_error_names_the_limit(run: Run, eat: Callable[[LogosAPIClient, int], Any]) -> None:
    core, greedy = run(address_space=ENOUGH)
    pid = core.get_plugin_info("greedy").pid
    words = re.escape(f"raised MemoryError (the module's limit address_space is {ENOUGH} bytes)")
    for _ in range(3):
        with pytest.raises(RemoteError, match=words) as caught:
            eat(greedy, 1 << 30)
        assert (caught.value.type_name, caught.value.message) == ("MemoryError", "")
        assert eat(greedy, MIB) == MIB
    assert core.get_plugin_info("greedy").pid == pid


def test_without_a_limit_a_memory_error_is_only_that(run: Run) -> None:
    _core, greedy = run(open_files=50)
    with pytest.raises(RemoteError, match=r"raised MemoryError$"):
        greedy.call("eat", 1 << 62)


def test_too_many_open_files_name_the_limit(run: Run) -> None:
    core, greedy = run(open_files=50)
    pid = core.get_plugin_info("greedy").pid
    for _ in range(3):
        with pytest.raises(
            RemoteError, match=r"Too many open files.*\(the module's limit open_files is 50\)"
        ) as caught:
            greedy.call("open_many", 60)
        assert caught.value.type_name == "OSError"
        assert "limit" not in str(caught.value.message), "this is what was raised"
        assert greedy.call("open_many", 10) == 10
    assert core.get_plugin_info("greedy").pid == pid


def test_native_code_that_dies_may_have_met_the_limit(run: Run) -> None:
    _core, greedy = run(address_space=ENOUGH)
    with pytest.raises(ModuleCrashedError, match=rf"SIGSEGV: .* native code .* limit address_space of {ENOUGH} bytes"):
        greedy.call("dereference_null")


# --- loading --------------------------------------------------------------------------------------------------------

TOO_LOW = [
    ({"address_space": 8 * MIB}, rf"limit address_space of {8 * MIB} bytes is too low: its host needs \d+ before"),
    ({"address_space": 1}, r"limit address_space of 1 bytes is too low: its host needs \d+ before"),
    ({"open_files": 3}, r"limit open_files of 3 is too low: its host needs \d+ before"),
    ({"open_files": 1 << 40}, r"the system refuses the limit open_files of 1099511627776"),
    ({"core_size": 1 << 40}, r"the system refuses the limit core_size of 1099511627776 bytes"),
]


@pytest.mark.parametrize(("limits", "words"), TOO_LOW, ids=[f"{each[0]}" for each in TOO_LOW])
def test_what_cannot_be_is_a_load_error_that_names_it(
    run: Run, plugins: Path, limits: dict[str, int], words: str
) -> None:
    if "core_size" in limits and resource.getrlimit(resource.RLIMIT_CORE)[1] == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_CORE, (0, MIB))
    core, _greedy = run()
    write_module(plugins, "strict", GREEDY, limits=limits)
    core.refresh_plugins()
    for _ in range(2):
        with pytest.raises(ModuleLoadError, match=words) as caught:
            core.load_plugin("strict")
        assert caught.value.module == "strict"
        assert core.get_plugin_info("strict").state == "known"
    assert core.get_client("neighbour").call("ping") == "neighbour"


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


def test_a_crash_with_a_memory_error_as_last_words_names_the_limit(plugins: Path) -> None:
    source = GREEDY + (
        "\n    @invokable\n    def die(self):\n        import sys\n"
        "        sys.stderr.write('MemoryError\\n')\n        sys.stderr.flush()\n        os._exit(9)\n"
    )
    write_module(plugins, "greedy", source, limits={"address_space": ENOUGH})
    with Core(plugins_dir=plugins, entry_points=False) as core:
        greedy = core.load_plugin("greedy")
        with pytest.raises(
            ModuleCrashedError, match=rf"exit code 9: it wrote 'MemoryError', and has .* address_space of {ENOUGH}"
        ):
            greedy.call("die")


# --- the platform itself in a host that has nothing left ------------------------------------------------------------

ASKER = """
from logoscore import PluginInterface, invokable

class Asker(PluginInterface):
    @invokable
    def ask(self, method: str, *args):
        return self.api.get_client("greedy").call(method, *args, timeout=20.0)

    @invokable
    def ask_later(self, method: str, *args):
        return self.api.get_client("greedy").submit(method, *args, timeout=20.0).result(timeout=20)

    @invokable
    def listen(self):
        with self.api.get_client("greedy").subscribe("said") as events:
            return events.get(timeout=20.0).data[0]
"""

TAKERS = [
    ("take_descriptors", {"open_files": 50}, "open_files is 50"),
    ("take_addresses", {"address_space": ENOUGH}, "address_space is"),
]
WAYS = [("ask", ["echo", 1]), ("ask_later", ["echo", 1]), ("listen", [])]


@pytest.mark.parametrize(("way", "args"), WAYS, ids=[way for way, _ in WAYS])
@pytest.mark.parametrize(("take", "limits", "words"), TAKERS, ids=[each[0] for each in TAKERS])
def test_a_caller_whose_channel_cannot_be_opened_is_told_by_what(
    run: Run, plugins: Path, take: str, limits: dict[str, int], words: str, way: str, args: list[Any]
) -> None:
    core, greedy = run(**limits)
    write_module(plugins, "asker", ASKER, calls=["greedy"])
    core.refresh_plugins()
    asker = core.load_plugin("asker")
    pid = core.get_plugin_info("greedy").pid
    greedy.call(take, 0)
    for _ in range(3):
        with pytest.raises(RemoteError, match=words) as caught:
            asker.call(way, *args, timeout=30)
        assert "greedy" in str(caught.value)
    assert greedy.call("echo", 2) == 2, "who has a channel goes on"
    greedy.call("give_back")
    pending = asker.submit(way, *args)
    wait_until(lambda: greedy.call("say", 1) or pending.done(), what="the answer")
    assert pending.result(timeout=15) == 1
    assert core.get_plugin_info("greedy").pid == pid


@pytest.mark.parametrize("way", ["ask", "ask_later", "listen", "coroutine"])
def test_a_module_without_descriptors_is_told_what_it_lacks(run: Run, way: str) -> None:
    core, greedy = run(open_files=50)
    pid = core.get_plugin_info("greedy").pid
    before = greedy.call("descriptors"), greedy.call("mappings")
    greedy.call("take_descriptors", 0)
    for _ in range(3):
        with pytest.raises(RemoteError, match="open_files is 50"):
            greedy.call(way, timeout=30)
    greedy.call("give_back")
    assert (greedy.call("descriptors"), greedy.call("mappings")) == before, "what failed has left nothing"
    assert greedy.call(way) == "neighbour"
    assert core.get_plugin_info("greedy").pid == pid


ROOM = 4 * MIB
"""Enough for channels and objects, too little for the stack of a thread."""


@pytest.mark.parametrize("way", ["ask_later", "listen", "call_back", "coroutine"])
def test_a_thread_that_cannot_be_started_is_named(run: Run, way: str) -> None:
    core, greedy = run(address_space=ENOUGH)
    pid = core.get_plugin_info("greedy").pid
    if way == "ask_later":
        assert greedy.call("ask") == "neighbour"
    mappings = greedy.call("mappings")
    greedy.call("take_addresses", ROOM)
    for _ in range(3):
        with pytest.raises(RemoteError, match=r"can't start new thread.*limit address_space is"):
            greedy.call(way, timeout=30)
    assert greedy.call("mappings") == mappings
    greedy.call("give_back")
    assert greedy.call(way) == "neighbour"
    assert core.get_plugin_info("greedy").pid == pid


def test_a_caller_for_whom_no_thread_can_be_started_is_told(run: Run, plugins: Path) -> None:
    core, greedy = run(address_space=ENOUGH)
    write_module(plugins, "asker", ASKER, calls=["greedy"])
    core.refresh_plugins()
    asker = core.load_plugin("asker")
    mappings = greedy.call("mappings")
    greedy.call("take_addresses", ROOM)
    for _ in range(3):
        with pytest.raises(RemoteError, match=r"greedy.*can't start new thread.*limit address_space is"):
            asker.call("ask", "echo", 1, timeout=30)
    assert greedy.call("mappings") == mappings
    greedy.call("give_back")
    assert asker.call("ask", "echo", 1) == 1


def test_calls_wait_where_there_is_no_thread_to_run_them_beside_others(run: Run, tmp_path: Path) -> None:
    _core, greedy = run(address_space=ENOUGH)
    greedy.call("take_addresses", ROOM)
    calls = [greedy.submit("wait_for", str(tmp_path / "go")) for _ in range(6)]
    (tmp_path / "go").touch()
    assert [each.result(timeout=20) for each in calls] == ["there"] * 6
    greedy.call("give_back")
    later = [greedy.submit("wait_for", str(tmp_path / "again")) for _ in range(3)]
    assert greedy.call("echo", 1) == 1, "three wait, and there is a fourth turn"
    (tmp_path / "again").touch()
    assert [each.result(timeout=20) for each in later] == ["there"] * 3


@pytest.mark.parametrize(("take", "limits", "words"), TAKERS, ids=[each[0] for each in TAKERS])
def test_a_module_that_has_used_up_everything_is_unloaded_in_order(
    run: Run, take: str, limits: dict[str, int], words: str
) -> None:
    core, greedy = run(**limits)
    assert greedy.call("ask") == "neighbour"
    greedy.call(take, 0)
    core.unload_plugin("greedy")
    assert core.get_plugin_info("greedy").last_exit == "exit code 0"


def test_no_memory_for_an_item_of_a_stream_names_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a host: msgspec takes the process down where bytes find no memory, so none can be made to run out here."""
    said: list[LogosError] = []

    def reply(*_: object) -> None:
        raise MemoryError

    link = SimpleNamespace(
        reply=reply, reply_error=lambda _, error, __: said.append(error), limit_note=Limits(address_space=ENOUGH).note
    )
    stream: Any = OutgoingStream.__new__(OutgoingStream)
    stream._link, stream._method, stream._call_id = link, SimpleNamespace(name="items"), 1
    monkeypatch.setattr(OutgoingStream, "_produce_next", lambda _: "an item")
    assert not stream._send_next()
    words = f"an item of items cannot travel: MemoryError (the module's limit address_space is {ENOUGH} bytes)"
    assert [(type(error), str(error)) for error in said] == [(SerializationError, words)]
