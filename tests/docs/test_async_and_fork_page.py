"""The page about event loops and forks says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import indelible.errors
from pages import Page, output_of, printed_by

PAGE = Page("docs/async-and-fork.md")


@pytest.mark.parametrize("code", PAGE.blocks("python"))
def test_the_examples_print_what_they_say(code: str, tmp_path: Path) -> None:
    assert output_of(code, tmp_path) == printed_by(code) != []


def test_every_error_that_the_page_names_exists() -> None:
    names = set(re.findall(r"`(\w+(?:Error|Warning))`", PAGE.text))
    assert names
    assert not {name for name in names if not hasattr(indelible.errors, name)}
