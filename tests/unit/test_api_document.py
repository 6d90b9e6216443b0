"""``docs/api.md`` names everything that is public, and the links of the documents lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import logoscore
from logoscore import testing

ROOT = Path(__file__).parents[2]
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
IN_CODE = {word for code in re.findall(r"`([^`\n]+)`", API) for word in re.findall(r"\w+", code)}
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def test_every_public_name_is_there() -> None:
    assert sorted({*logoscore.__all__, *testing.__all__} - IN_CODE) == []


@pytest.mark.parametrize("cls", [logoscore.Core, logoscore.LogosAPI, logoscore.Subscription, logoscore.Caller])
def test_every_public_attribute_is_there(cls: type) -> None:
    assert sorted({name for name in vars(cls) if not name.startswith("_")} - IN_CODE) == []


def anchors(document: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)  # without code
    for link in LINK.findall(text):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = document.parent / file if file else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link
