"""The pages for developers name things that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DECISIONS = ROOT / "docs" / "decisions"


def test_every_folder_on_the_map_exists() -> None:
    rows = re.findall(r"^\| (`.*?`) \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    places = [place for row in rows for place in re.findall(r"`(.*?)`", row)]
    assert len(places) > 10
    assert [place for place in places if not (ROOT / place).exists()] == []


def test_the_index_of_decisions_lists_each_page_once_in_order() -> None:
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (DECISIONS / "README.md").read_text())
    assert listed == sorted(path.name for path in DECISIONS.glob("[0-9]*.md"))


@pytest.mark.parametrize("page", sorted(DECISIONS.glob("[0-9]*.md")), ids=lambda path: path.stem)
def test_a_decision_says_context_decision_and_consequences(page: Path) -> None:
    text = page.read_text()
    assert text.startswith(f"# {page.stem[:4]} ")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    numbers = {path.name[:4] for path in DECISIONS.glob("[0-9]*.md")}
    assert set(re.findall(r"\[(\d{4})\]", text)) <= numbers
