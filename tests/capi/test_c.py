"""Programs in C: one that does everything a client does, one with eight threads."""

from __future__ import annotations

from pathlib import Path

from integration.support import Launch

from capi.support import CLIENTS, EXAMPLES, build_library, compile_c, run


def test_client(library: Path, modules: Path, tmp_path: Path, launch: Launch) -> None:
    program = compile_c(CLIENTS / "client.c", library, tmp_path / "client")
    client = launch([program, library / "lib" / "liblogos_core.so", modules])
    assert client.finish() == "done\n"


def test_client_by_its_other_name_and_host(library: Path, modules: Path, tmp_path: Path, launch: Launch) -> None:
    program = compile_c(CLIENTS / "client.c", library, tmp_path / "client")
    host = str(library / "bin" / "logos_host")
    client = launch(
        [program, library / "lib" / "liblogos_module_client.so", modules, "few"], env={"LOGOS_HOST_PATH": host}
    )
    assert client.finish() == "done\n"
    assert host not in client.err


def test_a_host_path_that_is_absent_is_ignored(library: Path, modules: Path, tmp_path: Path, launch: Launch) -> None:
    program = compile_c(CLIENTS / "client.c", library, tmp_path / "client")
    client = launch(
        [program, library / "lib" / "liblogos_core.so", modules, "few"], env={"LOGOS_HOST_PATH": "/nowhere/logos_host"}
    )
    assert client.finish() == "done\n"
    assert "LOGOS_HOST_PATH=/nowhere/logos_host does not exist" in client.err


def test_what_is_set_between_init_and_start_counts(
    library: Path, modules: Path, tmp_path: Path, launch: Launch
) -> None:
    program = compile_c(CLIENTS / "environment.c", library, tmp_path / "environment")
    client = launch([program, library / "lib" / "liblogos_core.so", modules])
    assert client.finish() == "done\n"
    for path in ("/nowhere/first", "/nowhere/second"):
        assert f"LOGOS_HOST_PATH={path} does not exist" in client.err


def test_eight_threads(library: Path, modules: Path, tmp_path: Path, launch: Launch) -> None:
    program = compile_c(CLIENTS / "threads.c", library, tmp_path / "threads")
    client = launch([program, library / "lib" / "liblogos_core.so", modules, "16"])
    assert client.finish() == "done\n"


def test_eight_threads_under_thread_sanitizer(modules: Path, tmp_path: Path, launch: Launch) -> None:
    library = build_library(tmp_path / "library", {"CFLAGS": "-fsanitize=thread -g"})
    program = compile_c(CLIENTS / "threads.c", library, tmp_path / "threads", "-fsanitize=thread")
    client = launch(
        [program, library / "lib" / "liblogos_core.so", modules, "4"],
        env={"TSAN_OPTIONS": f"exitcode=66 halt_on_error=1 suppressions={CLIENTS / 'thread_sanitizer.supp'}"},
    )
    assert client.finish() == "done\n"
    assert "ThreadSanitizer" not in client.err


def test_example(library: Path, tmp_path: Path, launch: Launch) -> None:
    flags = run(
        ["pkg-config", "--cflags", "--libs", "logos_core"], {"PKG_CONFIG_PATH": str(library / "lib" / "pkgconfig")}
    )
    program = compile_c(EXAMPLES / "c" / "app.c", library, tmp_path / "app", *flags.split())
    app = launch([program, EXAMPLES / "hello" / "modules"])
    assert "answer: fine: Method call successful. Result: Hello, world!\n" in app.finish()
    assert 'event: fine: {"event":"greeted","data":["world"]}\n' in app.out
