"""The code of ``docs/modules.md`` runs as it stands there, and prints what it says there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = (ROOT / "docs" / "modules.md").read_text(encoding="utf-8")
FILE = re.compile(r"`([\w./-]+\.(?:py|json|txt))`[^`\n]*:\n\n```\w+\n(.*?)```", re.DOTALL)
RUN = re.compile(r"```console\n\$ python (\w+\.py)(?: 2> \S+)?\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    for name, content in FILE.findall(MODULES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


@pytest.mark.parametrize(("script", "output"), RUN.findall(MODULES), ids=["app", "hooks_app"])
def test_an_example_prints_what_it_says(shop: Path, script: str, output: str) -> None:
    ran = subprocess.run([sys.executable, script], cwd=shop, capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.returncode) == (output, 0), ran.stderr
