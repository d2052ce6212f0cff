"""The page about steps says what is so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from indelible import StepContext
from indelible.actors.workflow.definition.vocabulary import ON_UNKNOWN
from pages import Page, output_of, printed_by

PAGE = Page("docs/steps.md")


def test_the_example_prints_what_it_says(tmp_path: Path) -> None:
    [code] = PAGE.blocks("python")
    assert output_of(code, tmp_path) == printed_by(code)


def test_the_context_has_what_the_page_lists() -> None:
    [listed] = re.findall(r"\| `context\.` \|.*?\n\n", PAGE.text, re.DOTALL)
    names = re.findall(r"^\| `(\w+)` \|", listed, re.MULTILINE)
    public = {name for name in dir(StepContext) if not name.startswith("_")}
    assert set(names) == public - set(dir(Mapping))


def test_the_unknown_outcomes_are_those_of_a_definition() -> None:
    [table] = re.findall(r"\| value \|.*?\n\n", PAGE.text, re.DOTALL)
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(ON_UNKNOWN)
