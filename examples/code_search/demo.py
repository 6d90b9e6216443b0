"""Run app.py in a virtual environment of its own, made and kept up to date here. Called by run.sh.

Everything is installed as a user would, with pip and not editable; again only when a source file has changed. The first
run takes as long as pip does, later ones start at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VENV = ROOT / ".venv-demo"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed.txt"

DISTRIBUTION = HERE / "distribution"
REQUIREMENTS = HERE / "requirements.txt"
# All that the two wheels are made of, and what else is installed.
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "host_entry.py", "logoscore", DISTRIBUTION, REQUIREMENTS)

# The environment is to have what was installed into it, and nothing else.
ENVIRON = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}


def main() -> None:
    VENV.mkdir(exist_ok=True)
    folder = os.open(VENV, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)  # two at once would install into each other
    make_ready()
    os.close(folder)
    os.execve(PYTHON, [str(PYTHON), str(HERE / "app.py"), *sys.argv[1:]], ENVIRON)  # noqa: S606 - this becomes the app


def make_ready() -> None:
    """Make the environment, or make it current, or see that it is."""
    wanted = [fingerprint_of_python(), fingerprint_of_sources()]
    installed = STAMP.read_text().split() if STAMP.exists() else ["", ""]
    healthy = installed[0] == wanted[0] and works()
    if healthy and installed == wanted:
        return
    STAMP.unlink(missing_ok=True)  # until all is done
    if not healthy:
        print(f"making {VENV}", flush=True)
        run(sys.executable, "-m", "venv", "--clear", VENV)
    print("installing the checkout and the example distribution", flush=True)
    # pip builds and installs local directories anew each time, whatever their version.
    run(
        *(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *(ROOT, DISTRIBUTION, "--requirement", REQUIREMENTS),
    )
    STAMP.write_text("\n".join(wanted))


def works() -> bool:
    """Whether the environment's Python can be run: its base may have been removed, or the checkout moved."""
    try:
        prefix = run(PYTHON, "-c", "import sys; print(sys.prefix)", stdout=subprocess.PIPE)
    except (OSError, subprocess.CalledProcessError):
        return False
    return prefix.strip() == str(VENV)


def run(*command: str | Path, stdout: int | None = None) -> str:
    """Run ``command``; returns its output if that is asked for. Raises CalledProcessError."""
    done = subprocess.run(command, check=True, env=ENVIRON, stdout=stdout, text=True)  # noqa: S603 - our own commands
    return done.stdout or ""


def fingerprint_of_python() -> str:
    """Which Python, and where the environment is: environments cannot be moved."""
    return hashlib.sha256(f"{VENV}\0{sys.base_prefix}\0{sys.version}".encode()).hexdigest()


def fingerprint_of_sources() -> str:
    """All that would be installed, by content: times change with every checkout."""
    digest = hashlib.sha256()
    for file in sorted(source_files()):
        digest.update(f"{file.relative_to(ROOT)}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def source_files() -> Iterator[Path]:
    for source in SOURCES:
        path = ROOT / source
        if path.is_dir():
            yield from (file for file in path.rglob("*") if file.is_file() and file.parent.name != "__pycache__")
        elif path.exists():
            yield path


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"could not prepare {VENV}: {' '.join(map(str, error.cmd))} ended with {error.returncode}")
