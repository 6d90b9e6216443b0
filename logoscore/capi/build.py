"""Builds the C library with the C compiler of the machine, for the Python that runs this.

    DIR/lib/liblogos_core.so            embeds this Python, its virtual environment included
    DIR/lib/liblogos_module_client.so   the same file under the name that clients look for
    DIR/lib/pkgconfig/logos_core.pc
    DIR/include/logos_core.h
    DIR/bin/logos_host                  runs host_entry with this Python

A Python that has a shared library is linked to it, by its full place. Of one that has not, the static library goes into
ours whole, since any of it may be needed by an extension module; that needs one made of position-independent code.
"""

from __future__ import annotations

import os
import shlex
import shutil
import string
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import logoscore

__all__ = ["BuildError", "build", "compiler"]

_HERE = Path(__file__).parent
_SOURCES = ("embed.c", "bridge.c", "logos_core.c")
_HEADER = "logos_core.h"
_CORE, _CLIENT = "liblogos_core", "liblogos_module_client"
_MACOS = sys.platform == "darwin"
_SUFFIX = ".dylib" if _MACOS else ".so"

_NOT_PIC = """
This Python's static library is not position-independent; use a Python that was configured with --enable-shared.
"""

_PKG_CONFIG = """\
prefix=${{pcfiledir}}/../..
libdir=${{prefix}}/lib
includedir=${{prefix}}/include

Name: logos_core
Description: Modules in processes of their own, for C
Version: {version}
Libs: -L${{libdir}} -llogos_core -Wl,-rpath,${{libdir}}
Cflags: -I${{includedir}}
"""


class BuildError(Exception):
    """The library cannot be built: why, and what to do."""


def build(output: Path, *, static: bool | None = None) -> list[Path]:
    """Build everything below ``output``; returns what was made.

    Args:
        static: whether to take in the static library of Python; None: only if there is no shared one.

    Raises:
        BuildError: there is no compiler, this Python cannot be embedded, or the compiler failed.
    """
    if not sys.executable:
        raise BuildError("this Python does not know its own executable, which the library would start hosts with")
    output = output.absolute()
    for folder in ("lib/pkgconfig", "include", "bin"):
        (output / folder).mkdir(parents=True, exist_ok=True)
    core = output / "lib" / f"{_CORE}{_SUFFIX}"
    _run([*compiler(), *_flags(core), *_python_flags(static), *_extra("LDFLAGS")])
    client = core.with_name(f"{_CLIENT}{_SUFFIX}")
    client.unlink(missing_ok=True)
    client.symlink_to(core.name)
    header = output / "include" / _HEADER
    shutil.copyfile(_HERE / _HEADER, header)
    pkg_config = output / "lib" / "pkgconfig" / "logos_core.pc"
    pkg_config.write_text(_PKG_CONFIG.format(version=logoscore.__version__), encoding="utf-8")
    host = output / "bin" / "logos_host"
    # sh, because the kernel reads a limited length of "#!", and no blanks in it; -P: not host_entry.py of some directory
    host.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m host_entry "$@"\n', encoding="utf-8")
    host.chmod(0o755)
    return [core, client, pkg_config, header, host]


def compiler() -> list[str]:
    """The command of the C compiler: ``CC``, the one that built this Python, or what a machine usually has.

    Raises:
        BuildError: there is none.
    """
    wish = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    for command in (shlex.split(wish), ["cc"], ["gcc"], ["clang"]):
        if shutil.which(command[0]):
            return command
    raise BuildError(f"there is no C compiler: neither {wish} nor cc, gcc, clang; install one, or name it in CC")


def _flags(core: Path) -> list[str]:
    name = ["-install_name", f"@rpath/{core.name}"] if _MACOS else [f"-Wl,-soname,{core.name}"]
    include = Path(sysconfig.get_path("include"))
    if not (include / "Python.h").is_file():
        raise BuildError(f"{include}/Python.h is missing: install this Python's headers (Debian: python3-dev)")
    return [
        *("-std=c11", "-D_DEFAULT_SOURCE", "-O2", "-Wall", "-Wextra"),
        *("-fPIC", "-fvisibility=hidden", "-shared", "-pthread"),
        f"-I{include}",
        f"-DLOGOS_PYTHON={_c_string(sys.executable)}",
        *_extra("CFLAGS"),
        *name,
        *("-o", str(core)),
        *(str(_HERE / source) for source in _SOURCES),
    ]


def _c_string(text: str) -> str:
    plain = frozenset(b"/-_.+" + string.ascii_letters.encode() + string.digits.encode())
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in os.fsencode(text)) + '"'


def _extra(variable: str) -> list[str]:
    return shlex.split(os.environ.get(variable, ""))


def _python_flags(static: bool | None) -> list[str]:
    """How to link to this Python."""
    shared = _shared_library()
    if shared is not None and not static:
        return [str(shared), f"-Wl,-rpath,{shared.parent}", "-ldl"]
    archive = Path(_variable("LIBPL")) / _variable("LIBRARY")
    if not archive.is_file():
        raise BuildError(
            f"this Python ({sys.executable}) has neither a shared nor a static library to embed; use one that was "
            "configured with --enable-shared (pyenv: PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install …)"
        )
    whole = (
        ["-Wl,-force_load", str(archive)] if _MACOS else ["-Wl,--whole-archive", str(archive), "-Wl,--no-whole-archive"]
    )
    return [*whole, *shlex.split(f"{_variable('LIBS')} {_variable('SYSLIBS')}"), "-ldl", "-lm"]


def _shared_library() -> Path | None:
    names = [_variable("INSTSONAME"), _variable("LDLIBRARY"), f"libpython{_variable('LDVERSION')}{_SUFFIX}"]
    folders = [_variable("LIBDIR"), f"{sys.base_exec_prefix}/lib", f"{_variable('LIBDIR')}/{_variable('MULTIARCH')}"]
    if _variable("PYTHONFRAMEWORKPREFIX"):
        folders.insert(0, _variable("PYTHONFRAMEWORKPREFIX"))
    candidates = (Path(folder) / name for folder in folders if folder for name in names if name)
    return next((path for path in candidates if path.suffix != ".a" and path.is_file()), None)


def _variable(name: str) -> str:
    return str(sysconfig.get_config_var(name) or "")


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the user's compiler
    except OSError as exc:
        raise BuildError(f"{command[0]} cannot be run: {exc}") from exc
    if done.returncode:
        hint = _NOT_PIC if "-fPIC" in done.stderr else ""
        raise BuildError(f"the C compiler failed ({shlex.join(command)}):\n{done.stderr}{hint}")
    if done.stderr:
        print(done.stderr, file=sys.stderr, end="")
