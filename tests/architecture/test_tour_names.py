"""The tour of the code names what exists, and has each rule that a comment gives by number."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pages import ROOT
from tour_page import RULES, TEXT, TITLES, section, stops

LIBRARY = ("actors", "events", "migrations", "projections", "src/indelible")
STOPS = [
    pytest.param(text, id=f"{title}, {number}")
    for title in TITLES
    for number, text in enumerate(stops(title), 1)
]


def names_in(path: Path) -> Iterator[str]:
    """Functions, classes and methods of a file, methods with their class."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
            for inner in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}.{inner.name}"


@pytest.mark.parametrize("text", STOPS)
def test_what_a_stop_names_stands_in_the_files_that_it_links(text: str) -> None:
    files = {link: ROOT / "docs" / link for link in re.findall(r"\]\((\S+?\.py)\)", text)}
    assert files
    defined = {name for path in files.values() for name in names_in(path)}
    words = {word for path in files.values() for word in re.findall(r"\w+", path.read_text())}
    linked = re.findall(r"\[`(\S+?)`\]\((\S+?)\)", text)
    mentioned = re.findall(r"`([A-Za-z_][\w.]*)`", text)
    assert [(name, at) for name, at in linked if name not in names_in(files[at])] == []
    assert [name for name in mentioned if name not in defined and name[0].isupper()] == []
    assert [name for name in mentioned if name not in defined | words and name[0].islower()] == []


def test_a_number_of_an_invariant_in_the_code_is_that_of_a_rule() -> None:
    rules = re.findall(r"^\| (\d+) \| \S", section(RULES), re.MULTILINE)
    assert [int(number) for number in rules] == list(range(1, len(rules) + 1))
    files = [file for folder in LIBRARY for file in (ROOT / folder).rglob("*.py")]
    said = [
        (number, str(file.relative_to(ROOT)))
        for file in files
        for run in re.findall(r"invariants? (\d+(?:(?:, | and )\d+)*)", file.read_text())
        for number in re.findall(r"\d+", run)
    ]
    assert len(said) > 10
    assert [(number, file) for number, file in said if number not in rules] == []


def test_a_number_in_brackets_on_the_tour_is_that_of_a_rule() -> None:
    rules = re.findall(r"^\| (\d+) \| \S", section(RULES), re.MULTILINE)
    said = re.findall(r"\((\d+(?:, \d+)*)\)", TEXT)
    assert len(said) > 10
    assert [number for run in said for number in run.split(", ") if number not in rules] == []
