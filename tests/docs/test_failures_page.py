"""The page about failures says what is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import indelible.errors
from indelible.actors.workflow.state.status_types import OutcomeWord
from pages import Page, output_of, printed_by

PAGE = Page("docs/failures.md")


def test_the_example_prints_what_it_says(tmp_path: Path) -> None:
    [code] = PAGE.blocks("python")
    assert output_of(code, tmp_path) == printed_by(code)


def test_every_error_that_the_page_names_exists() -> None:
    names = set(re.findall(r"`(\w+Error)`", PAGE.text))
    assert names
    assert not {name for name in names if not hasattr(indelible.errors, name)}


def test_the_page_names_all_ends_of_a_run_and_no_other() -> None:
    _, _, table = PAGE.text.partition('| `outcome["status"]` | meaning |\n|---|---|\n')
    rows, _, _ = table.partition("\n\n")
    assert re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE) == list(get_args(OutcomeWord))
