"""The page about failures says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import indelible.errors
from pages import Page, output_of, printed_by

PAGE = Page("docs/failures.md")


def test_the_example_prints_what_it_says(tmp_path: Path) -> None:
    [code] = PAGE.blocks("python")
    assert output_of(code, tmp_path) == printed_by(code)


def test_every_error_that_the_page_names_exists() -> None:
    names = set(re.findall(r"`(\w+Error)`", PAGE.text))
    assert names
    assert not {name for name in names if not hasattr(indelible.errors, name)}
