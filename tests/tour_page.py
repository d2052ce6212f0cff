"""The tour of the code, by its sections and stops."""

from __future__ import annotations

import re
from collections.abc import Sequence

from call_trace import Called
from pages import Page

TEXT = Page("docs/tour.md").text
RULES = "The rules"
TITLES = [title for title in re.findall(r"^## (.*)$", TEXT, re.MULTILINE) if title != RULES]
"""Sections that follow a message."""


def section(title: str) -> str:
    """The text below a heading, up to the next one."""
    pattern = rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)"
    [text] = re.findall(pattern, TEXT, re.MULTILINE | re.DOTALL)
    return str(text)


def stops(title: str) -> Sequence[str]:
    """The numbered items of a section."""
    pattern = r"^(\d+)\. (.*?)(?=^\d+\. |\Z)"
    found = re.findall(pattern, section(title), re.MULTILINE | re.DOTALL)
    assert [int(number) for number, _ in found] == list(range(1, len(found) + 1))
    return [text for _, text in found]


def links_in_order(title: str) -> Sequence[Called]:
    """The functions that a section links, in its order."""
    links = re.findall(r"\[`([\w.]+)`\]\(\.\./(\S+?)\.py\)", section(title))
    assert len(links) >= len(stops(title)) // 2
    return [Called(_module(path), name) for name, path in links]


def _module(path: str) -> str:
    return "indelible." + path.removeprefix("src/indelible/").replace("/", ".")
